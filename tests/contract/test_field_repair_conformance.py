"""The reference consumer of dispatch orders keeps the contract, on a real topic; one that does not is caught."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from services.cli.conformance import judge, publish, script
from services.runtime.settings import ServiceSettings

EXAMPLE = Path(__file__).parents[2] / "examples" / "field_repair_consumer.py"
READ_SECONDS = 40.0


async def make_topic(bootstrap: str, name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, 3, 1)])
    finally:
        await admin.close()


def actions(store: Path) -> list[dict[str, object]]:
    with contextlib.closing(sqlite3.connect(store)) as db:
        db.row_factory = sqlite3.Row
        try:
            return [dict(row) for row in db.execute("SELECT order_id, version, status FROM action ORDER BY n")]
        except sqlite3.OperationalError:
            return []  # not made yet


@contextlib.asynccontextmanager
async def consumer(bootstrap: str, topic: str, store: Path, log: Path):
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(EXAMPLE), "--kafka", bootstrap, "--topic", topic),
            *("--group", topic, "--store", str(store)),
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 15)
        except TimeoutError:
            process.kill()
            await process.wait()


async def until_read(store: Path, steps: int, log: Path) -> None:
    """Wait until every record was read: the consumer prints a line for each."""
    deadline = time.monotonic() + READ_SECONDS
    while time.monotonic() < deadline:
        lines = [line for line in log.read_text().splitlines() if line[:1].isdigit()]
        if len(lines) >= steps:
            return
        await asyncio.sleep(0.1)
    pytest.fail(f"not everything was read:\n{log.read_text()}")


@pytest.mark.integration
async def test_the_reference_consumer_conforms(kafka_bootstrap, unique_name, tmp_path):
    wanted = script("one")
    store, log = tmp_path / "field.db", tmp_path / "log"
    settings = ServiceSettings(kafka_bootstrap=kafka_bootstrap)
    assert await publish(settings, unique_name, wanted.steps[:1]), "the topic is made"
    async with consumer(kafka_bootstrap, unique_name, store, log):
        assert not await publish(settings, unique_name, wanted.steps[1:])
        await until_read(store, len(wanted.steps), log)
    assert judge(wanted, actions(store)) == []
    printed = subprocess.run(
        [sys.executable, str(EXAMPLE), "--store", str(store), "--actions"], check=True, capture_output=True, text=True
    )
    assert [json.loads(line) for line in printed.stdout.splitlines()] == actions(store)
    with contextlib.closing(sqlite3.connect(store)) as db:
        assert db.execute("SELECT count(*) FROM unreadable").fetchone() == (1,)


@pytest.mark.integration
async def test_it_leaves_quietly_while_it_waits_for_its_topic(kafka_bootstrap, unique_name, tmp_path):
    log = tmp_path / "log"
    async with consumer(kafka_bootstrap, unique_name, tmp_path / "field.db", log) as process:
        deadline = time.monotonic() + READ_SECONDS
        while "not found in cluster" not in log.read_text() and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
    assert process.returncode == 0
    assert "not found in cluster" in log.read_text()
    assert "Unclosed" not in log.read_text()


@pytest.mark.integration
async def test_it_conforms_when_it_is_killed_and_everything_comes_again(kafka_bootstrap, unique_name, tmp_path):
    wanted = script("two")
    await make_topic(kafka_bootstrap, unique_name)
    settings = ServiceSettings(kafka_bootstrap=kafka_bootstrap)
    store, log = tmp_path / "field.db", tmp_path / "log"
    half = len(wanted.steps) // 2
    async with consumer(kafka_bootstrap, unique_name, store, log) as process:
        await publish(settings, unique_name, wanted.steps[:half])
        await until_read(store, half, log)
        process.kill()
    log.write_text("")
    await publish(settings, unique_name, wanted.steps)  # all of it, from the beginning
    async with consumer(kafka_bootstrap, unique_name, store, log):
        await until_read(store, len(wanted.steps), log)
    assert judge(wanted, actions(store)) == []


def right(wanted):
    return [
        {"order_id": str(order), "version": version, "status": status}
        for order, versions in wanted.actions.items()
        for version, status in versions
    ]


def test_the_judge_finds_nothing_wrong_with_the_right_actions():
    wanted = script("three")
    assert judge(wanted, right(wanted)) == []


@pytest.mark.parametrize("number", range(4))
def test_the_judge_names_an_action_left_out(number):
    wanted = script("three")
    done = right(wanted)
    left_out = done.pop(number)
    assert [left_out["order_id"] in problem for problem in judge(wanted, done)] == [True]


def test_the_judge_names_an_action_done_twice():
    wanted = script("three")
    done = right(wanted)
    assert len(judge(wanted, [done[0], *done])) == 1


def test_the_judge_names_an_old_version_acted_on_after_a_new_one():
    wanted = script("three")
    done = right(wanted)
    assert len(judge(wanted, [*done, done[0]])) == 1


def test_equal_versions_in_the_script_are_equal_bytes_in_each_mode():
    """The script itself keeps the producer's side of the contract."""
    bodies: dict[tuple[object, ...], set[bytes]] = {}
    for step in script("four").steps:
        mode = dict(step.headers).get("content-type")
        if step.value is not None and mode is not None and b'"order_id"' in step.value and "unknown" not in step.says:
            data = json.loads(step.value)
            version = data.get("data", data)["version"]
            bodies.setdefault((step.key, version, mode), set()).add(step.value)
    assert len(bodies) >= 9
    assert {len(found) for found in bodies.values()} == {1}


@pytest.mark.parametrize(
    ("told", "crews"),
    [
        (["updated"], 1),  # the first version was missed
        (["issued", "updated"], 1),
        (["issued", "cancelled", "issued"], 2),  # a dispatcher undid the merge
        (["issued", "cancelled", "updated"], 2),
    ],
)
def test_the_reference_consumer_has_a_crew_on_the_way_for_every_live_order(tmp_path, told, crews):
    system = example().FieldRepair(tmp_path / "field.db", None)
    order = {"order_id": "45a00211-0b1c-5163-8372-71b4ba7dcf94"}
    for version, status in enumerate(told, start=1):
        event = {"type": "gridline.dispatch.order.v1", "data": order | {"version": version, "status": status}}
        headers = [("content-type", b"application/cloudevents+json")]
        record = SimpleNamespace(
            value=json.dumps(event).encode(), headers=headers, topic="t", partition=0, offset=version
        )
        system.apply(record, 0.0)
    system.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "field.db")) as db:
        assert db.execute("SELECT count(*) FROM action WHERE action = 'send_crew'").fetchone() == (crews,)


@pytest.mark.parametrize(
    ("status", "waits"), [(202, 0), (404, 0), (422, 0), (401, 1), (403, 1), (429, 1), (500, 1), (503, 1)]
)
async def test_progress_waits_for_an_answer_that_is_about_it(tmp_path, status, waits):
    module = example()
    system = module.FieldRepair(tmp_path / "field.db", module.Crews())
    system._send_crew("45a00211-0b1c-5163-8372-71b4ba7dcf94", module.Crews(), 0.0)
    progress_id, order_id, due, body = system.due(5.0)[0]
    answers = httpx.MockTransport(lambda _: httpx.Response(status))
    before = len(system.due(1000.0))
    async with httpx.AsyncClient(transport=answers, base_url="http://gridline") as client:
        await module.send_one(client, system, order_id, progress_id, due, body)
    assert len(system.due(1000.0)) == before - 1 + waits
    system.close()


def example():
    spec = importlib.util.spec_from_file_location("field_repair_consumer", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
