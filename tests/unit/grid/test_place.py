"""The decision table of a report's place."""

from __future__ import annotations

import h3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.values import Basis, Crs, CustomerClass, CustomerStatus
from services.grid.datum import from_wgs84
from services.grid.place import (
    Customer,
    Found,
    Near,
    PlaceEvidence,
    PlaceRules,
    Point,
    ask,
    decide,
    distance_m,
    latitude,
    mercator,
)

HOME = Point(31.2, 118.4)
METRE = 1 / 111_195  # degrees of latitude


def north(metres, of=HOME):
    return Point(of.lat + metres * METRE, of.lon)


def customer(account="A1", phone="13900000001", **changes):
    known = {
        "account_id": account,
        "transformer_id": "T1",
        "feeder": "B1",
        "area": "S1",
        "phone": phone,
        "status": CustomerStatus.ACTIVE,
        "priority": CustomerClass.NORMAL,
        "language": None,
        "point": HOME,
    }
    return Customer(**(known | changes))


def near(metres, transformer="T1", area="S1"):
    return Near(transformer, f"B-{transformer}", area, north(metres))


def place(evidence, **found):
    return decide(ask(evidence), Found(**found))


def at(point, **more):
    return PlaceEvidence(lat=point.lat, lon=point.lon, **more)


ACCOUNT = customer()
OTHER = customer("A2", "13900000002", transformer_id="T2")
PHONE = {"phone": "13900000001"}
FAR = {"lat": north(5000).lat, "lon": HOME.lon, "accuracy_m": 10.0}
HERE = {"lat": HOME.lat, "lon": HOME.lon, "accuracy_m": 10.0}


@pytest.mark.parametrize(
    ("said", "found", "basis", "account", "clues"),
    [
        ({"account_id": "A1"}, {"account": ACCOUNT}, "account", "A1", {"account"}),
        ({"account_id": "A1", **PHONE}, {"account": ACCOUNT}, "account", "A1", {"account", "phone_agrees"}),
        (
            {"account_id": "A1", "phone": "13900000002"},
            {"account": ACCOUNT, "phones": (OTHER,)},
            *("account", "A1", {"account", "phone_conflicts_account"}),
        ),
        (
            {"account_id": "A1", "phone": "13900000003"},
            {"account": ACCOUNT, "phones": (OTHER, customer("A3"))},
            *("account", "A1", {"account", "phone_shared"}),
        ),
        (
            {"account_id": "A1", "phone": "13900000009"},
            {"account": ACCOUNT},
            *("account", "A1", {"account", "phone_unknown"}),
        ),
        ({"account_id": "A1", **HERE}, {"account": ACCOUNT}, "account", "A1", {"account", "position_agrees"}),
        ({"account_id": "A1", **FAR}, {"account": ACCOUNT}, "account", "A1", {"account", "position_conflicts"}),
        ({"account_id": "X", **PHONE}, {"phones": (ACCOUNT,)}, "phone", "A1", {"account_unknown", "phone"}),
        ({**PHONE, **HERE}, {"phones": (ACCOUNT,)}, "phone", "A1", {"phone", "position_agrees"}),
        ({**PHONE, **FAR}, {"phones": (ACCOUNT,)}, "phone", "A1", {"phone", "position_conflicts"}),
        (PHONE, {"phones": (ACCOUNT, OTHER)}, "none", None, {"phone_shared"}),
        ({"account_id": "X", **PHONE}, {}, "none", None, {"account_unknown", "phone_unknown"}),
        (
            {**PHONE, **HERE},
            {"phones": (ACCOUNT, OTHER), "near": (near(5),)},
            "position",
            None,
            {"phone_shared", "position"},
        ),
        ({}, {}, "none", None, set()),
        ({"phone": "95598", "account_id": " "}, {}, "none", None, set()),
    ],
)
def test_account_wins_then_phone_then_position(said, found, basis, account, clues):
    resolved = place(PlaceEvidence(**said), **found)
    assert resolved.basis == basis
    assert resolved.account_id == account
    assert set(resolved.evidence) == clues


def test_what_agrees_raises_confidence_and_what_conflicts_lowers_it():
    alone = place(PlaceEvidence(account_id="A1"), account=ACCOUNT).confidence
    agreed = place(PlaceEvidence(account_id="A1", **PHONE, **HERE), account=ACCOUNT).confidence
    doubted = place(PlaceEvidence(account_id="A1", **FAR), account=ACCOUNT).confidence
    by_phone = place(PlaceEvidence(**PHONE), phones=(ACCOUNT,)).confidence
    by_position = place(PlaceEvidence(**HERE), near=(near(5),)).confidence
    assert 1 >= agreed > alone > by_phone > by_position > 0
    assert doubted < alone


def test_a_found_customer_brings_transformer_feeder_area_class_status_and_language():
    known = customer(status=CustomerStatus.SUSPENDED, priority=CustomerClass.LIFE_SUPPORT, language="bo-CN")
    resolved = place(PlaceEvidence(account_id="A1"), account=known)
    assert (resolved.transformer_id, resolved.feeder, resolved.area) == ("T1", "B1", "S1")
    assert (resolved.status, resolved.priority, resolved.language) == ("suspended", "life_support", "bo-CN")
    assert (resolved.lat, resolved.lon) == HOME
    value = resolved.as_value()
    assert (value.customer_status, value.customer_class, value.basis) == ("suspended", "life_support", Basis.ACCOUNT)


