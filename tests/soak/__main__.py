"""``python -m tests.soak``: the real stack under a storm while things break at random; then every promise is checked.

A seed says what is drawn, in which order; when a process is hit is the machine's. Exit status 1 if anything was found;
the folder with the logs stays then.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path

from services.cli import evidence as evidences
from services.runtime import clock
from services.runtime.errors import UnavailableError
from services.simulator.sender import Answers, send
from tests.soak import checks
from tests.soak.faults import Faults
from tests.soak.people import People, contacts
from tests.soak.stack import Stack

AT_ONCE = {"fill_the_disk", "kill_kafka", "pause_kafka", "kill_postgres", "stop_postgres_at_once", "pause_postgres"}
"""Faults of the servers: not two at a time, as a server cannot be paused that is being killed."""
FAULT_SECONDS = 60.0


def told(text: str) -> None:
    """Say it now, also into a file."""
    print(text, flush=True)  # noqa: T201 - what this is run for


class Soak:
    """One episode."""

    def __init__(self, seed: int, seconds: float, only: frozenset[str], folder: Path) -> None:
        self._seed, self._seconds, self._only = seed, seconds, only
        self._began = clock.monotonic()
        self.stack = Stack(folder, random.Random(seed))
        self._faults = Faults(self.stack, self._say)
        self.done: Counter[str] = Counter()

    def _say(self, text: str) -> None:
        told(f"  {clock.monotonic() - self._began:6.1f} s  {text}")

    async def run(self) -> list[str]:
        """Start, break, heal, wait until it is at rest, and return what is wrong."""
        await self.stack.start()
        requests = contacts(self.stack, self._seed, self._seconds)
        self._say(f"{len(requests)} requests within {self._seconds:g} s")
        answers, people = Answers(), People(self.stack, self._seed)
        intake = f"http://127.0.0.1:{self.stack.services['intake'].port}"
        supervisor = asyncio.create_task(self.stack.keep_up())
        earlier = asyncio.create_task(self._positions())
        async with asyncio.TaskGroup() as group:
            group.create_task(send(requests, intake, answers))
            group.create_task(people.work(self._seconds))
            await self._break(group)
        self.stack.heal()
        self._say(f"{len(answers.accepted)} accepted, {len(answers.unknown)} without a clear answer; healed")
        await asyncio.sleep(1)
        found = await checks.findings(self.stack, answers, self._faults, await earlier)
        self._say("at rest and looked at")
        told(f"  people: {dict(sorted(people.acts.items()))}")
        supervisor.cancel()
        await asyncio.gather(supervisor, return_exceptions=True)
        complaints = self.stack.complaints()
        told(f"  started over by themselves: {len(self.stack.started_over)} {self.stack.started_over}")
        return [*found, *people.odd, *complaints]

    async def _break(self, group: asyncio.TaskGroup) -> None:
        ends = clock.monotonic() + self._seconds
        drawn = sorted(self._only or Faults.names())
        while clock.monotonic() < ends:
            await asyncio.sleep(self.stack.rng.uniform(0.5, 4.0))
            name = self.stack.rng.choice(drawn)
            breaking = group.create_task(self._one(name))
            if name in AT_ONCE:
                await breaking

    async def _one(self, name: str) -> None:
        try:
            async with asyncio.timeout(FAULT_SECONDS):
                await getattr(self._faults, name)()
            self.done[name] += 1
        except Exception as error:  # noqa: BLE001 - what breaks the stack breaks what else we do to it, too
            self._say(f"{name} could not: {type(error).__name__} {str(error)[:80]}")

    async def _positions(self):
        """Where everybody stood on the way: nobody may go back."""
        await asyncio.sleep(self._seconds / 3)
        while True:
            try:
                return await evidences.read_positions(self.stack.settings())
            except UnavailableError:
                await asyncio.sleep(0.5)


def episode(seed: int, seconds: float, only: frozenset[str]) -> bool:
    """Run one; tell whether nothing was found."""
    told(f"seed {seed}")
    folder = Path(tempfile.mkdtemp(prefix=f"gridline-soak-{seed}-"))
    folder.chmod(0o711)  # Postgres has an account of its own where this runs as root
    soak = Soak(seed, seconds, only, folder)
    found = ["it did not come to its end"]
    try:
        found = asyncio.run(soak.run())
    except Exception:  # noqa: BLE001 - shown, and counted as a finding
        traceback.print_exc()
    finally:
        soak.stack.stop()
    faults = dict(sorted(soak.done.items()))
    told(f"seed {seed}: {sum(faults.values())} faults {faults}, {len(found)} findings")
    for one in found:
        told(f"  - {one}")
    if found:
        told(f"  The logs are in {folder}.")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return not found


def main() -> int:
    """Run episodes."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("seeds", type=int, nargs="*", help="one episode each; one of a seed drawn now if absent")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long things break in each")
    parser.add_argument(
        "--only", default="", help=f"these alone, with commas between: {', '.join(sorted(Faults.names()))}"
    )
    arguments = parser.parse_args()
    only = frozenset(filter(None, arguments.only.split(",")))
    if unknown := only - Faults.names():
        parser.error(f"no such fault: {', '.join(sorted(unknown))}")
    seeds = arguments.seeds or [random.SystemRandom().randrange(10**6)]
    return 1 if [seed for seed in seeds if not episode(seed, arguments.seconds, only)] else 0


if __name__ == "__main__":
    sys.exit(main())
