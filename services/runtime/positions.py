"""The position of a service in each partition, stored beside its state, and who may move it.

Claiming a partition raises its epoch. Moving a position is a compare-and-set on (epoch, next_offset): an owner that
was paused while another took over matches no row, and everything it decided is rolled back.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from services.runtime.errors import FencedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from services.runtime.postgres import Connection

TopicPartition = tuple[str, int]
NO_RECORD: Final = b""
"""In a digest's place: there is none at that offset, as where a transaction ends."""

_CLAIM: Final = """
INSERT INTO consumer_partition AS p (topic, partition, epoch, next_offset, owner, claimed_at)
VALUES ($1, $2, 1, $3, $4, $5)
ON CONFLICT (topic, partition) DO UPDATE
SET epoch = p.epoch + 1, owner = excluded.owner, claimed_at = excluded.claimed_at
RETURNING epoch, next_offset, CASE WHEN last_offset = next_offset - 1 THEN last_digest END AS last
"""


def advancing(first: int) -> str:
    """Return the statement that moves positions and says which, its six columns from parameter ``first`` on."""
    types = ("text", "int", "bigint", "bigint", "bigint", "bytea")
    columns = ", ".join(f"${first + n}::{each}[]" for n, each in enumerate(types))
    return f"""
UPDATE consumer_partition AS p SET next_offset = v.target, last_offset = v.target - 1, last_digest = v.last
FROM unnest({columns}) AS v (topic, partition, epoch, expected, target, last)
WHERE p.topic = v.topic AND p.partition = v.partition AND p.epoch = v.epoch AND p.next_offset = v.expected
RETURNING p.topic, p.partition
"""  # noqa: S608 - names of types and numbers


_MOVE: Final = advancing(1)


def counting(first: int) -> str:
    """Return the statement that adds to the exact counts, its four columns from parameter ``first`` on."""
    types = ("text", "int", "text", "bigint")
    columns = ", ".join(f"${first + n}::{each}[]" for n, each in enumerate(types))
    return f"""
INSERT INTO tally AS t (topic, partition, name, n)
SELECT * FROM unnest({columns})
ON CONFLICT (topic, partition, name) DO UPDATE SET n = t.n + excluded.n
"""  # noqa: S608 - names of types and numbers


@dataclass(frozen=True, slots=True)
class Claim:
    """Our right to a partition, and where it goes on; ``last`` is the digest of the record before, if it is known."""

    epoch: int
    next_offset: int
    last: bytes | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """A step of one partition: under ``epoch``, from ``expected`` to ``target``; ``last`` as in ``Claim``."""

    epoch: int
    expected: int
    target: int
    last: bytes | None = None


async def claim(connection: Connection, at: TopicPartition, *, first: int, owner: str, now: datetime) -> Claim:
    """Take a partition over. ``first`` is where a service that never read it begins."""
    row = await connection.fetchrow(_CLAIM, at[0], at[1], first, owner, now)
    if row is None:
        raise AssertionError("an upsert returns its row")
    return Claim(epoch=row["epoch"], next_offset=row["next_offset"], last=row["last"])


def move_columns(moves: Mapping[TopicPartition, Move]) -> tuple[list[object], ...]:
    """Return the arguments of ``advancing``: rows in one order, so that two transactions never wait in a ring."""
    steps = sorted(moves.items())
    return (
        [at[0] for at, _ in steps],
        [at[1] for at, _ in steps],
        [move.epoch for _, move in steps],
        [move.expected for _, move in steps],
        [move.target for _, move in steps],
        [move.last for _, move in steps],
    )


def refuse_unmoved(moves: Iterable[TopicPartition], moved: Iterable[TopicPartition]) -> None:
    """Refuse to go on where not every position could be moved.

    Raises:
        FencedError: naming the partitions that another owner has taken or moved.
    """
    if missing := set(moves).difference(moved):
        raise FencedError(sorted(missing))


async def move(connection: Connection, moves: Mapping[TopicPartition, Move]) -> None:
    """Move positions past what holds no record; raise as ``refuse_unmoved`` does."""
    moved = await connection.fetch(_MOVE, *move_columns(moves))
    refuse_unmoved(moves, [(row["topic"], row["partition"]) for row in moved])


def count_columns(counts: Mapping[tuple[str, int, str], int]) -> tuple[list[object], ...]:
    """Return the arguments of ``counting``: rows in one order, so that two transactions never wait in a ring."""
    changed = sorted((*key, n) for key, n in counts.items() if n)
    return tuple([row[column] for row in changed] for column in range(4))


async def totals(connection: Connection) -> Counter[str]:
    """Return the service's counts, summed over partitions, by ``<topic>/<name>`` for the kernel's and by name."""
    found: Counter[str] = Counter()
    for row in await connection.fetch("SELECT topic, name, sum(n)::bigint AS n FROM tally GROUP BY topic, name"):
        found[f"{row['topic']}/{row['name']}" if row["name"] in KERNEL_NAMES else row["name"]] += row["n"]
    return found


KERNEL_NAMES: Final[Sequence[str]] = ("accepted", "duplicate", "conflict", "dead_lettered")
