"""A time that people give or read on the command line says which clock it is by."""

from __future__ import annotations

import time

import pytest
import typer

from services.cli.moments import given, shown


@pytest.fixture
def in_china(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("in_china")
def test_a_time_is_shown_by_this_machines_clock_with_its_offset():
    assert shown("2026-12-01T00:00:00.123Z") == "2026-12-01 08:00:00+08:00"
    assert shown("2026-12-01T08:00:00+08:00", seconds=False) == "2026-12-01 08:00+08:00"
    assert shown("2026-12-01T00:00:00+01:00", here=False, seconds=False) == "2026-12-01 00:00+01:00"
    assert (shown(None), shown("noon")) == ("", "noon")


@pytest.mark.parametrize("text", ["2026-12-01T08:00+08:00", "2026-12-01 08:00:00Z", None])
def test_a_time_with_its_offset_is_taken_as_it_is(text):
    assert given(text) == text


@pytest.mark.parametrize("text", ["2026-12-01", "2026-12-01T08:00", "yesterday", "", "8:00"])
def test_a_time_without_an_offset_is_refused_with_an_example(text):
    with pytest.raises(typer.BadParameter, match=r"such as 2026-12-01T08:00\+08:00"):
        given(text)
