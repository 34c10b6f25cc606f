"""What was reported lately tells between places that the evidence leaves open."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from services.grid.book import CustomerBook
from services.grid.device import DeviceRow
from services.grid.evidence import PlaceEvidence
from services.grid.lately import Chain, Lately
from services.grid.network_file import CustomerRow
from services.grid.tree import Tree

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def twins():
    """Two substations with the same streets, each in a district of its own."""
    devices, customers = [], []
    for n in (1, 2):
        devices.append(DeviceRow(f"S{n}", None, "substation", False, 31.0 + n, 118.0))
        devices.append(DeviceRow(f"B{n}", f"S{n}", "breaker", False, 31.0 + n, 118.0))
        for t in range(5):
            devices.append(DeviceRow(f"T{n}{t}", f"B{n}", "transformer", False, 31.0 + n, 118.0 + t / 100))
            for c in range(8):
                address = f"{n}区人民路{10 * t + c + 1}号1栋101室"
                at = (31.0 + n, 118.0 + t / 100 + c / 10_000)
                customers.append(CustomerRow(f"A{n}{t}{c}", f"T{n}{t}", *at, address, ""))
    counts = {}
    for row in customers:
        counts[row.transformer_id] = counts.get(row.transformer_id, 0) + 1
    return CustomerBook(Tree(devices, counts), customers)


def test_a_house_in_either_district_is_the_one_where_an_outage_goes_on():
    book, lately, said = twins(), Lately(), PlaceEvidence(address="人民路15号")
    assert book.resolve(said, lately=lately, at=NOON).transformer_id is None
    for n in range(5):
        book.resolve(PlaceEvidence(account_id=f"A2{n}0"), lately=lately, at=NOON + n * MINUTE)
    place = book.resolve(said, lately=lately, at=NOON + 5 * MINUTE)
    assert (place.area, place.transformer_id) == ("S2", "T21")
    assert 0.5 < place.confidence < 0.99


def test_what_was_reported_long_ago_tells_nothing():
    book, lately, said = twins(), Lately(), PlaceEvidence(address="人民路15号")
    for n in range(5):
        book.resolve(PlaceEvidence(account_id=f"A2{n}0"), lately=lately, at=NOON)
    book.resolve(PlaceEvidence(account_id="A100"), lately=lately, at=NOON + 60 * MINUTE)
    place = book.resolve(said, lately=lately, at=NOON + 61 * MINUTE)
    assert place.area != "S2"


def test_a_guess_feeds_no_other_and_without_a_time_nothing_is_remembered():
    book, lately, said = twins(), Lately(), PlaceEvidence(address="人民路15号")
    first = book.resolve(said)
    for _ in range(20):
        assert book.resolve(said, lately=lately, at=NOON) == first
    book.resolve(PlaceEvidence(account_id="A200"))
    assert book.resolve(said, lately=lately, at=NOON) == first


def test_a_report_counts_less_with_age_and_then_leaves_the_counts_as_it_found_them():
    lately = Lately()
    above, other = Chain(("T", "B"), (5, 50)), Chain(("U",), (5,))
    quiet = lately.rates({"T": above}, NOON)
    lately.note(above, NOON)
    seen = [lately.rates({"T": above}, NOON + n * MINUTE)["T"] for n in (0, 6)]
    assert quiet["T"] < seen[1] < seen[0]
    lately.note(other, NOON + 21 * MINUTE)
    assert lately.rates({"T": above}, NOON + 21 * MINUTE) == quiet


def test_of_more_reports_than_are_remembered_the_oldest_goes_whatever_its_age(monkeypatch):
    monkeypatch.setattr("services.grid.lately._MOST", 2)
    lately = Lately()
    chains = {name: Chain((name,), (5,)) for name in "TUV"}
    quiet = lately.rates(chains, NOON)
    for n, chain in enumerate(chains.values()):
        lately.note(chain, NOON + 10 * n * MINUTE)
    found = lately.rates(chains, NOON + 20 * MINUTE)
    assert found["T"] == quiet["T"] < found["U"] < found["V"]
    assert lately.rates(chains, NOON + 200 * MINUTE) == quiet


def test_a_corner_of_a_feeder_tells_little_of_the_rest_and_silence_beside_it_counts():
    corner = Lately()
    for _ in range(12):
        corner.note(Chain(("T1", "F", "B"), (12, 100, 1000)), NOON)
    places = {
        "corner": Chain(("T1", "F", "B"), (12, 100, 1000)),
        "beside": Chain(("T2", "F", "B"), (12, 100, 1000)),
        "silent": Chain(("T3", "G", "B"), (12, 600, 1000)),
        "elsewhere": Chain(("T4", "C"), (12, 1000)),
    }
    found = corner.rates(places, NOON)
    assert found["corner"] > found["beside"] > 2 * found["silent"]
    assert found["silent"] > found["elsewhere"]


def test_a_draft_counts_for_its_own_reports_and_for_others_only_once_kept():
    lately, above = Lately(), Chain(("T", "B"), (5, 50))
    quiet = lately.rates({"T": above}, NOON)
    dropped, kept = lately.draft(), lately.draft()
    dropped.note(above, NOON)
    kept.note(above, NOON)
    assert dropped.rates({"T": above}, NOON) == kept.rates({"T": above}, NOON) != quiet
    assert lately.rates({"T": above}, NOON) == quiet
    kept.keep()
    assert lately.rates({"T": above}, NOON)["T"] > quiet["T"]
    assert lately.rates({"T": above}, NOON + timedelta(minutes=21)) == quiet


def test_reports_in_batches_are_placed_as_one_after_the_other():
    book, whole, batches = twins(), Lately(), Lately()
    reports = [PlaceEvidence(account_id=f"A{1 + (n < 15)}{n % 5}{n % 8}") for n in range(40)]
    reports[5::4] = [PlaceEvidence(address=f"人民路{n}号") for n in range(1, 10)]
    one = [book.resolve(said, lately=whole, at=NOON + n * MINUTE) for n, said in enumerate(reports)]
    assert {place.area for place in one if "recent_reports" in place.evidence} == {"S1", "S2"}
    other = []
    for first in range(0, 40, 7):
        draft = batches.draft()
        for n, said in enumerate(reports[first : first + 7], first):
            other.append(book.resolve(said, lately=draft, at=NOON + n * MINUTE))
        draft.keep()
    assert other == one
