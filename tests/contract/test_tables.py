"""The rule for tables finds each way to end the processes of the release before."""

from __future__ import annotations

import copy

import pytest

from tests.contract.tables import hurts, read_frozen

RELEASED = read_frozen()


def test_more_tables_and_columns_that_may_be_left_out_hurt_nobody():
    newer = copy.deepcopy(RELEASED)
    newer["dedup.incident"]["columns"]["colour"] = {"type": "text", "may_be_left_out": True, "may_be_null": True}
    newer["dedup.new_table"] = {"columns": {}, "unique": []}
    assert hurts(RELEASED, RELEASED) == hurts(RELEASED, newer) == []


@pytest.mark.parametrize(
    ("damage", "finding"),
    [
        (lambda t: t.pop("dedup.order_version"), "dedup.order_version: the table is gone"),
        (lambda t: t["router.outbox"]["columns"].pop("value"), "router.outbox: column value is gone"),
        (
            lambda t: t["router.outbox"]["columns"]["value"].update(type="text"),
            "router.outbox: column value was bytea and is text",
        ),
        (
            lambda t: t["dedup.version_floor"]["columns"]["raised_at"].update(may_be_left_out=False),
            "dedup.version_floor: column raised_at has no default any more, and who does not know that leaves it out",
        ),
        (
            lambda t: t["dedup.incident"]["columns"]["cause"].update(may_be_null=False),
            "dedup.incident: column cause may no longer be null",
        ),
        (
            lambda t: t["notify.notice"]["columns"].update(
                colour={"type": "text", "may_be_left_out": False, "may_be_null": False}
            ),
            "notify.notice: new column colour must be nullable or have a default: who does not know it leaves it out",
        ),
        (
            lambda t: t["dedup.order_version"]["unique"].clear(),
            "dedup.order_version: btree (order_id, version) is no longer unique, and ON CONFLICT names it",
        ),
        (
            lambda t: t["dedup.report"]["unique"].append("btree (contact_id)"),
            "dedup.report: btree (contact_id) is unique now, and old rows need not be",
        ),
    ],
)
def test_what_would_end_a_process_of_the_release_before_is_found(damage, finding):
    newer = copy.deepcopy(RELEASED)
    damage(newer)
    assert hurts(RELEASED, newer) == [finding]
