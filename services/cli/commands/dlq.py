"""``gridline dlq``: dead letters: why, where they came from, and publishing them again."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from services.cli import addresses, dead_letters
from services.cli.console import Json, err, out, print_json, progress, table
from services.cli.errors import CommandError, Exit
from services.cli.moments import shown
from services.contracts.topics import BY_NAME, TOPICS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.cli.dead_letters import DeadLetter

app = typer.Typer(
    name="dlq",
    no_args_is_help=True,
    add_completion=False,
    help="Dead letters: records that could not be used, and publishing them again.",
)

_Topic = Annotated[str | None, typer.Option("--topic", "-t", help="Only of this topic.")]
_Reason = Annotated[str | None, typer.Option("--reason", "-r", help="Only with this reason word.")]


@app.command("list")
def list_letters(
    topic: _Topic = None,
    reason: _Reason = None,
    limit: Annotated[int, typer.Option(min=1, help="How many to show, newest first.")] = 50,
    as_json: Json = False,
) -> None:
    """List dead letters with their cause and original position, oldest first.

    For example:

      gridline dlq list

      gridline dlq list --topic contact.received.v1 --reason bad_field
    """
    letters = _read(topic, reason, whole=False)
    if as_json:
        print_json([_summary(letter) for letter in letters[-limit:]])
        return
    if not letters:
        out.print("No dead letters.")
        return
    rows = [
        (
            escape(letter.topic),
            letter.id,
            escape(letter.reason),
            f"{letter.cause.get('partition', '?')}:{letter.cause.get('offset', '?')}",
            letter.cause.get("consumer"),
            shown(letter.cause.get("at")),
            escape(letter.record.header("ce_id") or ""),
        )
        for letter in letters[-limit:]
    ]
    columns = ("topic", "letter", "reason", "was at", "refused by", "when", "event id")
    out.print(table(f"Dead letters: {len(letters)}", columns, rows))
    counts = ", ".join(f"{escape(word)} {n}" for word, n in Counter(letter.reason for letter in letters).most_common())
    out.print(f"By reason: {counts}. Look at one: gridline dlq show TOPIC LETTER.")


@app.command()
def show(
    topic: Annotated[str, typer.Argument(help="Topic the record was on, such as contact.received.v1.")],
    letter: Annotated[str, typer.Argument(help="As `gridline dlq list` names it: partition:offset.")],
    as_json: Json = False,
) -> None:
    """Show one dead letter whole: cause, original headers, key and value. It may hold personal data.

    For example:  gridline dlq show contact.received.v1 0:12
    """
    found = _read(topic, None, [letter])
    if not found:
        what = f"{topic} has no dead letter {letter}"
        raise CommandError(what, f"See which there are: gridline dlq list --topic {topic}.", Exit.NO)
    one = found[0]
    value = (one.record.value or b"").decode("utf-8", "backslashreplace")
    headers = {n: v.decode("utf-8", "backslashreplace") for n, v in one.original().headers}
    if as_json:
        print_json({**_summary(one), "headers": headers, "key": _text(one.record.key), "value": value})
        return
    for name, text in one.cause.items():
        out.print(f"[bold]{escape(name)}[/bold]  {escape(text)}")
    out.print("[bold]original headers[/bold]")
    for name, text in headers.items():
        out.print(f"  {escape(name)}: {escape(text)}")
    out.print(f"[bold]key[/bold]  {escape(_text(one.record.key))}")
    out.print("[bold]value[/bold]")
    try:
        out.print_json(value)
    except (json.JSONDecodeError, RecursionError):
        out.print(escape(value))


@app.command()
def replay(
    topic: _Topic = None,
    reason: _Reason = None,
    letter: Annotated[
        list[str] | None, typer.Option("--letter", "-l", help="Only this one, partition:offset; repeatable.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Publish dead letters again to the topics they came from, with their original key, value and headers.

    The event id stays, so a record that was used meanwhile changes nothing. A record whose cause is not mended comes
    back as another dead letter; letters stay in their topic until its retention ends.

    For example:

      gridline dlq replay --topic outage.input.v1 --reason unprocessable

      gridline dlq replay --topic contact.received.v1 --letter 0:12 --letter 0:13
    """
    if not (topic or reason or letter or everything):
        raise CommandError("replay needs to know which", "Name --topic, --reason, --letter or --all.", Exit.USAGE)
    if letter and not topic:
        raise CommandError("--letter needs --topic", "Name the topic the letters are of.", Exit.USAGE)
    letters = _read(topic, reason, letter)
    if letter and (missing := set(letter) - {one.id for one in letters}):
        what = f"no such dead letter: {', '.join(sorted(missing))}"
        raise CommandError(what, f"See which there are: gridline dlq list --topic {topic}.", Exit.NO)
    usable = [one for one in letters if one.usable]
    if len(usable) < len(letters):
        err.print(f"{len(letters) - len(usable)} had no value or are not whole, and would only come back: left out.")
    if not usable:
        out.print("Nothing to replay.")
        return
    if not yes:
        typer.confirm(f"Publish {len(usable)} records again?", abort=True)
    with progress() as display:
        task = display.add_task("publishing", total=len(usable))
        sent = asyncio.run(dead_letters.replay(addresses.find().settings, usable, lambda n: display.advance(task, n)))
    out.print(f"Published {sent} records again.")


def _read(
    topic: str | None, reason: str | None, ids: Sequence[str] | None = None, *, whole: bool = True
) -> list[DeadLetter]:
    possible = [one.name for one in TOPICS if one.is_read_here]
    if topic is not None and topic.removesuffix(".dlq") not in possible:
        why = (
            "is no topic of ours" if topic not in BY_NAME else "is read by others only, who keep their own dead letters"
        )
        raise CommandError(f"{topic} {why}", f"Topics with dead letters: {', '.join(possible)}.", Exit.USAGE)
    names = [topic.removesuffix(".dlq")] if topic else possible

    def wanted(one: DeadLetter) -> bool:
        return (reason is None or one.reason == reason) and (not ids or one.id in ids)

    return asyncio.run(dead_letters.read_letters(addresses.find().settings, names, wanted, whole=whole))


def _summary(letter: DeadLetter) -> dict[str, object]:
    return {
        "topic": letter.topic,
        "letter": letter.id,
        "cause": letter.cause,
        "event_id": letter.record.header("ce_id"),
        "event_type": letter.record.header("ce_type"),
    }


def _text(raw: bytes | None) -> str:
    return "" if raw is None else raw.decode("utf-8", "backslashreplace")
