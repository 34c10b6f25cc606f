"""A simulated agent at a desktop: run it, or copy what you need.

It shows what a desktop does with the router's doors, and no more:

* say that the agent is there, and wait for the next ticket: by a long poll, which is a sign of life too, or with
  --stream by server-sent events, with heartbeats beside;
* accept it before the offer lapses, call the customer back, write up, complete with an outcome;
* send the version it saw (If-Match), and ask again after a lost answer: what is done is not done twice;
* go on with what the agent still has in hand, where it died and is started again;
* take "no" for an answer: a ticket may have gone to somebody else meanwhile, which is never an error of the desktop;
* end when it is told to (Ctrl-C), also while the router is away: the agent says that they go, if anybody listens.

It needs httpx, and nothing of Gridline's code:

    python examples/agent_desktop.py --agent a-1017 --queues consultation,general --make
"""

# ruff: noqa: INP001, T201 - it stands alone, outside the package

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sys
import zlib
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

WAIT = 20.0  # seconds of one long poll: well under the router's `presence`, so that it counts as a sign of life
AGAIN = 2.0  # seconds until the second try when the router cannot be reached: twice as long each time after, ...
LONGEST = 20.0  # ... up to this, and never all desktops at one time: thousands that ask together keep it down
FAREWELL = 3.0  # seconds to say that the agent goes; who cannot is taken for gone after `presence`
SILENCE = 40.0  # seconds without even a comment (one comes every 15 s of silence): the stream is broken


class RefusedError(Exception):
    """The router refuses something that asking again does not mend: a wrong key, an agent nobody made."""


def granted(answer: httpx.Response) -> httpx.Response:
    """Return an answer that is no refusal.

    Raises:
        RefusedError: it is one, in the router's own words (RFC 9457).
    """
    if answer.is_client_error:
        told = answer.json()
        fields = "".join(f"; {each['field']}: {each['reason']}" for each in told.get("errors", ()))
        raise RefusedError(f"{told['detail']}{fields}")
    return answer.raise_for_status()


class Desktop:
    """One agent at the router's doors."""

    def __init__(self, client: httpx.AsyncClient, agent: str) -> None:
        self._client = client
        self._agent = agent
        self.done = 0

    async def rest(self, tries: int) -> None:
        """Wait before asking again: longer each time, each desktop in its own half of that."""
        own = 0.5 + zlib.crc32(self._agent.encode()) / 2**33
        await asyncio.sleep(own * min(AGAIN * 2.0**tries, LONGEST))

    async def ask(self, method: str, path: str, *, version: int | None = None, **body: Any) -> httpx.Response:
        """Ask until there is an answer: every door may be asked twice."""
        headers = {} if version is None else {"If-Match": f'"{version}"'}
        tries = 0
        while True:
            try:
                answer = await self._client.request(method, f"/v1/{path}", json=body or None, headers=headers)
            except httpx.TransportError as error:
                print(f"{self._agent}: no answer ({type(error).__name__}); asking again", flush=True)
            else:
                if answer.status_code not in {502, 503, 504}:
                    return answer
            await self.rest(tries)
            tries += 1

    async def begin(self) -> None:
        """Be there. Who was taken for gone meanwhile has no tickets any more: they went back to their queues."""
        granted(await self.ask("PUT", f"agents/{self._agent}/presence", presence="available"))

    async def make(self, queues: str, languages: str) -> None:
        """Say what the agent can, as a supervisor does once."""
        profile = {"queues": queues.split(","), "languages": languages.split(",")}
        granted(await self.ask("PUT", f"agents/{self._agent}", **profile))

    async def in_hand(self) -> list[dict[str, Any]]:
        """Return the tickets of a desktop that died: they are the agent's as long as the agent gives signs of life."""
        answer = granted(await self.ask("GET", f"agents/{self._agent}"))
        return [ticket for ticket in answer.json()["tickets"] if ticket["state"] != "offered"]  # an offer comes again

    async def did(self, ticket_id: str) -> set[str]:
        """Return what was done with a ticket since it was taken, by its log."""
        log = granted(await self.ask("GET", f"tickets/{ticket_id}/log")).json()["log"]
        taken = [n for n, line in enumerate(log) if line["did"] in {"accepted", "claimed"}]
        return {line["did"] for line in log[taken[-1] :]} if taken else set()

    async def next(self) -> dict[str, Any] | None:
        """Wait for the next ticket; none if nothing came, or the agent was taken for gone and is back now."""
        answer = await self.ask("POST", f"agents/{self._agent}/offers?wait={WAIT}")
        if answer.status_code == httpx.codes.CONFLICT:
            await self.begin()
            return None
        granted(answer)
        return None if answer.status_code == httpx.codes.NO_CONTENT else answer.json()

    async def stream(self) -> AsyncGenerator[dict[str, Any]]:
        """Yield tickets as they are offered, over a stream that is opened again whenever it breaks."""
        last, tries = "", 0
        while True:
            headers = {"Last-Event-ID": last} if last else {}
            path, patience = f"/v1/agents/{self._agent}/offers", httpx.Timeout(10.0, read=SILENCE)
            try:
                async with self._client.stream("GET", path, headers=headers, timeout=patience) as answer:
                    if answer.status_code == httpx.codes.CONFLICT:  # taken for gone, and back now
                        await self.begin()
                        continue
                    if answer.is_client_error:
                        await answer.aread()
                    granted(answer)
                    tries = 0
                    event = {"event": "message", "data": ""}
                    async for line in answer.aiter_lines():
                        name, _, value = line.partition(":")
                        if name:
                            event[name] = value.removeprefix(" ")
                        elif not line:  # the end of an event; a comment has no name
                            last = event.get("id", last)
                            if event["event"] == "offer":
                                yield json.loads(event["data"])
                            event = {"event": "message", "data": ""}
            except (httpx.TransportError, httpx.HTTPStatusError) as error:
                print(f"{self._agent}: the stream broke ({type(error).__name__}); opening it again", flush=True)
            await self.rest(tries)
            tries += 1

    async def live(self) -> None:
        """Give signs of life: an open stream is none."""
        while True:
            await self.ask("POST", f"agents/{self._agent}/heartbeat")
            await asyncio.sleep(WAIT / 2)

    async def poll(self) -> AsyncGenerator[dict[str, Any]]:
        """Yield tickets as they are offered, by asking again and again."""
        while True:
            if (ticket := await self.next()) is not None:
                yield ticket

    async def work(self, ticket: dict[str, Any], seconds: float) -> bool:
        """Work a ticket to its end; False where it went to somebody else on the way."""
        ticket_id, version = ticket["ticket_id"], ticket["version"]
        done = set() if ticket["state"] == "offered" else await self.did(ticket_id)
        for act, leaves, pause, further in (
            ("accept", "accepted", 0.0, {}),
            ("contact", "contacted", seconds, {"outcome": "reached"}),
            ("wrap-up", "wrapped_up", 0.0, {}),
            ("complete", "completed", seconds / 2, {"outcome": "solved", "note": "explained on the phone"}),
        ):
            if leaves in done:
                continue
            await asyncio.sleep(pause)
            answer = await self.ask(
                "POST", f"tickets/{ticket_id}/{act}", version=version, agent_id=self._agent, **further
            )
            if answer.status_code == httpx.codes.PRECONDITION_FAILED:  # the customer said more; or an answer was lost
                version = int(answer.headers["ETag"].strip('"'))
                done = await self.did(ticket_id)
                if leaves in done:
                    continue
                answer = await self.ask("POST", f"tickets/{ticket_id}/{act}", agent_id=self._agent, **further)
            if answer.is_client_error:
                print(f"{self._agent}: {ticket['ticket_ref']} {act} refused: {answer.json()['detail']}", flush=True)
                return False
            version = answer.json()["version"]
        print(f"{self._agent}: {ticket['ticket_ref']} completed ({ticket['queue']})", flush=True)
        return True


