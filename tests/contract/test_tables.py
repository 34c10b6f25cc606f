"""The rule for tables finds each way to end the processes of the release before."""

from __future__ import annotations

import copy

import pytest

from tests.contract.tables import Column, Table, hurts

RELEASED = {
    "dedup.order": Table(
        columns={
            "order_id": Column(type="uuid", may_be_left_out=False, may_be_null=False),
            "version": Column(type="integer", may_be_left_out=False, may_be_null=False),
            "cause": Column(type="text", may_be_left_out=True, may_be_null=True),
            "made_at": Column(type="timestamp with time zone", may_be_left_out=True, may_be_null=False),
        },
        unique=["btree (order_id, version)"],
    )
}


def test_more_tables_and_columns_that_may_be_left_out_hurt_nobody():
    newer = copy.deepcopy(RELEASED)
    newer["dedup.order"]["columns"]["colour"] = Column(type="text", may_be_left_out=True, may_be_null=False)
    newer["dedup.new_table"] = Table(columns={}, unique=["btree (id)"])
    assert hurts(RELEASED, RELEASED) == hurts(RELEASED, newer) == []


@pytest.mark.parametrize(
    ("damage", "finding"),
    [
        (lambda t: t.pop("dedup.order"), "the table is gone"),
        (lambda t: t["dedup.order"]["columns"].pop("cause"), "column cause is gone"),
        (
            lambda t: t["dedup.order"]["columns"]["version"].update(type="bigint"),
            "column version was integer and is bigint",
        ),
        (
            lambda t: t["dedup.order"]["columns"]["made_at"].update(may_be_left_out=False),
            "column made_at has no default any more, and who does not know that leaves it out",
        ),
        (
            lambda t: t["dedup.order"]["columns"]["cause"].update(may_be_null=False),
            "column cause may no longer be null",
        ),
        (
            lambda t: t["dedup.order"]["columns"].update(
                colour=Column(type="x", may_be_left_out=False, may_be_null=False)
            ),
            "new column colour must be nullable or have a default: who does not know it leaves it out",
        ),
        (
            lambda t: t["dedup.order"]["unique"].clear(),
            "btree (order_id, version) is no longer unique, and ON CONFLICT names it",
        ),
        (
            lambda t: t["dedup.order"]["unique"].append("btree (cause)"),
            "btree (cause) is unique now, and old rows need not be",
        ),
    ],
)
def test_what_would_end_a_process_of_the_release_before_is_found(damage, finding):
    newer = copy.deepcopy(RELEASED)
    damage(newer)
    assert hurts(RELEASED, newer) == [f"dedup.order: {finding}"]
