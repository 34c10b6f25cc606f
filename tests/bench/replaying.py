"""One round of replaying files: in this process, or in one of its own whose core is compiled.

``python -m tests.bench.replaying FOLDER`` replays the files there once for each line it is sent, and answers with what
it took.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import orjson

from services.contracts.messages import OutageReported
from services.contracts.values import Channel, Place
from services.dedup.replay import Replay
from services.dedup.replay_files import read_reports, read_restorations, write_assignments, write_orders
from services.dedup.replay_reports import Prepared, load_served, prepare
from services.dedup.rules_file import load_rules
from services.dedup.settings import DedupSettings
from services.quality.hearing import hearing
from services.runtime.settings import read_settings
from tests.bench import cores
from tests.compiled import environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from uuid import UUID

    from services.dedup.replay_files import Restoration
    from services.dedup.replay_reports import Served


class Round(NamedTuple):
    """Reports for each second of processor time of each stage; ``floor``: their JSON read, a line written."""

    floor: float
    read: float
    placed: float
    decided: float
    written: float
    whole: float


def replayed(folder: Path, served: Served) -> tuple[Round, list[Prepared], list[Restoration]]:
    """Replay the files of a folder once; also what the reports came to as messages, and the restorations."""
    rules = load_rules(read_settings(DedupSettings).thresholds_file)
    began = time.process_time()
    with (folder / "reports.jsonl").open("rb") as file:
        plain = [orjson.loads(line) for line in file]
    with (folder / "floor.csv").open("w") as out:
        out.writelines(f"{one['event_id']},{one['received_at']}\n" for one in plain)
    floor = len(plain) / (time.process_time() - began)
    del plain

    marks = [time.process_time()]
    lines = read_reports(folder / "reports.jsonl")
    restored = read_restorations(folder / "restorations.csv")
    marks.append(time.process_time())
    prepared = prepare(served.book, lines, hearing(), quiet)
    marks.append(time.process_time())
    done = Replay(served, rules).decide_all(prepared, restored, quiet)
    marks.append(time.process_time())
    write_assignments(folder / "assignments.csv", done.assignments)
    write_orders(folder / "orders.csv", done.orders)
    marks.append(time.process_time())
    if done.in_incidents < len(lines) / 2:
        raise AssertionError(f"only {done.in_incidents} of {len(lines)} reports are in incidents")
    stages = [len(lines) / (until - since) for since, until in pairwise(marks)]
    return Round(floor, *stages, len(lines) / (marks[-1] - marks[0])), prepared, restored


def reported(
    served: Served, account: str, transformer: str, at: datetime, key: UUID, *, alone: bool = False
) -> Prepared:
    """Return the report of one customer at their transformer, as it is decided; ``alone``: of their own home only."""
    tree = served.tree
    area = tree.area_of(transformer)
    message = OutageReported(
        area=area,
        report_id=key,
        ticket_id=key,
        ticket_ref="BENC-HOPE-N00",
        contact_id=key,
        channel=Channel.WEB,
        place=Place(area=area, feeder=tree.feeder_of(transformer), transformer_id=transformer, account_id=account),
        reported_at=at,
        received_at=at,
        single_premise=alone,
    )
    return Prepared(account, key, at, message)


def quiet(_stage: str, _done: int, _total: int) -> None:
    """Show nothing."""


@contextmanager
def compiled(folder: Path, tell: Callable[[str], None]) -> Iterator[Callable[[], Round] | None]:
    """Give what replays a folder once with the compiled core; None where it cannot be compiled."""
    if (core := cores.compiled(tell)) is None:
        yield None
        return
    command = [sys.executable, "-m", "tests.bench.replaying", str(folder)]
    process = subprocess.Popen(command, env=environment(core), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:  # waits for its end, which the end of its input is

        def once() -> Round:
            if process.stdin is None or process.stdout is None:
                raise AssertionError("both were asked for")
            process.stdin.write("\n")
            process.stdin.flush()
            if not (answer := process.stdout.readline()):
                raise RuntimeError("the process with the compiled core has ended; it said why")
            return Round(*json.loads(answer))

        yield once


def main() -> None:
    """Answer until there is nothing more to read."""
    folder = Path(sys.argv[1])
    served = load_served(folder / "network.csv", folder / "customers.csv")
    for _ in sys.stdin:
        print(json.dumps(replayed(folder, served)[0]), flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
