"""Dispatchers' commands over HTTP: the key, the revision they are based on, and the result.

Never here: an action.
"""

from __future__ import annotations

import getpass
from typing import Annotated, Any, Final
from uuid import uuid4

import typer
from rich.markup import escape

from services.cli import addresses, http
from services.cli.console import out, print_json
from services.cli.errors import CommandError, Exit
from services.contracts.values import CommandAction
from services.dedup.keys import DEVELOPMENT_KEYS

Reason = Annotated[str, typer.Option("--reason", "-r", help="Why; recorded in the ledger.")]
CommandId = Annotated[
    str | None, typer.Option("--command-id", help="Your own id of this command; the same again changes nothing.")
]

PAGE: Final = 500
"""What a list gives at most at once."""


def headers() -> dict[str, str]:
    """Return the headers that say who asks."""
    return http.key(DEVELOPMENT_KEYS["desk-dev"])


def person() -> str:
    """Return who sits here, for what is recorded: the login name.

    Raises:
        CommandError: it has none, as where a container runs as any number.
    """
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise CommandError("your login has no name to record", "Set LOGNAME to yours.", Exit.REFUSED) from None


def ask(path: str, **query: Any) -> Any:
    """Return what a door of dedup shows.

    Raises:
        CommandError: no answer, or a refusal.
    """
    return http.get("dedup", addresses.find().urls["dedup"], path, headers=headers(), **query)


def pages(path: str, field: str, most: int, **query: Any) -> tuple[list[dict[str, Any]], bool]:
    """Collect what a door lists until there are ``most``, or no more; say whether there are more.

    Raises:
        CommandError: no answer, or a refusal.
    """
    found: list[dict[str, Any]] = []
    after: str | int | None = None
    while len(found) < most:
        page = ask(path, after=after, limit=min(PAGE, most - len(found)), **query)
        found += page[field]
        if (after := page["next"]) is None:
            break
    return found, after is not None


def act(path: str, body: dict[str, Any], *, seen: Any = None, command_id: str | None, method: str = "POST") -> Any:
    """Give a command and return what came of it.

    Args:
        path: The door.
        body: What the action needs; id and person are added.
        seen: The thing it is about, as its door showed it; or an incident's door: what it shows now is what was seen.
        command_id: The id to give it, or None for a new one.
        method: POST or PUT.

    Raises:
        CommandError: no answer, or it was refused.
    """
    command_id = command_id or str(uuid4())
    sent = {"command_id": command_id, "by": person(), **body}
    told = headers()
    if seen is not None:
        told["If-Match"] = f'"{(ask(seen, members=0) if isinstance(seen, str) else seen)["revision"]}"'
    url = addresses.find().urls["dedup"]
    try:
        return http.send("dedup", url, method, path, {k: v for k, v in sent.items() if v is not None}, headers=told)
    except CommandError as error:
        if error.code != Exit.UNREACHABLE:
            raise
        again = f"It may have been taken: given again with --command-id {command_id} it is done once."
        raise CommandError(error.what, f"{error.advice} {again}", error.code) from None


def show(done: Any, *, as_json: bool, back: str | None = None) -> None:
    """Print what came of a command, and what takes it back: ``back``, where it is not undone."""
    if as_json:
        print_json(done)
        return
    out.print(
        f"{done['action']}: [bold]{done['outcome'] or 'accepted, not decided yet'}[/bold] by {escape(done['author'])}"
    )
    out.print(back or _undoing(done), soft_wrap=True)


def _undoing(done: Any) -> str:
    """Say how a command is undone, or why it is not."""
    if done["action"] == CommandAction.UNDO:
        return "An undo is not undone: give the command again."
    if done["undone_by"] is not None:
        return f"It was undone by command {done['undone_by']}."
    if done["outcome"] is not None and not done["undoable"]:
        return "It is not undone any more: what it changed is over since."
    words = f"Take it back: gridline incidents undo {done['command_id']} --reason …"
    if done["action"] == CommandAction.PLACE:  # which of the two, only dedup knows by then
        words += "; of a report that opened its incident: gridline incidents move, or confirm at the right device"
    return words
