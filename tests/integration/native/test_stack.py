"""The whole stack under its supervisor: up, kept up, down, and nothing left however it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest
from typer.testing import CliRunner

from deploy.native import single, stack
from deploy.native.errors import PortTakenError, StackError, StaleDataError, StartError
from deploy.native.plan import Preparation
from services.cli.commands import stack as commands

pytestmark = pytest.mark.integration

_LEAVE_A_MARK = "import os, sys; open(sys.argv[1], 'w').write(os.environ['GRIDLINE_POSTGRES_DSN'])"
_UP = """
import sys
from deploy.native import single, stack
from deploy.native.settings import StackSettings

settings = StackSettings.model_validate_json(sys.argv[1])
with stack.running(settings, lambda progress: print(progress.step, flush=True), with_services=False):
    print("ready", flush=True)
    sys.stdin.read()
"""


def _until(holds, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.05)


def _process(status, name):
    return next(each for each in status.processes if each.name == name)


def _starter(settings):
    """Another process that brings a stack up and holds it."""
    return subprocess.Popen(
        [sys.executable, "-c", _UP, settings.model_dump_json()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _read_until(starter, word):
    for line in starter.stdout:
        if line.strip() == word:
            return
    pytest.fail(f"the starter ended before it said {word}: {starter.stderr.read()}")


def test_a_stack_comes_up_restarts_what_ends_and_goes_down(settings, make_service, processes_of):
    seen = []
    marker = settings.run_folder / "prepared"
    info = stack.up(
        settings,
        seen.append,
        services=[make_service()],
        preparations=[Preparation("leave a mark", (sys.executable, "-c", _LEAVE_A_MARK, str(marker)))],
    )
    assert [each.step for each in seen if each.done] == ["postgres", "kafka", "leave a mark", "intake"]
    assert marker.read_text() == info.postgres_dsn
    assert httpx.get(info.services["intake"], trust_env=False).text == info.kafka_bootstrap
    assert stack.status(settings).state == "up"
    assert stack.up(settings) == info  # a second `up` changes nothing

    # Ends come back by themselves, each with its own delay: a service, and a server under it.
    for name in ("intake", "postgres"):
        before = _process(stack.status(settings), name).pid
        os.kill(before, signal.SIGKILL)
        _until(lambda before=before, name=name: _process(stack.status(settings), name).pid not in {before, None})
    _until(lambda: stack.status(settings).state == "up")
    assert _process(stack.status(settings), "intake").restarts == 1

    assert set(stack.logs(settings)) == {"intake", "kafka", "postgres", "prepare", "supervisor"}
    with pytest.raises(StackError, match="gridline stack down"):
        stack.reset(settings)
    assert stack.down(settings)
    assert processes_of(settings.run_folder) == []
    assert stack.status(settings) == stack.StackStatus("down")
    assert not stack.down(settings)


def test_single_processes_stay_stopped_until_they_are_started(settings, make_service, monkeypatch):
    with pytest.raises(StackError, match="gridline stack up"):
        single.stop(settings, ["intake"])
    info = stack.up(settings, services=[make_service()], preparations=[])
    with pytest.raises(StackError, match=r"called billing\. There are: postgres, kafka, intake"):
        single.stop(settings, ["billing"])

    single.stop(settings, ["intake", "postgres"])
    time.sleep(2.5)  # longer than what ends by itself is left alone
    now = {each.name: each.state for each in stack.status(settings).processes}
    assert now == {"postgres": "stopped", "kafka": "ready", "intake": "stopped"}
    assert stack.status(settings).state == "degraded"
    with pytest.raises(httpx.ConnectError):
        httpx.get(info.services["intake"], trust_env=False)

    assert single.start(settings, ["intake"]) == ["intake"]
    assert httpx.get(info.services["intake"], trust_env=False).text == info.kafka_bootstrap
    assert _process(stack.status(settings), "postgres").state == "stopped"
    assert single.start(settings) == ["postgres"]
    assert single.start(settings) == []
    assert stack.status(settings).state == "up"
    assert [each.restarts for each in stack.status(settings).processes] == [0, 0, 0]

    # What was stopped is not remembered by the next stack.
    single.stop(settings, ["intake"])
    assert stack.down(settings)
    stack.up(settings, services=[make_service()], preparations=[])
    assert stack.status(settings).state == "up"

    # And its address and programs are what a shell can take in.
    for name, value in settings.model_dump(include=set(settings.ports()) | {"run_folder"}).items():
        monkeypatch.setenv(f"GRIDLINE_STACK_{name.upper()}", str(value))
    said = CliRunner().invoke(commands.app, ["env"], catch_exceptions=False).stdout
    script = said + 'pg_dump --version && psql "$GRIDLINE_POSTGRES_DSN" -XqAt -c "SHOW server_version"'
    shown = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert shown[2] == shown[3]


def test_kill_nine_of_the_supervisor_and_then_of_its_starter_leaves_no_process(settings, make_service, processes_of):
    with stack.running(settings, services=[make_service()], preparations=[]) as running:
        with pytest.raises(StackError, match="is running in"), stack.running(settings):
            pass
        os.kill(running.info.supervisor_pid, signal.SIGKILL)
        assert processes_of(settings.run_folder, within=5) == []
        assert [each for each in processes_of(settings.run_folder.parent) if "fake_service" in each] == []
        _until(lambda: stack.status(settings).state == "leftover")
    # The next start clears up and works. Its starter is killed this time.
    with _starter(settings) as starter:
        _read_until(starter, "ready")
        assert stack.status(settings).state == "up"
        starter.kill()
        starter.communicate(timeout=10)
    assert processes_of(settings.run_folder, within=10) == []
    _until(lambda: stack.status(settings).state == "down")


def test_ctrl_c_in_the_middle_of_a_start_leaves_no_process(settings, processes_of):
    with _starter(settings) as starter:
        _read_until(starter, "kafka")
        assert processes_of(settings.run_folder) != []
        starter.send_signal(signal.SIGINT)
        _, errors = starter.communicate(timeout=30)
    assert "KeyboardInterrupt" in errors
    assert processes_of(settings.run_folder) == []
    assert stack.status(settings).state == "down"


def test_a_taken_port_is_named_with_its_holder_and_its_setting_before_anything_starts(settings, processes_of):
    with socket.create_server(("127.0.0.1", settings.kafka_port)), pytest.raises(PortTakenError) as refused:
        stack.up(settings, pytest.fail)
    text = str(refused.value)
    assert f"Port {settings.kafka_port}, wanted for Kafka" in text
    assert f"(process {os.getpid()})" in text
    assert "GRIDLINE_STACK_KAFKA_PORT" in text
    assert processes_of(settings.run_folder) == []


def test_stale_data_is_refused_before_anything_starts(settings, tmp_path, processes_of):
    stale = settings.model_copy(update={"run_folder": tmp_path / "run"})
    (tmp_path / "run" / "kafka" / "data").mkdir(parents=True)
    with pytest.raises(StaleDataError, match="gridline stack reset"):
        stack.up(stale, pytest.fail)
    assert processes_of(tmp_path) == []
    stack.reset(stale)
    assert not (tmp_path / "run" / "kafka").exists()


def test_a_service_that_ends_at_its_start_takes_everything_down_and_its_words_are_shown(
    settings, make_service, processes_of
):
    with pytest.raises(StartError, match=r"intake ended with status 1(.|\n)*the fake service has nothing to do"):
        stack.up(settings, services=[make_service("fails")], preparations=[])
    assert processes_of(settings.run_folder) == []
    assert stack.status(settings).state == "down"


def test_reset_empties_the_data(settings):
    settings.logs_folder.mkdir(parents=True, exist_ok=True)
    stack.reset(settings)
    assert not (settings.run_folder / "kafka").exists()
    assert not (settings.run_folder / "postgres").exists()
    assert stack.logs(settings) == {}
