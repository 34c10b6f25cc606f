"""``gridline topics``: the table of topics, and creating them in a cluster."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from services.cli import addresses, topics
from services.cli.console import Json, out, print_json, table
from services.contracts.topics import BY_NAME
from services.runtime import cluster

app = typer.Typer(
    name="topics",
    no_args_is_help=True,
    add_completion=False,
    help="Kafka topics: list the table of topics, apply it to a cluster.",
)


@app.command("list")
def list_topics(as_json: Json = False) -> None:
    """Show every topic: its key, who writes and reads it, and what the cluster has.

    For example:  gridline topics list
    """
    settings = addresses.find().settings
    there = asyncio.run(topics.list_topics(settings))
    wanted = [(one.name, *there.get(settings.topic_prefix + one.name, (0, 0))) for one in cluster.wanted()]
    if as_json:
        print_json([{"topic": name, "partitions": partitions, "copies": copies} for name, partitions, copies in wanted])
        return
    rows = []
    for name, partitions, copies in wanted:
        topic = BY_NAME.get(name)
        rows.append(
            (
                name,
                partitions or "missing",
                copies or "",
                topic.key.split(":")[0] if topic else "as it was",
                ", ".join(topic.producers) if topic else "its consumers",
                ", ".join(topic.consumers) if topic else "gridline dlq",
            )
        )
    columns = ("topic", "partitions", "copies", "key", "written by", "read by")
    out.print(table("Topics", columns, rows, right=("partitions", "copies")))
    if not all(partitions for _, partitions, _ in wanted):
        out.print("Some are missing: run [bold]gridline topics apply[/bold].")


@app.command()
def apply(
    partitions: Annotated[
        int | None,
        typer.Option(
            min=1, max=1000, envvar="GRIDLINE_TOPIC_PARTITIONS", help="Of every topic, in place of the table's."
        ),
    ] = None,
    replication: Annotated[
        int, typer.Option(min=1, max=7, envvar="GRIDLINE_TOPIC_REPLICATION", help="Copies of each partition.")
    ] = 1,
) -> None:
    """Make the cluster agree with the table: create topics, add partitions, correct settings.

    Nothing is ever deleted and no partition is taken away. A topic that was ever written keeps the partitions it has.

    For example:

      gridline topics apply

      gridline topics apply --replication 3 --partitions 24
    """
    settings = addresses.find().settings
    for change in asyncio.run(cluster.apply_topics(settings, partitions=partitions, replication=replication)):
        print(f"{change.name}: {change.done}, {change.partitions} partitions")
