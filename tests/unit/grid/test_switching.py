"""Switching: the network stays radial, nobody is lost, and switching back gives the network of before."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.grid.device import DeviceRow
from services.grid.radial import radial_faults
from services.grid.switching import Switching, SwitchingError, switched
from services.grid.tree import Tree


def row(device, parent=None, kind="switch", *, is_open=False, joins=None):
    return DeviceRow(device, parent, kind, is_open, 31.0, 118.0, other_end=joins)


def network(*rows):
    return {one.id: one for one in rows}


TWO_FEEDERS = network(
    row("S1", kind="substation"),
    row("B1", "S1", "breaker"),
    row("X1", "B1"),
    row("T1", "X1", "transformer"),
    row("Y1", "X1"),
    row("T2", "Y1", "transformer"),
    row("Z1", "Y1", "fuse"),
    row("T3", "Z1", "transformer"),
    row("S2", kind="substation"),
    row("B2", "S2", "breaker"),
    row("T9", "B2", "transformer"),
    row("N2", "B2"),
    row("TIE", "B2", is_open=True, joins="Y1"),
    row("OTHER", "Z1", is_open=True, joins="B2"),
)


def test_what_lay_between_is_fed_over_the_tie_and_turned_round():
    after = switched(TWO_FEEDERS, Switching("TIE", "X1"))
    tree = Tree(after.values())
    assert not radial_faults(list(after.values()))
    assert tree.ancestors("T3") == ("Z1", "TIE", "B2", "S2")
    assert tree.ancestors("T2") == ("TIE", "B2", "S2")
    assert tree.ancestors("T1") == ("Y1", "TIE", "B2", "S2")
    assert (tree.area_of("T1"), tree.feeder_of("T1")) == ("S2", "B2")
    assert after["X1"] == row("X1", "B1", is_open=True, joins="Y1")
    assert switched(after, Switching("X1", "TIE")) == TWO_FEEDERS


def test_a_tie_that_the_file_hangs_on_the_dark_side_is_fed_from_its_other_end():
    after = switched(TWO_FEEDERS, Switching("OTHER", "Z1"))
    assert Tree(after.values()).ancestors("T3") == ("OTHER", "B2", "S2")
    assert after["OTHER"].parent == "B2"
    assert after["Z1"].other_end == "OTHER"


def test_power_comes_back_through_a_transformer_that_feeds_others_and_through_none_that_serves_customers():
    """A regulator that its file calls a transformer, and a distribution transformer with a switch behind it."""
    rows = network(
        row("S", kind="substation"),
        row("B", "S", "breaker"),
        row("W", "B"),
        row("REG", "W", "transformer"),
        row("T1", "REG", "transformer"),
        row("LV", "T1"),
        row("FAR", "B"),
        row("TIE", "FAR", is_open=True, joins="REG"),
        row("LVTIE", "FAR", is_open=True, joins="LV"),
    )
    tree = Tree(switched(rows, Switching("TIE", "W")).values())
    assert tree.ancestors("T1") == ("TIE", "FAR", "B", "S")
    assert tree.parent("REG") == "TIE"
    with pytest.raises(SwitchingError, match="power would come back through transformer 'T1'"):
        switched(rows, Switching("LVTIE", "W"))


def test_a_feeder_breaker_opens_and_the_whole_feeder_hangs_on_the_other():
    tree = Tree(switched(TWO_FEEDERS, Switching("TIE", "B2")).values())
    assert tree.ancestors("T9") == ("TIE", "Y1", "X1", "B1", "S1")
    assert tree.feeder_of("T9") == "B1"
    assert tree.children("S2") == ("B2",)


def test_a_switch_just_above_the_joint_moves_what_hung_on_it():
    after = switched(TWO_FEEDERS, Switching("TIE", "Y1"))
    tree = Tree(after.values())
    assert tree.ancestors("T2") == tree.ancestors("Z1") == ("TIE", "B2", "S2")
    assert tree.feeder_of("T1") == "B1"
    assert switched(after, Switching("Y1", "TIE")) == TWO_FEEDERS


@pytest.mark.parametrize(
    ("operation", "field", "reason"),
    [
        (("TIE", "N2"), "open", "'N2' does not break the loop that 'TIE' closes: B2, S2, S1, B1, X1, Y1"),
        (("TIE", "Z1"), "open", "does not break the loop"),
        (("X1", "Y1"), "close", "'X1' is closed already"),
        (("TIE", "OTHER"), "open", "'OTHER' is open already"),
        (("TIE", "S1"), "open", "is a substation, which cannot be opened"),
        (("TIE", "T1"), "open", "is a transformer, which cannot be opened"),
        (("NONE", "X1"), "close", "the network has no device 'NONE'"),
        (("TIE", "NONE"), "open", "the network has no device 'NONE'"),
        (("TIE", "X1", "Z1"), "to", "the network says that 'TIE' joins 'Y1'"),
    ],
)
def test_what_cannot_be_is_refused_with_the_devices_named(operation, field, reason):
    with pytest.raises(SwitchingError) as caught:
        switched(TWO_FEEDERS, Switching(*operation))
    assert caught.value.field == field
    assert reason in str(caught.value)


def test_both_ends_below_the_opened_switch_would_be_an_island():
    elsewhere = row("FAR", "of an area that is not looked at", is_open=True, joins="B2")
    rows = TWO_FEEDERS | network(row("INNER", "X1", is_open=True, joins="Z1"), elsewhere)
    with pytest.raises(SwitchingError, match="close: 8 devices below 'B1' would be an island"):
        switched(rows, Switching("INNER", "B1"))


def test_without_a_known_other_end_it_must_be_said():
    rows = TWO_FEEDERS | network(row("TIE", "B2", is_open=True))
    with pytest.raises(SwitchingError, match="to: is needed"):
        switched(rows, Switching("TIE", "X1"))
    assert switched(rows, Switching("TIE", "X1", "Y1")) == switched(TWO_FEEDERS, Switching("TIE", "X1"))


def test_a_tie_that_joins_what_the_network_does_not_have_is_refused():
    rows = TWO_FEEDERS | network(row("TIE", "B2", is_open=True, joins="GONE"))
    with pytest.raises(SwitchingError, match="to: the network has no device 'GONE', which 'TIE' joins"):
        switched(rows, Switching("TIE", "X1"))


@pytest.mark.parametrize("joined", ["OTHER", "NEW"])
def test_a_tie_that_joins_what_is_open_feeds_nothing(joined):
    """Whether the file says it or who switches: behind an open device, or the tie itself, there is nobody to feed."""
    for said, to in ((joined, None), (None, joined)):
        rows = TWO_FEEDERS | network(row("NEW", "B2", is_open=True, joins=said))
        with pytest.raises(SwitchingError, match=f"^to: {joined!r} is open itself") as caught:
            switched(rows, Switching("NEW", "X1", to))
        assert caught.value.field == "to"


def test_power_does_not_come_back_through_a_transformer():
    rows = TWO_FEEDERS | network(row("LOW", "T1"), row("TIE", "B2", is_open=True, joins="LOW"))
    with pytest.raises(SwitchingError, match="back through transformer 'T1'"):
        switched(rows, Switching("TIE", "X1"))


@st.composite
def networks(draw):
    """Two substations, a tree of switches under them, ties between any two."""
    rows = [row("S0", kind="substation"), row("S1", kind="substation")]
    for n in range(draw(st.integers(2, 12))):
        rows.append(row(f"D{n}", draw(st.sampled_from([one.id for one in rows]))))
    ids = [one.id for one in rows]
    ends = draw(st.lists(st.tuples(st.sampled_from(ids), st.sampled_from(ids)), min_size=1, max_size=3))
    rows += [row(f"E{n}", one, is_open=True, joins=other) for n, (one, other) in enumerate(ends)]
    return network(*rows)


def joints(rows):
    """The network without directions: which devices meet where, whatever a place is called.

    A device meets, at its own load side, all that hang there and the open devices that join it.
    """
    meet = {key: {key} for key in rows}
    for key, one in rows.items():
        if one.parent is not None:
            meet[one.parent].add(key)
        if one.normally_open:
            meet[key].discard(key)
            meet[one.other_end].add(key)
    return sorted(sorted(group) for group in meet.values() if group)


@settings(max_examples=150, deadline=None)
@given(networks(), st.data())
def test_any_operation_leaves_a_radial_network_of_the_same_wires_or_is_refused(rows, data):
    for _ in range(3):
        ties = sorted(key for key, one in rows.items() if one.normally_open)
        closed = sorted(key for key, one in rows.items() if not one.normally_open)
        operation = Switching(data.draw(st.sampled_from(ties)), data.draw(st.sampled_from(closed)))
        try:
            after = switched(rows, operation)
        except SwitchingError:
            continue
        assert not radial_faults(list(after.values()))
        assert joints(after) == joints(rows)
        assert {k for k, one in after.items() if one.normally_open} == {*ties, operation.open} - {operation.close}
        back = switched(after, Switching(operation.open, operation.close))
        swapped = rows[operation.close]
        ends = {swapped.parent, swapped.other_end}
        assert {back[operation.close].parent, back[operation.close].other_end} == ends
        assert back | {operation.close: swapped} == rows
        rows = after
