"""Ninety days of dead letters are listed, shown and put back without holding them all."""

from __future__ import annotations

import json
import tracemalloc

import pytest
from typer.testing import CliRunner

from services.cli import dead_letters
from services.cli.commands import dlq
from services.cli.topics import Record
from services.contracts.topics import CONTACT_RECEIVED
from tests.unit.cli.topics import Topics

LETTERS, BYTES = 200, 200_000


class Letters(Topics):
    """A topic of dead letters that is far larger than what is wanted of it."""

    async def bounds(self, _topics):
        return {(CONTACT_RECEIVED.dead_letters, 0): (0, LETTERS)}

    async def records(self, _bounds):
        for n in range(LETTERS):
            headers = (("dlq.reason", b"bad_field"), ("dlq.topic", CONTACT_RECEIVED.name.encode()))
            yield Record(CONTACT_RECEIVED.dead_letters, 0, n, n, None, b"%d " % n + b"x" * BYTES, headers)


@pytest.fixture(autouse=True)
def large(monkeypatch):
    monkeypatch.setattr(dead_letters, "reader", Letters)


def told(*line):
    tracemalloc.start()
    try:
        result = CliRunner().invoke(dlq.app, line, catch_exceptions=False)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert result.exit_code == 0
    assert most < LETTERS * BYTES / 4
    return result.output


def test_the_list_has_all_and_holds_none():
    assert len(json.loads(told("list", "--limit", "1000", "--json"))) == LETTERS


def test_one_is_shown_whole():
    found = json.loads(told("show", CONTACT_RECEIVED.name, "0:12", "--json"))
    assert found["value"] == "12 " + "x" * BYTES


def test_those_that_are_named_are_put_back_whole(monkeypatch):
    sent = []

    async def replay(_settings, letters, _tell):
        sent.extend(letters)
        return len(letters)

    monkeypatch.setattr(dead_letters, "replay", replay)
    told("replay", "--topic", CONTACT_RECEIVED.name, "--letter", "0:3", "--letter", "0:7", "--yes")
    assert [one.original().value[:2] for one in sent] == [b"3 ", b"7 "]
