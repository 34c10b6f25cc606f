"""``gridline conformance``: tests whether a consumer of dispatch orders keeps the contract."""

from __future__ import annotations

import asyncio
import json
from codecs import BOM_UTF8
from pathlib import Path  # noqa: TC003 - typer reads annotations at run time
from typing import Annotated
from uuid import UUID

import typer
from rich.markup import escape

from services.cli import addresses, conformance
from services.cli.console import out
from services.cli.errors import CommandError, Exit

app = typer.Typer(
    name="conformance",
    no_args_is_help=True,
    add_completion=False,
    help="Test a consumer of dispatch orders: publish a script to it, judge its action log.",
)

_Run = Annotated[str, typer.Option(help="Name of this run; a new name makes new orders.")]


@app.command()
def publish(
    topic: Annotated[str, typer.Option(help="Topic your consumer follows for this test.")],
    run: _Run = "1",
    replication: Annotated[
        int, typer.Option(min=1, envvar="GRIDLINE_TOPIC_REPLICATION", help="Copies of the topic, if it is made.")
    ] = 1,
) -> None:
    """Publish duplicates, reversals, gaps, unknown fields and types, a tombstone and garbage.

    The topic is made if it is not there. Point your consumer at it, wait until it has read to the end, then judge what
    it did with `gridline conformance judge`: docs/field-repair.md.

    For example:  gridline conformance publish --topic acme.conformance --run 1
    """
    script = conformance.script(run)
    settings = addresses.find().settings
    made = asyncio.run(conformance.publish(settings, topic, script.steps, replication=replication))
    for number, step in enumerate(script.steps, 1):
        out.print(f"{number:3d}  {step.says}")
    if made:
        out.print(f"The topic {topic} was made.")
    out.print(f"Your consumer has read everything when it has acted on order {script.last}.")


@app.command()
def judge(
    log: Annotated[
        Path, typer.Argument(help="Your action log, oldest first, a JSON object a line: order_id, version, status.")
    ],
    run: _Run = "1",
) -> None:
    """Judge an action log. Exit code 1 if the consumer does not conform.

    For example:  gridline conformance judge actions.jsonl --run 1
    """
    actions = []
    for number, line in enumerate(log.read_bytes().removeprefix(BOM_UTF8).splitlines(), 1):
        if not line.strip():
            continue
        try:
            action = json.loads(line)
            said = {"order_id": str(UUID(action["order_id"])), "version": int(action["version"])}
            actions.append({**said, "status": str(action["status"])})
        except (ValueError, KeyError, TypeError, AttributeError):
            what = f"{log}:{number}: not a JSON object with order_id (a UUID), version (a number) and status, in UTF-8"
            raise CommandError(what, "Write one action a line, oldest first.") from None
    wrong = conformance.judge(conformance.script(run), actions)
    for problem in wrong:
        out.print(f"[red]wrong[/red]  {escape(problem)}")
    if wrong:
        if not actions:
            out.print("The log is empty: has your consumer read the topic to its end?")
        raise typer.Exit(Exit.NO)
    out.print("[green]It conforms.[/green]")