async def shift(desktop: Desktop, arguments: argparse.Namespace) -> None:
    """Work tickets, for ever or as many as were asked for."""
    if arguments.make:
        await desktop.make(arguments.queues, arguments.languages)
    await desktop.begin()
    beating = asyncio.create_task(desktop.live()) if arguments.stream else None
    tickets = desktop.stream() if arguments.stream else desktop.poll()
    try:
        in_hand = await desktop.in_hand()
        async with contextlib.aclosing(tickets):
            while desktop.done != arguments.tickets:
                ticket = in_hand.pop() if in_hand else await anext(tickets)
                desktop.done += await desktop.work(ticket, arguments.seconds)
    finally:
        if beating is not None:
            beating.cancel()


async def main(arguments: argparse.Namespace) -> int:
    """Work until told to stop, or as many tickets as were asked for; then say that the agent goes."""
    headers = {"X-API-Key": arguments.key}
    async with httpx.AsyncClient(base_url=arguments.router, headers=headers, timeout=WAIT + 10) as client:
        desktop = Desktop(client, arguments.agent)
        working = asyncio.create_task(shift(desktop, arguments))
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, working.cancel)
        try:
            await working
        except asyncio.CancelledError:
            pass  # told to stop; what is in hand goes back to its queue
        except RefusedError as error:
            print(f"{arguments.agent}: {error}", file=sys.stderr)
            return 1
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL):
                await desktop.ask("PUT", f"agents/{arguments.agent}/presence", presence="offline")
    print(f"{arguments.agent}: {desktop.done} completed", flush=True)
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--router", default="http://127.0.0.1:8002")
    parser.add_argument(
        "--key", default="gridline-dev-supervisor-key", help="with --make it needs the scope supervisor"
    )
    parser.add_argument("--agent", required=True, help="id of the agent")
    parser.add_argument("--make", action="store_true", help="make the agent first, or change what they can")
    parser.add_argument("--stream", action="store_true", help="offers by server-sent events instead of long polls")
    parser.add_argument("--queues", default="*", help="comma-separated; * for all")
    parser.add_argument("--languages", default="zh", help="comma-separated ranges; * for all")
    parser.add_argument("--tickets", type=int, default=-1, help="stop after so many completed ones")
    parser.add_argument("--seconds", type=float, default=5.0, help="of handling a ticket")
    sys.exit(asyncio.run(main(parser.parse_args())))
