"""The tree against a naive model of it: dictionaries and walks up the parents."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.grid.device import PROTECTIVE, DeviceRow, DeviceType
from services.grid.radial import NotRadialError, radial_faults
from services.grid.tree import Tree, UnknownDeviceError


def row(device, parent, kind="fuse", *, normally_open=False):
    return DeviceRow(device, parent, kind, normally_open, 31.0, 118.0)


@st.composite
def networks(draw):
    """Rows of a radial network in any order, and customers of some devices."""
    size = draw(st.integers(1, 40))
    kinds = [*(t.value for t in DeviceType if t not in {DeviceType.SUBSTATION, DeviceType.OTHER}), "capacitor"]
    rows = []
    for n in range(size):
        parent = draw(st.integers(-1, n - 1)) if n else -1
        kind = "substation" if parent < 0 else draw(st.sampled_from(kinds))
        rows.append(row(f"d{n}", None if parent < 0 else f"d{parent}", kind))
    customers = draw(st.dictionaries(st.sampled_from([r.id for r in rows]), st.integers(1, 500)))
    return draw(st.permutations(rows)), customers


def path_up(rows, device):
    parents = {r.id: r.parent for r in rows}
    path = [device]
    while parents[path[-1]] is not None:
        path.append(parents[path[-1]])
    return path


@given(networks())
def test_ancestors_depth_and_area_are_those_of_the_walk_up(network):
    rows, customers = network
    tree = Tree(rows, customers)
    for device in tree:
        path = path_up(rows, device)
        assert tree.ancestors(device) == tuple(path[1:])
        assert tree.depth(device) == len(path) - 1
        assert tree.area_of(device) == path[-1]
        assert tree.parent(device) == (path[1] if len(path) > 1 else None)


@given(networks())
def test_protective_ancestors_are_the_ancestors_that_can_open(network):
    rows, _ = network
    tree = Tree(rows)
    types = {r.id: DeviceType.of(r.type) for r in rows}
    for device in tree:
        expected = tuple(d for d in path_up(rows, device)[1:] if types[d] in PROTECTIVE)
        assert tree.protective_ancestors(device) == expected
        at_or_above = [d for d in path_up(rows, device) if types[d] in PROTECTIVE]
        assert tree.protective_at_or_above(device) == at_or_above[0]


@given(networks())
def test_the_feeder_is_the_topmost_breaker_or_else_the_substation(network):
    rows, _ = network
    tree = Tree(rows)
    types = {r.id: r.type for r in rows}
    for device in tree:
        path = path_up(rows, device)
        breakers = [d for d in path if types[d] == "breaker"]
        assert tree.feeder_of(device) == (breakers[-1] if breakers else path[-1])


@given(networks(), st.data())
def test_the_common_ancestor_is_the_lowest_device_on_every_path(network, data):
    rows, _ = network
    tree = Tree(rows)
    chosen = data.draw(st.lists(st.sampled_from(sorted(tree)), min_size=1, max_size=5))
    shared = set.intersection(*(set(path_up(rows, device)) for device in chosen))
    expected = next((d for d in path_up(rows, chosen[0]) if d in shared), None)
    assert tree.common_ancestor(chosen) == expected


@given(networks())
def test_counts_under_a_device_are_sums_over_what_is_fed_through_it(network):
    rows, customers = network
    tree = Tree(rows, customers)
    for top in tree:
        fed = {d for d in tree if top in path_up(rows, d)}
        assert {d for d in tree if tree.is_under(d, top)} == fed
        assert tree.customers_under(top) == sum(customers.get(d, 0) for d in fed)
        transformers = {d for d in fed if tree.type_of(d) is DeviceType.TRANSFORMER}
        assert set(tree.transformers_under(top)) == transformers
        assert tree.transformer_count(top) == len(transformers)
    assert sum(tree.customers_under(area) for area in tree.areas()) == sum(customers.values())


@given(networks(), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_nothing(network, shuffler):
    rows, customers = network
    again = list(rows)
    shuffler.shuffle(again)
    one, other = Tree(rows, customers), Tree(again, customers)
    assert list(one) == list(other)
    assert [one.device(d) for d in one] == [other.device(d) for d in other]


@given(networks())
def test_a_tree_comes_out_of_its_bytes_as_it_was(network):
    rows, customers = network
    tree = Tree(rows, customers)
    again = Tree.unpacked(tree.packed())
    assert list(again) == list(tree)
    for device in tree:
        assert again.device(device) == tree.device(device)
        assert again.chain(device) == tree.chain(device)
        assert again.ancestors(device) == tree.ancestors(device)
        assert (again.span(device), again.depth(device)) == (tree.span(device), tree.depth(device))
    assert again.packed() == tree.packed()
    assert len(Tree.unpacked(Tree([]).packed())) == 0


def test_bytes_that_are_not_those_of_a_tree_are_refused():
    packed = Tree([row("A", None, "substation"), row("B", "A"), row("C", "B", "transformer")], {"C": 7}).packed()
    for place in range(len(packed)):
        damaged = packed[:place] + bytes([packed[place] ^ 1]) + packed[place + 1 :]
        with pytest.raises(ValueError, match="tree"):
            Tree.unpacked(damaged)
        with pytest.raises(ValueError, match="tree"):
            Tree.unpacked(packed[:place])
    with pytest.raises(ValueError, match="line break"):
        Tree([row("A\nB", None, "substation")]).packed()


@given(networks())
def test_children_are_the_devices_that_name_the_parent(network):
    rows, _ = network
    tree = Tree(rows)
    for device in tree:
        expected = tuple(sorted(r.id for r in rows if r.parent == device))
        assert tree.children(device) == expected


def test_a_device_says_all_the_tree_knows_of_it():
    rows = [row("S", None, "substation"), row("B", "S", "breaker"), row("L", "B", "line"), row("T", "L", "transformer")]
    known = Tree(rows, {"T": 7}).device("B")
    assert (known.area, known.feeder, known.parent, known.type) == ("S", "B", "S", DeviceType.BREAKER)
    assert (known.transformer_count, known.customer_count) == (1, 7)


def test_an_unknown_type_is_carried_but_never_predicted():
    tree = Tree([row("S", None, "substation"), row("R", "S", "regulator"), row("T", "R", "transformer")])
    assert tree.type_of("R") is DeviceType.OTHER
    assert tree.ancestors("T") == ("R", "S")
    assert tree.protective_ancestors("T") == ("S",)


def test_devices_of_two_areas_have_no_common_ancestor():
    tree = Tree([row("S1", None, "substation"), row("S2", None, "substation"), row("A", "S1"), row("B", "S2")])
    assert tree.common_ancestor(["A", "B"]) is None
    assert tree.common_ancestor([]) is None


def test_an_unknown_device_is_refused_by_name():
    tree = Tree([row("S", None, "substation")])
    for call in (tree.parent, tree.ancestors, tree.customers_under, tree.area_of, tree.device):
        with pytest.raises(UnknownDeviceError, match="'X'"):
            call("X")


def test_customers_of_a_device_that_is_not_there_are_refused():
    with pytest.raises(ValueError, match="'X'"):
        Tree([row("S", None, "substation")], {"X": 1})


@pytest.mark.parametrize(
    ("rows", "at", "reason"),
    [
        ([row("S", None, "substation"), row("S", None, "substation")], 1, "used twice"),
        ([row("S", None, "substation"), row("A", "X")], 1, "its parent 'X' is not in the network"),
        ([row("A", None, "breaker")], 0, "only a substation has no parent"),
        ([row("S", None, "substation"), row("A", "A")], 1, "cycle: A ← A"),
        ([row("S", None, "substation"), row("A", "C"), row("B", "A"), row("C", "B")], 1, "cycle: A ← C ← B ← A"),
        (
            [row("S", None, "substation"), row("T", "S", "switch", normally_open=True), row("A", "T")],
            2,
            "normally open",
        ),
    ],
)
def test_what_is_not_radial_is_refused_with_row_and_reason(rows, at, reason):
    (fault,) = radial_faults(rows)
    assert fault.row == at
    assert reason in fault.reason
    with pytest.raises(NotRadialError):
        Tree(rows)


def test_a_long_cycle_is_told_once_and_short():
    rows = [row("S", None, "substation"), *(row(f"D{n:04d}", f"D{(n + 1) % 5000:04d}") for n in range(5000))]
    (fault,) = radial_faults(rows)
    assert fault.row == 1
    assert "5000 devices" in fault.reason
    assert len(fault.reason) < 120


def test_a_chain_of_a_hundred_thousand_devices_is_no_problem():
    size = 100_000
    rows = [row("D0", None, "substation"), *(row(f"D{n}", f"D{n - 1}", "line") for n in range(1, size))]
    tree = Tree(rows, {f"D{size - 1}": 3})
    assert tree.depth(f"D{size - 1}") == size - 1
    assert tree.customers_under("D0") == 3
    assert tree.common_ancestor([f"D{size - 1}", "D7"]) == "D7"
