"""What must be true of a stack at rest: the product's checker, and a look of our own that shares nothing with it.

Decided here: the promises, as queries and folds. Never here: excusing a finding.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from services.cli import evidence as evidences
from services.cli.invariants import check
from services.cli.watch import watching
from services.contracts.envelope import RefusedError, decode, open_record
from services.contracts.topics import CONTACT_RECEIVED, INCIDENT_CHANGED, OUTAGE_INPUT, TICKET_ROUTED
from services.dedup.domain import AreaState, decide, evolve
from services.dedup.levels_file import load_levels
from services.dedup.rules_file import load_rules
from services.dedup.settings import LEVELS, RULES
from services.dedup.store.load import load_areas
from services.grid.store import load_trees
from services.runtime import clock
from tests.integration.dedup.room import plain
from tests.integration.router.story import _step, told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from services.cli.evidence import Evidence
    from services.simulator.sender import Answers
    from tests.soak.faults import Faults
    from tests.soak.stack import Stack

QUIET_SECONDS = 150.0
TRIES = 8
LAST = "LATERAL (SELECT status FROM dedup.order_version WHERE order_id = i.order_id ORDER BY version DESC LIMIT 1)"
NEVER = {
    "a notice twice": "SELECT FROM notify.notice WHERE incident_id IS NOT NULL"
    " GROUP BY recipient_id, incident_id, stage, revision HAVING count(*) > 1",
    "a contact in two tickets": "SELECT FROM router.ticket AS t, json_array_elements_text(t.body -> 'contacts') AS c"
    " WHERE t.body ->> 'merged_into' IS NULL GROUP BY c HAVING count(*) > 1",
    "an order with a version missing": "SELECT FROM dedup.order_version GROUP BY order_id"
    " HAVING max(version) <> count(*) OR min(version) <> 1",
    "an incident with two orders": "SELECT FROM dedup.order_version GROUP BY incident_id"
    " HAVING count(DISTINCT order_id) > 1",
    "an open incident whose order has ended": f"SELECT FROM dedup.incident AS i, {LAST} AS o"
    " WHERE i.state NOT IN ('restored', 'cancelled') AND o.status IN ('cancelled', 'closed')",
    "an ended incident whose order goes on": f"SELECT FROM dedup.incident AS i, {LAST} AS o"
    " WHERE i.state IN ('restored', 'cancelled') AND o.status IN ('issued', 'updated')",
    "a ticket in hand that nobody has": "SELECT FROM router.ticket"
    " WHERE state IN ('offered', 'assigned', 'wrap_up') AND agent IS NULL",
    "a command that was never decided": "SELECT FROM dedup.command WHERE outcome IS NULL",
    "a report in two incidents": "SELECT FROM dedup.membership GROUP BY report_id"
    " HAVING sum(CASE action WHEN 'joined' THEN 1 ELSE -1 END) NOT IN (0, 1)",
    "an incident that notify knows otherwise": "SELECT FROM dedup.incident AS i LEFT JOIN notify.incident AS n"
    " USING (incident_id) WHERE (n.revision, n.state) IS DISTINCT FROM (i.revision, i.state)",
}


async def findings(stack: Stack, answers: Answers, faults: Faults, earlier) -> list[str]:
    """Wait until a stack is at rest, read it, and return what is wrong with it."""
    moved: Counter[str] = Counter()
    for _ in range(TRIES):
        async with watching(stack.settings()) as watch:
            before = await watch.until_quiet(QUIET_SECONDS)
            with stack.still():
                evidence = await evidences.gather(stack.settings())
                evidence.accepted = frozenset(answers.accepted)
                evidence.unknown = frozenset(answers.unknown | faults.poisoned)
                evidence.earlier = earlier
                verdict = check(evidence)
                looked_at = await _looked_at(stack, evidence, foldable=not faults.unfoldable)
                found = [*map(str, verdict.findings), *looked_at]
                after = await watch.look()
            if after.still and after.ends == before.ends:
                break  # else time has brought something while it was read, and the parts are of different moments
            moved.update({topic: end - before.ends[topic, n] for (topic, n), end in after.ends.items()})
    else:
        return [f"it was never at rest for as long as reading it takes; records that came meanwhile: {+moved}"]
    found += [f"refused: {status} {text}" for status, text in answers.refused[:5]]
    found += [f"{contact} was answered with another id" for contact in answers.wrong_ids[:5]]
    return found if verdict.counts.exact else [*found, f"the count is not exact: {verdict.counts}"]


async def _looked_at(stack: Stack, evidence: Evidence, *, foldable: bool) -> list[str]:
    connection = await stack.connect()
    try:
        found = [
            f"{what}: {n}"
            for what, sql in NEVER.items()
            if (n := await connection.fetchval(f"SELECT count(*) FROM ({sql}) AS found"))  # noqa: S608
        ]
        tickets = {
            row["ticket_id"]: (row["version"], row["state"])
            for row in await connection.fetch("SELECT ticket_id, version, state FROM router.ticket")
        }
        dead = {record.event_id for record in evidence.records.get(CONTACT_RECEIVED.dead_letters, ())}
        found += [
            f"contact {one} is in no place"
            for one in evidence.accepted or ()
            if one not in evidence.contacts and one not in dead
        ]
        found += _desk(evidence, tickets)
        found += _snapshots(evidence)
        if foldable:
            found += [one async for one in _folded(connection, evidence)]
    finally:
        await connection.close()
    return found


def _messages(evidence: Evidence, topic) -> Iterator:
    for record in evidence.records.get(topic.name, ()):
        try:
            yield decode(open_record(record.value, list(record.headers)), topic.types)
        except RefusedError:  # poison
            continue


def _desk(evidence: Evidence, tickets) -> Iterator[str]:
    """The topic tells of every ticket as it stands, and never of one that two agents have."""
    stories = told(_messages(evidence, TICKET_ROUTED))
    for key in stories.keys() ^ tickets.keys():
        yield f"ticket {key} is in the table or on the topic alone"
    for key in stories.keys() & tickets.keys():
        story = stories[key]
        if (story[-1].version, story[-1].state) != tickets[key]:
            yield f"ticket {key} is {tickets[key]}, the topic ends with {(story[-1].version, story[-1].state)}"
        for was, now in itertools.pairwise(story):
            if was.version + 1 == now.version and (fault := _step(was, now)) is not None:
                yield f"ticket {key} version {now.version}: {fault}"


def _snapshots(evidence: Evidence) -> Iterator[str]:
    bodies: dict[tuple[str, int], bytes] = {}
    for record in evidence.records.get(INCIDENT_CHANGED.name, ()):
        try:
            fields = json.loads(record.value or b"")
            key = fields["incident_id"], fields["revision"]
        except (ValueError, RecursionError, TypeError, KeyError):  # poison
            continue
        if bodies.setdefault(key, record.value) != record.value:
            yield f"incident {key[0]} has two snapshots of revision {key[1]}"


async def _folded(connection, evidence: Evidence):
    """Folding the topic gives what is stored."""
    await connection.execute("SET search_path = dedup")
    areas = [row["area"] for row in await connection.fetch("SELECT area FROM area")]
    trees = await load_trees(connection, areas)
    rules = replace(load_rules(RULES), levels=load_levels(LEVELS))
    stored = await load_areas(connection, areas, trees, rules)
    folded = {area: AreaState(area, trees.get(area), rules) for area in areas}
    decided, seen = evidence.inbox("dedup"), set()
    for message in _messages(evidence, OUTAGE_INPUT):
        if message.message_id in decided and message.message_id not in seen:
            seen.add(message.message_id)
            for event in decide(folded[message.area], message, clock.now()):
                evolve(folded[message.area], event)
    for area in areas:
        one, other = plain(folded[area]), plain(stored[area])
        if one != other:
            parts = [name for name in one if one[name] != other.get(name)]
            yield f"folding the topic of {area} gives other {', '.join(parts)} than are stored"
