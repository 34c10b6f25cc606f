"""``gridline forget``: erasing customers' data, by age or for one person who asks for it.

Decided here: what the command line may ask for. Nothing is erased without being asked, and nothing of what is going on.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from datetime import datetime, timedelta
from pathlib import Path  # noqa: TC003 - the command line is read by these annotations
from typing import TYPE_CHECKING, Annotated, Final

import typer

from services.cli import addresses
from services.cli.console import Json, out, print_json, progress, table
from services.cli.errors import CommandError, Exit
from services.cli.forgetting import BEGINNING, YOUNGEST, Erased, Forgetting, rooms
from services.cli.moments import shown
from services.contracts.topics import TOPICS
from services.intake.erasing import photos_before
from services.notify import erasing as notify
from services.router import erasing as router
from services.runtime import clock

if TYPE_CHECKING:
    from services.runtime.settings import ServiceSettings

_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")
_LONG: Final = re.compile(r"(\d{1,5})d")
_KAFKA: Final = timedelta(milliseconds=max(topic.retention_ms for topic in TOPICS))


def forget(
    before: Annotated[
        str | None,
        typer.Option(
            help="What is older than this: a day (it begins by this machine's clock), or ISO 8601 with offset."
        ),
    ] = None,
    older_than: Annotated[str | None, typer.Option(help="What is older than so many days, such as 1095d.")] = None,
    phone: Annotated[str | None, typer.Option(help="One person, by their telephone number.")] = None,
    account: Annotated[str | None, typer.Option(help="One person, by their account.")] = None,
    ticket: Annotated[
        str | None, typer.Option(help="One ticket, by the reference its customer has, or by its id.")
    ] = None,
    photos: Annotated[
        Path | None,
        typer.Option(envvar="GRIDLINE_PHOTOS_FOLDER", help="With an age: intake's folder, whose photos go as well."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count, and change nothing.")] = False,
    again: Annotated[
        bool, typer.Option("--again", help="With an age: from the beginning, not from where the last one ended.")
    ] = False,
    full_speed: Annotated[
        bool, typer.Option("--full-speed", help="Without pauses; else it rests three times as long as it works.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask. Without a terminal it must be given.")] = False,
    by: Annotated[str | None, typer.Option(help="Who does it, for the record; else this user's name.")] = None,
    as_json: Json = False,
) -> None:
    """Erase what identifies customers, what they said and where they are; references, counts and figures stay.

    Nothing is ever erased unless this is run: how long tickets must be kept is for your rules to say. It works beside
    the services, some tickets at a time. It may be stopped at any time and run again: it goes on where it was, and what
    is erased already is not counted again. It cannot be taken back.

    Left are tickets that are open, whose outage is not over or whose customer is still to be told, and what changed in
    the last 14 days; they are counted, with the reason. Run it again when they are over. Kafka has what was said for up
    to 30 days, backups have it for as long as you keep them.

    For example:

      gridline forget --older-than 1095d --dry-run

      gridline forget --older-than 1095d --yes --photos /var/lib/gridline/photos

      gridline forget --phone 13800000000
    """
    asked = _asked(before, older_than)
    person = [one for one in (phone, account, ticket) if one is not None]
    if len(person) + (asked is not None) != 1:
        raise typer.BadParameter("Say one of --before, --older-than, --phone, --account and --ticket.")
    if asked is not None and photos is not None and not photos.is_dir():
        raise CommandError(f"{photos} is no folder", "Name the one that intake keeps photos in.", Exit.REFUSED)
    if not dry_run and not yes:
        if not sys.stdin.isatty():
            raise typer.BadParameter("What is erased cannot be brought back: give --yes, or --dry-run to count first.")
        typer.confirm("What is erased cannot be brought back. Erase it?", abort=True)
    settings = addresses.find().settings
    author = (by or os.environ.get("USER") or f"user {os.getuid()}")[:200]  # in a container nobody has a name
    pause = 0.0 if full_speed else 3.0
    if asked is not None:
        result = asyncio.run(_by_age(settings, asked, author, pause, photos, dry_run=dry_run, again=again))
    else:
        result = asyncio.run(_of_person(settings, author, pause, phone, account, ticket, dry_run=dry_run))
    if as_json:
        print_json({"dry_run": dry_run, "erased": result.counts, "left": result.kept, "left_from": result.kept_from})
        return
    _show(result, dry_run=dry_run)


async def _by_age(
    settings: ServiceSettings,
    before: datetime,
    author: str,
    pause: float,
    photos: Path | None,
    *,
    dry_run: bool,
    again: bool,
) -> Erased:
    async with rooms(settings) as opened:
        _refuse_young(before)
        since = None if again else await router.kept_from(opened.router)
        with progress() as display:
            total = await router.how_many(opened.router, since or BEGINNING, before)
            task = display.add_task("tickets", total=total)
            work = Forgetting(opened, before, dry_run, pause, lambda n: display.advance(task, n))
            for photo in () if photos is None else photos_before(photos, before):
                work.result.counts["photos"] += 1
                if not dry_run:
                    photo.unlink(missing_ok=True)
            result = await work.by_age(since or BEGINNING, author)
    return result


async def _of_person(
    settings: ServiceSettings,
    author: str,
    pause: float,
    phone: str | None,
    account: str | None,
    ticket: str | None,
    *,
    dry_run: bool,
) -> Erased:
    async with rooms(settings) as opened:
        try:
            found = await router.of_person(opened.router, phone=phone, account=account, ref=ticket)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
        if phone is not None:  # who of one account calls from another number has the ticket found by that one
            found = list({*found, *await notify.of_number(opened.notify, phone)})
        work = Forgetting(opened, clock.now() - YOUNGEST, dry_run, pause)
        return await work.of_person(found, author, phone, account)


def _asked(before: str | None, older_than: str | None) -> datetime | None:
    """Return the moment before which everything is to go; None where none is given."""
    now = clock.now()
    if before is not None and older_than is not None:
        raise typer.BadParameter("Say either --before or --older-than.")
    if older_than is not None:
        if (days := _LONG.fullmatch(older_than)) is None:
            raise typer.BadParameter(f"{older_than!r} is not a number of days, such as 365d.")
        moment = now - timedelta(days=int(days[1]))
    elif before is not None:
        try:
            moment = datetime.fromisoformat(before)
        except ValueError:
            raise typer.BadParameter(f"{before!r} is neither a day, such as 2025-11-29, nor a time.") from None
        if moment.tzinfo is None and _DAY.fullmatch(before) is None:
            raise typer.BadParameter(f"{before!r} has no offset: write 2025-11-29T00:00+08:00.")
        moment = moment.astimezone()
    else:
        return None
    _refuse_young(moment)
    return moment


def _refuse_young(moment: datetime) -> None:
    """Refuse what is too young by now: by this machine's clock at first, then by the database's.

    Raises:
        CommandError: it is.
    """
    if moment > clock.now() - YOUNGEST:
        why = f"it must be {YOUNGEST.days} days ago at least: until then messages about it are kept, and tickets are."
        raise CommandError(f"{shown(moment)} is too young", f"Say an earlier time; {why}", Exit.REFUSED)


def _show(result: Erased, *, dry_run: bool) -> None:
    done = [(what, f"{n:,}") for what, n in result.counts.items() if n]
    title = "Would be erased" if dry_run else "Erased"
    out.print(table(title, ("", "rows"), done, right=("rows",)) if done else f"{title}: nothing.")
    if result.kept:
        left = [(why.replace("_", " "), f"{n:,}") for why, n in result.kept.most_common()]
        out.print(table("Left, as these are not over", ("why", "tickets"), left, right=("tickets",)))
        out.print(f"The oldest of them was opened at {shown(result.kept_from)}. Run it again when they are over.")
    if not dry_run:
        gone = shown(clock.now() + _KAFKA, seconds=False)
        out.print(f"Kafka's topics have let go of it by {gone}; backups and other systems keep their own copies.")
