"""A changed file of senders counts without a restart: a key taken out opens nothing; a wrong file changes nothing."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

import httpx
import pytest
import structlog

from services.intake.api import routes
from services.intake.page import FormTexts, page_routes
from services.intake.security import Senders
from services.intake.settings import IntakeSettings
from services.intake.yaml_file import load_phrases, read_yaml
from services.runtime.http import make_app
from services.runtime.metrics import FILE_STALE
from services.runtime.yaml_reading import RulesError, digest_of
from tests.unit.intake.knocking import Kept

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PHRASES = load_phrases(IntakeSettings.model_fields["phrases_file"].default)
TEXTS = read_yaml(IntakeSettings.model_fields["form_file"].default, FormTexts)
FORM = "form:\n  report-form: {}\n"


def written(**keys: str) -> str:
    """A file with a web site of each name, with its key."""
    lines = [
        f"  {name}:\n    api_keys_sha256: [{hashlib.sha256(key.encode()).hexdigest()}]\n" for name, key in keys.items()
    ]
    return "web:\n" + "".join(lines)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "sources.yaml"
    file.write_text(written(old="old-key") + FORM, encoding="utf-8")
    return file


@pytest.fixture
def senders(file: Path) -> Senders:
    return Senders(file)


@pytest.fixture
async def client(senders: Senders) -> AsyncIterator[httpx.AsyncClient]:
    settings = IntakeSettings()
    app = make_app("intake", ready=lambda: asyncio.sleep(0, []))
    app.include_router(routes(settings, senders, Kept(settings), lambda: PHRASES))
    app.include_router(page_routes(lambda: TEXTS, lambda: bool(senders().form), photos=False))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://intake") as opened:
        yield opened


async def report(client: httpx.AsyncClient, key: str | None, door: str = "/v1/web/reports") -> int:
    headers = {} if key is None else {"X-API-Key": key}
    return (await client.post(door, json={"event_id": "e1", "text": "停电了"}, headers=headers)).status_code


def changes(senders: Senders, file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
    senders.look()
    senders.look()


async def test_a_key_taken_out_opens_nothing_any_more_and_a_new_one_does(
    client: httpx.AsyncClient, senders: Senders, file: Path
) -> None:
    assert [await report(client, key) for key in ("old-key", "new-key")] == [202, 401]
    text = written(new="new-key") + FORM
    with structlog.testing.capture_logs() as logs:
        changes(senders, file, text)
    assert [await report(client, key) for key in ("old-key", "new-key")] == [401, 202]
    told = [each["sources_hash"] for each in logs if each["event"] == "sources_in_force"]
    assert told == [digest_of(text)]
    assert "new-key" not in str(logs)


async def test_a_wrong_file_or_none_changes_nothing_and_is_told(
    client: httpx.AsyncClient, senders: Senders, file: Path
) -> None:
    for wrong in (written(new="new-key").replace("api_keys", "api_kyes"), "", "web: {old: {}}"):
        with structlog.testing.capture_logs() as logs:
            changes(senders, file, wrong)
        assert "file_refused_old_one_holds" in {each["event"] for each in logs}, wrong
        assert FILE_STALE.labels("sources.yaml")._value.get() == 1
        assert [await report(client, key) for key in ("old-key", "new-key")] == [202, 401]
    file.unlink()
    senders.look()
    senders.look()
    assert await report(client, "old-key") == 202
    changes(senders, file, written(new="new-key"))
    assert FILE_STALE.labels("sources.yaml")._value.get() == 0
    assert [await report(client, key) for key in ("old-key", "new-key")] == [401, 202]
    file.write_text("web: {old: {}}", encoding="utf-8")
    with pytest.raises(RulesError, match=r"sources\.yaml:1: web\.old: needs a credential"):
        Senders(file)


async def test_the_report_form_is_there_while_the_file_has_it(
    client: httpx.AsyncClient, senders: Senders, file: Path
) -> None:
    async def seen() -> list[int]:
        status = await client.get("/v1/form/status", params={"ticket_ref": "x"})
        return [
            await report(client, None, "/v1/form/reports"),
            (await client.get("/report")).status_code,
            status.status_code,
        ]

    assert await seen() == [202, 200, 422]
    changes(senders, file, written(old="old-key"))
    assert await seen() == [404, 404, 404]
    changes(senders, file, written(old="old-key") + FORM)
    assert await seen() == [202, 200, 422]