@pytest.mark.parametrize(
    ("accuracy", "distances", "transformer", "clues"),
    [
        (10, (20, 100), "T1", {"position"}),
        (10, (40, 59), "T1", {"position", "position_ambiguous"}),  # nearer than 1.5 times the first
        (10, (40, 61), "T1", {"position"}),
        (80, (5, 79), "T1", {"position", "position_ambiguous"}),  # within the accuracy
        (80, (5, 81), "T1", {"position"}),
        (10, (0, 5), "T1", {"position", "position_ambiguous"}),
        (10, (120, 400), "T1", {"position", "position_distant"}),
        (150, (120, 400), "T1", {"position"}),
        (10, (499, 900), "T1", {"position", "position_distant"}),
        (10, (501, 900), None, {"position", "position_out_of_reach"}),
        (10, (20,), "T1", {"position"}),
    ],
)
def test_a_position_takes_the_nearest_transformer_and_says_how_sure(accuracy, distances, transformer, clues):
    candidates = tuple(near(metres, f"T{n}") for n, metres in enumerate(distances, start=1))
    resolved = place(at(HOME, accuracy_m=accuracy), near=candidates)
    assert resolved.transformer_id == transformer
    assert resolved.area == "S1"
    assert resolved.basis is Basis.POSITION
    assert set(resolved.evidence) == clues


def test_an_ambiguous_or_distant_position_is_trusted_less():
    sure = place(at(HOME, accuracy_m=10), near=(near(20), near(200, "T2"))).confidence
    assert place(at(HOME, accuracy_m=10), near=(near(20), near(25, "T2"))).confidence < sure
    assert place(at(HOME, accuracy_m=10), near=(near(300), near(900, "T2"))).confidence < sure


def test_the_order_of_candidates_does_not_matter():
    one, other = near(20), near(25, "T2")
    assert place(at(HOME), near=(one, other)) == place(at(HOME), near=(other, one))


@pytest.mark.parametrize("candidates", [(), (near(2001),)])
def test_where_no_network_covers_the_place_cells_stand_for_area_and_transformer(candidates):
    resolved = place(at(HOME, accuracy_m=10), near=candidates)
    assert resolved.basis is Basis.CELL
    assert resolved.area == f"cell:{h3.latlng_to_cell(*HOME, 5)}"
    assert resolved.transformer_id == f"cell:{h3.latlng_to_cell(*HOME, 9)}"
    assert resolved.feeder is None
    assert "no_network" in resolved.evidence


@pytest.mark.parametrize(
    ("said", "clue"),
    [
        ({**HERE, "accuracy_m": 201.0}, "position_too_coarse"),
        ({**HERE, "accuracy_m": float("inf")}, "position_too_coarse"),
        ({**HERE, "lat": 95.0}, "position_invalid"),
        ({**HERE, "lon": float("nan")}, "position_invalid"),
        ({**HERE, "lat": 89.0}, "position_invalid"),
        ({**HERE, "crs": "cgcs"}, "position_invalid"),
    ],
)
def test_a_useless_position_places_nothing(said, clue):
    evidence = PlaceEvidence(**said)
    assert ask(evidence).point is None
    resolved = place(evidence)
    assert (resolved.basis, resolved.area, resolved.confidence) == (Basis.NONE, None, 0)
    assert clue in resolved.evidence


def test_a_coarse_position_is_still_shown_to_people():
    resolved = place(PlaceEvidence(**HERE | {"accuracy_m": 900.0}))
    assert (resolved.lat, resolved.lon) == HOME


def test_an_accuracy_that_is_not_stated_is_assumed_and_said():
    question = ask(at(HOME))
    assert question.point == HOME
    assert question.accuracy_m == PlaceRules().assumed_accuracy_m
    assert "accuracy_unknown" in question.clues


@pytest.mark.parametrize("crs", ["gcj02", "bd09"])
def test_a_shifted_position_is_converted_before_anything_is_looked_up(crs):
    lat, lon = from_wgs84(*HOME, Crs(crs))
    question = ask(PlaceEvidence(lat=lat, lon=lon, crs=crs, accuracy_m=10))
    assert distance_m(question.point, HOME) < 0.01
    assert "datum_converted" in question.clues


@pytest.mark.parametrize("account", ["", "  ", "A\0", "\ud800", "A" * 201])
def test_an_account_no_database_can_hold_is_not_asked_for(account):
    assert ask(PlaceEvidence(account_id=account)).account_id is None


def test_thresholds_are_arguments():
    strict = PlaceRules(reach_m=100, coverage_m=150)
    question = ask(at(HOME, accuracy_m=10), strict)
    assert decide(question, Found(near=(near(120),)), strict).transformer_id is None
    assert decide(question, Found(near=(near(160),)), strict).basis is Basis.CELL


@given(st.floats(-85, 85))
def test_the_mercator_latitude_goes_back(lat):
    assert latitude(mercator(lat)) == pytest.approx(lat, abs=1e-9)


@given(
    st.builds(
        PlaceEvidence,
        account_id=st.none() | st.text(max_size=5),
        phone=st.none() | st.text(max_size=15),
        lat=st.none() | st.floats(),
        lon=st.none() | st.floats(),
        crs=st.none() | st.sampled_from(["wgs84", "gcj02", "bd09", "?"]),
        accuracy_m=st.none() | st.floats(),
    )
)
def test_any_evidence_gives_a_place_that_a_message_can_carry(evidence):
    value = place(evidence).as_value()
    assert 0 <= value.confidence <= 1
    assert (value.area is None) == (value.basis is Basis.NONE)
