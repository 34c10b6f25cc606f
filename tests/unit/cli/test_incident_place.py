"""`gridline incidents at`: what a person reads of a place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from services.cli import http
from services.cli.commands import incidents
from services.cli.errors import CommandError, Exit

if TYPE_CHECKING:
    from collections.abc import Callable

HERE: dict[str, Any] = {
    "transformer_id": "TR[1]",
    "feeder": "BR1",
    "area": "SU1",
    "account_id": "A1",
    "confidence": 0.985,
    "evidence": ["address", "account_agrees"],
}
SUPPLY = [{"id": "TR[1]", "type": "transformer", "customers": 40}, {"id": "BR1", "type": "breaker", "customers": 900}]


def incident(name: str, device: str, **told: Any) -> dict[str, Any]:
    known = {"kind": "outage", "state": "predicted", "etr": None, "restored_at": None}
    return {"incident_id": name, "device": {"id": device, "type": "line"}, **known, **told}


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[str, dict[str, Any]]]:
    """Ask with arguments where dedup answers so; what is printed, and what dedup was asked."""

    def ask(*arguments: str, place: dict[str, Any], **known: Any) -> tuple[str, dict[str, Any]]:
        asked: list[dict[str, Any]] = []

        def send(service: str, _url: str, method: str, path: str, body: dict[str, Any], **_: Any) -> dict[str, Any]:
            assert (service, method, path) == ("dedup", "POST", "/v1/places/search")
            asked.append(body)
            return {"place": place, "supply": [], "incidents": [], "planned_outages": [], **known}

        monkeypatch.setattr(http, "send", send)
        result = CliRunner().invoke(incidents.app, ["at", *arguments], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return " ".join(result.output.split()), asked[0]

    return ask


def test_what_feeds_it_is_shown_with_what_is_out_there(answered):
    known = [
        incident("i1", "TR[1]", kind="single"),
        incident("i2", "TR[1]", state="restored", restored_at="2026-11-26T08:30:00+00:00"),
        incident("i3", "LN7", state="confirmed", etr={"at": "2026-11-26T10:00:00+00:00"}),
    ]
    output, asked = answered("人民路12号", place=HERE, supply=SUPPLY, incidents=known)
    assert asked == {"address": "人民路12号"}
    assert "TR[1] · BR1 · SU1 · A1 (98% sure: address, account_agrees)" in output
    for words in ("single: out, predicted", "back ", "out, confirmed", "i1", "i2", "i3", "LN7", "breaker", "900"):
        assert words in output
    assert output.count("transformer") == 1
    assert "No outage is known" not in output


def test_where_nothing_is_out_that_is_said(answered):
    output, _ = answered("--account", "A1", place=HERE, supply=SUPPLY)
    assert "No outage is known there" in output


def test_what_may_be_meant_is_listed_and_not_taken_for_known(answered):
    maybe = {"transformer_id": "TR[2]", "area": "SU1", "weight": 0.45}
    output, asked = answered(
        *("--text", "停电了", "--position", "31.2,118.4", "--accuracy", "300", "--crs", "gcj02", "--phone", "1"),
        place={"area": "SU1", "confidence": 0.45, "evidence": ["ambiguous"], "candidates": [maybe]},
    )
    position = {"lat": 31.2, "lon": 118.4, "crs": "gcj02", "accuracy_m": 300.0}
    assert asked == {"text": "停电了", "phone": "1", "position": position}
    assert "somewhere in SU1 (45% sure: ambiguous)" in output
    assert "gridline incidents list --area SU1" in output
    assert "TR[2]" in output
    assert "No outage is known" not in output


def test_a_place_nobody_has_is_said_with_the_evidence(answered):
    output, _ = answered("天涯路1号", place={"confidence": 0.0, "evidence": ["address_unknown"]})
    assert "does not tell where that is (address_unknown)" in output


def test_what_was_planned_is_told(answered):
    plan = {"planned_id": "p1", "device_id": "BR1", "reason": "[new] pole"}
    plan |= {"starts_at": "2026-11-26T08:30:00+00:00", "ends_at": "2026-11-26T10:00:00+00:00"}
    output, _ = answered("A1", place=HERE, supply=SUPPLY, planned_outages=[plan])
    assert "planned outage p1 at BR1" in output
    assert "[new] pole" in output


@pytest.mark.parametrize("given", [[], ["--position", "31.2"], ["--position", "north,east"]])
def test_what_names_no_place_is_refused_before_anybody_is_asked(given):
    with pytest.raises(CommandError) as refused:
        CliRunner().invoke(incidents.app, ["at", *given], catch_exceptions=False, standalone_mode=False)
    assert refused.value.code == Exit.USAGE
