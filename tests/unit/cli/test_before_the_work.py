"""What cannot end well is refused before it begins: options that do not fit, places that cannot be written to."""

from __future__ import annotations

import getpass
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli import addresses, dead_letters, desk, http
from services.cli.commands import db, dlq, grid, quality, storm
from services.cli.dead_letters import DeadLetter
from services.cli.errors import CommandError, Exit
from services.cli.topics import Record
from services.contracts.topics import CONTACT_RECEIVED
from services.runtime.settings import ServiceSettings, SettingsError
from tests.unit.cli.topics import Topics

DEPLOY = Path(__file__).parents[3] / "deploy"
CIM = DEPLOY / "networks" / "cim" / "IEEE13.xml"


@pytest.mark.parametrize("origin", ["nan,5", "999,5", "31,-181", "31", "a,b", ""])
def test_a_drawing_lies_on_the_globe(origin, tmp_path):
    with pytest.raises(CommandError, match="not LAT,LON"):
        grid.convert(CIM, tmp_path / "made", origin)
    assert not list(tmp_path.rglob("*.csv"))


def test_customers_beside_a_cim_file_may_be_in_another_encoding(monkeypatch, tmp_path):
    given, read = tmp_path / "客户.csv", []
    text = "account_id,transformer_id,lat,lon,address,phone\n1,T,31,118,三长路,\n"
    given.write_text(text, encoding="gb18030")
    monkeypatch.setattr(grid, "_import", lambda _, customers: read.append(customers.read_text(encoding="utf-8")))
    grid.import_network(None, given, CIM, "31.16,118.35", "gb18030")
    assert read == [text]


def test_no_storm_is_sent_whose_truth_would_be_lost(monkeypatch, tmp_path):
    sent = []

    async def send(*_):
        sent.append(1)

    monkeypatch.setattr(storm, "send", send)
    network = DEPLOY / "networks" / "ieee123"
    files = {"network": network / "network.csv", "customers": network / "customers.csv"}
    with pytest.raises(FileNotFoundError):
        storm.storm(faults=3, seed=1, seconds=1, areas=1, **files, truth=tmp_path / "nowhere" / "t.csv", preset=None)
    assert not sent


def test_no_quality_is_measured_that_could_not_be_written(monkeypatch, tmp_path):
    monkeypatch.setattr(quality, "_measure", lambda *_, **__: pytest.fail("it was measured"))
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        quality.quality(out_folder=tmp_path / "file", recorded=None)


def test_seeds_from_the_higher_to_the_lower_are_none():
    with pytest.raises(CommandError, match="--seeds 5-1"):
        quality._numbers("5-1")


@pytest.mark.parametrize("error", [KeyError("getpwuid(): uid not found: 12345"), OSError("No username set")])
def test_a_login_without_a_name_is_told_what_to_set(monkeypatch, error):
    def nobody():
        raise error

    monkeypatch.setattr(getpass, "getuser", nobody)
    with pytest.raises(CommandError) as refused:
        desk.act("/v1/incidents/1/merge", {}, command_id=None)
    assert "LOGNAME" in refused.value.advice


@pytest.mark.parametrize("dsn", ["nonsense", "postgresql://x:se/cret@h/x"])
def test_an_address_that_is_none_is_told_before_anything_else_and_its_password_is_not(monkeypatch, dsn):
    monkeypatch.setenv("GRIDLINE_POSTGRES_DSN", dsn)
    with pytest.raises(SettingsError, match=r"(?s)GRIDLINE_POSTGRES_DSN.*%2F") as refused:
        addresses.find()
    assert "cret" not in str(refused.value)


async def test_an_address_that_its_client_cannot_read_is_no_bug_of_ours_and_its_password_is_not_told(monkeypatch):
    monkeypatch.setenv("GRIDLINE_POSTGRES_DSN", "postgresql://h/x?ssl_min_protocol_version=cret")
    with pytest.raises(CommandError, match="GRIDLINE_POSTGRES_DSN") as refused:
        await db._migrate(ServiceSettings())
    assert "cret" not in refused.value.what + refused.value.advice


def test_without_topics_there_are_no_dead_letters_to_speak_of(monkeypatch):
    monkeypatch.setattr(dead_letters, "reader", Topics)
    result = CliRunner().invoke(dlq.app, ["list"])
    assert isinstance(result.exception, CommandError)
    assert "GRIDLINE_TOPIC_PREFIX" in result.exception.advice
    assert result.exception.code == Exit.NO


async def test_without_topics_no_version_was_told_to_anybody(monkeypatch):
    monkeypatch.setattr(db, "reader", Topics)
    with pytest.raises(CommandError, match=r"has no dispatch\.order\.v1, incident\.changed\.v1, ticket\.routed\.v1"):
        await db.raise_floors(ServiceSettings())


def test_a_dead_letter_does_not_steer_the_terminal(monkeypatch):
    async def read(*_, **__):
        headers = (("ce_id", b"\x1b[2J"), ("dlq.reason", b"bad_json"), ("dlq.detail", b"\x9b2J"))
        return [DeadLetter(Record(CONTACT_RECEIVED.dead_letters, 0, 12, 0, b"\x1b]0;x\x07", b"\x1b[2Jgone", headers))]

    monkeypatch.setattr(dead_letters, "read_letters", read)
    for line in (["list"], ["show", CONTACT_RECEIVED.name, "0:12"]):
        result = CliRunner().invoke(dlq.app, line, catch_exceptions=False)
        assert result.exit_code == 0
        assert "\\x1b[2J" in result.output
        assert not {"\x1b", "\x07", "\x9b"} & set(result.output)


def test_a_ticket_that_is_not_there_is_not_looked_for_among_incidents():
    assert "reference" in http._advice(404, "router")
    assert "incidents list" in http._advice(404, "dedup")


def test_without_an_output_there_is_no_traceback():
    line = f"{sys.executable} -m services.cli routes draw >&-"
    done = subprocess.run(["sh", "-c", line], check=False, capture_output=True, text=True)
    assert "Traceback" not in done.stderr
