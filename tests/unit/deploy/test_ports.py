"""Ports: none that an outgoing connection may hold when a server is started again."""

from __future__ import annotations

import os

import pytest

from deploy.native import ports
from deploy.native.ports import free_port, is_free, outgoing_ports
from deploy.native.settings import StackSettings
from services.cli.commands import stack

DEFAULT = "32768\t60999\n"
DRAWS = 1000


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Sets what the system says of its outgoing ports; None: nothing."""

    def says(text):
        file = tmp_path / "ip_local_port_range"
        if text is not None:
            file.write_text(text)
        monkeypatch.setattr(ports, "_OUTGOING", file)

    return says


@pytest.fixture
def drawn(monkeypatch):
    """Draws as a process that has drawn nothing yet, and keeps to a part or to none."""
    monkeypatch.setattr(ports, "_part", None)

    def draw(part):
        monkeypatch.setattr(ports, "_given", set())
        ports.keep_to_part(part)
        return {free_port() for _ in range(DRAWS)}

    return draw


@pytest.mark.parametrize(
    ("text", "is_range"),
    [(DEFAULT, range(32768, 61000)), ("1024 65535", range(1024, 65536)), (None, range(49152, 65536))],
)
def test_the_system_says_which_ports_it_gives_away(machine, text, is_range):
    machine(text)

    assert outgoing_ports() == is_range


@pytest.mark.parametrize("text", [DEFAULT, None])
def test_a_free_port_is_none_of_those_and_never_given_twice(machine, text):
    machine(text)
    found = [free_port() for _ in range(200)]

    assert not set(found) & set(outgoing_ports())
    assert len(set(found)) == len(found)
    assert all(is_free(port) for port in found)


def test_processes_that_keep_to_parts_of_their_own_are_given_none_of_one_another(machine, drawn):
    machine(DEFAULT)
    found = {part: drawn(part) for part in range(ports.PARTS)}

    assert all(len(one) == DRAWS for one in found.values())
    assert sum(map(len, found.values())) == len(set().union(*found.values()))
    assert min(map(min, found.values())) >= 20_000
    assert max(map(max, found.values())) < 32_768


def test_control_processes_that_draw_from_all_are(machine, drawn):
    machine(DEFAULT)

    assert drawn(None) & drawn(None)


def test_each_process_of_a_shared_run_keeps_to_a_part():
    worker = os.environ.get("PYTEST_XDIST_WORKER")

    assert ports._part == (None if worker is None else int(worker.removeprefix("gw")) % ports.PARTS)


def test_where_all_are_given_away_any_free_port_will_do(machine):
    machine("1024 65535")

    assert is_free(free_port())


def test_who_chooses_such_a_port_is_told_and_the_shipped_ones_are_none(machine, monkeypatch, capsys):
    for name in StackSettings.ports():
        monkeypatch.delenv(f"GRIDLINE_STACK_{name.upper()}", raising=False)
    machine(DEFAULT)
    stack.warn_of_ports(StackSettings())
    assert capsys.readouterr().err == ""

    stack.warn_of_ports(StackSettings(kafka_port=39192, intake_port=9001))
    said = capsys.readouterr().err
    assert "GRIDLINE_STACK_KAFKA_PORT=39192" in said
    assert "32768 to 60999" in said
    assert "INTAKE" not in said
