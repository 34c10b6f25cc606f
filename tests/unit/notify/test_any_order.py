"""Whatever the order, the batches and the copies: once each, and the truth in the end."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.contracts.messages import IncidentChanged
from services.contracts.values import IncidentState
from services.notify.domain.notice import Stage
from tests.unit.notify.snapshots import ACTIONS, FIRST_WORDS, INCIDENTS, SINGLE, Dedup, Memory, Snapshots


def deliver(data, sent, memory, *, by_partition):
    """Bring the snapshots in some order, some of them more than once, cut into batches."""
    if by_partition:  # each incident's in order, as Kafka keeps a key; incidents against one another in any order
        queues = {incident: [one for one in sent if one.incident_id.int == incident] for incident in INCIDENTS}
        turns = data.draw(st.permutations([one.incident_id.int for one in sent]))
        order = [queues[incident].pop(0) for incident in turns]
    else:
        order = data.draw(st.permutations(sent))
    again = data.draw(st.lists(st.sampled_from(order), max_size=5))
    order += again
    while order:
        size = data.draw(st.integers(1, 6))
        yield memory.take(order[:size])
        order = order[size:]


@pytest.mark.parametrize("by_partition", [True, False], ids=["in order by incident", "in any order"])
@settings(max_examples=400, deadline=None)
@given(data=st.data(), actions=ACTIONS)
def test_once_each_and_the_truth_in_the_end(by_partition, data, actions):
    dedup = Dedup.after(actions)
    memory = Memory()
    for _ in deliver(data, dedup.sent, memory, by_partition=by_partition):
        pass

    # At most once per customer, incident, stage and revision.
    keys = Counter((one.recipient_id, one.incident_id, one.stage, one.revision) for one in memory.notices)
    assert set(keys.values()) <= {1}
    assert len({one.notice_id for one in memory.notices}) == len(memory.notices)

    by_address = {who.recipient_id: report for report, who in _reporters(memory).items() if report in SINGLE.values()}
    for recipient, report in by_address.items():
        told = [one for one in memory.notices if one.recipient_id == recipient]
        home = dedup.home[report]
        truth = memory.standings[Snapshots.id(home)]

        # Nobody is left out, and the last thing told is true.
        assert told, "a report whose joining came with an old revision still counts"
        last = told[-1]
        is_over = truth.state is IncidentState.RESTORED
        # Were an incident's own order not kept, as Kafka keeps it, an old word of another might come after that.
        at_its_time = not by_partition and any(
            one.incident_id == Snapshots.id(home) and (one.stage is Stage.RESTORED) == is_over for one in told
        )
        assert (last.stage is Stage.RESTORED) == is_over or at_its_time
        if not is_over and last.stage is not Stage.RESTORED and truth.etr is not None:
            assert last.etr is not None
            assert abs(last.etr - truth.etr) <= memory.calm.usual

        # A first word comes first, or after a restoration that did not hold; never twice in a row.
        for before, after in pairwise(told):
            if after.stage in FIRST_WORDS:
                assert before.stage is Stage.RESTORED
            assert (before.stage, before.etr) != (after.stage, after.etr)


def _reporters(memory):
    return {report.int: one for report, one in memory.reporters.items() if one.recipient_id is not None}


@settings(max_examples=300, deadline=None)
@given(data=st.data(), actions=ACTIONS)
def test_what_is_sent_is_true_in_the_end_however_long_words_wait(data, actions):
    dedup = Dedup.after(actions)
    memory = Memory()
    for _ in deliver(data, dedup.sent, memory, by_partition=True):
        memory.sends = data.draw(st.booleans())
    memory.send()

    for customer, report in SINGLE.items():
        told = [one for one in memory.sent if one.report_id.int == report]
        truth = memory.standings.get(Snapshots.id(dedup.home.get(report, 0)))
        if truth is None:
            assert not told, customer
            continue
        assert told, "nobody is left out because their first word was overtaken"
        assert (told[-1].stage is Stage.RESTORED) == (truth.state is IncidentState.RESTORED)
        if truth.etr is not None and truth.state is not IncidentState.RESTORED:
            assert told[-1].etr is not None
            assert abs(told[-1].etr - truth.etr) <= memory.calm.usual


@settings(max_examples=200, deadline=None)
@given(data=st.data(), actions=ACTIONS)
def test_nobody_is_told_of_an_incident_they_have_left(data, actions):
    dedup = Dedup.after(actions)
    memory = Memory()
    for notices in deliver(data, dedup.sent, memory, by_partition=True):
        for one in notices:
            subscription = memory.subscriptions[one.incident_id, one.report_id]
            assert subscription.active
            later = [
                other
                for other in memory.subscriptions.values()
                if other.report_id == one.report_id and other.active and other.joined_at > subscription.joined_at
            ]
            assert not later


@settings(max_examples=200, deadline=None)
@given(data=st.data(), actions=ACTIONS)
def test_batches_and_copies_do_not_change_what_is_known(data, actions):
    dedup = Dedup.after(actions)
    plain, other = Memory(), Memory()
    for change in dedup.sent:
        plain.take([change])
    for _ in deliver(data, dedup.sent, other, by_partition=False):
        pass

    assert {key for key, one in plain.subscriptions.items() if one.active} == {
        key for key, one in other.subscriptions.items() if one.active
    }
    for incident, standing in plain.standings.items():
        found = other.standings[incident]
        assert (found.revision, found.state, found.etr, found.known_since) == (
            standing.revision,
            standing.state,
            standing.etr,
            standing.known_since,
        )


def test_the_small_dedup_makes_snapshots_of_the_contract():
    dedup = Dedup(Snapshots())
    dedup.act(("report", 101, 0))
    dedup.act(("report", 102, 0))

    assert all(isinstance(one, IncidentChanged) for one in dedup.sent)
    assert [(one.incident_id.int, one.revision, len(one.joined), len(one.left)) for one in dedup.sent] == [
        (101, 1, 1, 0),
        (101, 2, 0, 1),
        (102, 1, 1, 0),
    ]
