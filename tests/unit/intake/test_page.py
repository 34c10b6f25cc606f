"""The report form as it is served: every language whole, nothing from elsewhere, nothing but its own script runs."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from fastapi import FastAPI

import deploy
from services.intake.origins import allow_origins
from services.intake.page import WORDS, FormTexts, direction, page_routes
from services.intake.settings import IntakeSettings
from services.intake.yaml_file import read_yaml
from services.runtime.settings import SettingsError, read_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SHIPPED = Path(deploy.__file__).parent / "form.yaml"
TEXTS = read_yaml(SHIPPED, FormTexts)
languages = pytest.mark.parametrize("tag", TEXTS.languages)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.include_router(page_routes(lambda: TEXTS, lambda: True, photos=True))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://intake") as opened:
        yield opened


class Seen(HTMLParser):
    """Collects what of a page matters to whoever cannot see it, and what it would load."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.labelled: set[str] = set()
        self.fields: set[str] = set()
        self.ids: list[str] = []
        self.loads: list[str] = []
        self.inline: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.ids += [given["id"] or ""] if "id" in given else []
        self.labelled |= {given["for"] or ""} if tag == "label" and "for" in given else set()
        if tag in {"input", "textarea", "select"} and given.get("type") not in {"radio", "checkbox"}:
            self.fields.add(given.get("id") or "")
        self.loads += [given.get(name) or "" for name in ("src", "href", "action") if name in given]
        self.inline += [name for name in given if name.startswith("on") or name == "style"]


@languages
async def test_every_language_is_whole_and_every_field_has_its_label(client: httpx.AsyncClient, tag: str) -> None:
    answer = await client.get("/report", params={"lang": tag})
    page = answer.text
    assert answer.headers["content-language"] == tag
    assert f'<html lang="{tag}" dir="ltr">' in page
    assert "{{" not in page
    seen = Seen(page)
    assert seen.fields == seen.labelled
    assert len(set(seen.ids)) == len(seen.ids)
    assert seen.inline == []
    assert set(re.findall(r'\$\("([a-z-]+)"\)', page)) <= set(seen.ids)
    assert all(address.startswith(("?lang=", "tel:", "data:,")) for address in seen.loads)
    for word in set(TEXTS.languages[tag].words.values()):
        assert word.split("{")[0].split("'")[0] in page


@languages
async def test_the_policy_runs_the_pages_own_script_and_style_and_nothing_else(
    client: httpx.AsyncClient, tag: str
) -> None:
    answer = await client.get("/report", params={"lang": tag})
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    for tags, directive in (("<script>(.*?)</script>", "script-src"), ("<style>(.*?)</style>", "style-src")):
        (content,) = re.findall(tags, answer.text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert policy[directive] == f"'sha256-{digest}'"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_the_page_is_one_light_answer(client: httpx.AsyncClient) -> None:
    async with client.stream("GET", "/report", headers={"Accept-Encoding": "gzip"}) as answer:
        assert answer.headers["content-encoding"] == "gzip"
        packed = b"".join([part async for part in answer.aiter_raw()])
    assert len(packed) < 12_000  # nine packets on a bad network
    plain = await client.get("/report", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert gzip.decompress(packed) == plain.content


@pytest.mark.parametrize(
    ("asked", "accepted", "shown"),
    [
        ("", "", "zh-Hans-CN"),
        ("", "en-GB,en;q=0.9,zh;q=0.8", "en"),
        ("", "zh-CN,zh;q=0.9,en;q=0.8", "zh-Hans-CN"),
        ("", "fr-FR,en;q=0.5", "en"),
        ("", "bo-CN", "zh-Hans-CN"),
        ("en", "zh-CN", "en"),
        ("zz", "en", "en"),
        ("<script>", "", "zh-Hans-CN"),
    ],
)
async def test_the_visitors_language_is_shown(client: httpx.AsyncClient, asked: str, accepted: str, shown: str) -> None:
    answer = await client.get("/report", params={"lang": asked}, headers={"Accept-Language": accepted})
    assert answer.headers["content-language"] == shown


def test_a_word_that_is_missing_or_not_said_is_named_with_its_line(tmp_path: Path) -> None:
    text = SHIPPED.read_text(encoding="utf-8").replace("      retry_now: Try again now", "      retry: x")
    file = tmp_path / "form.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=r":[0-9]+: languages\.en: words lacks retry_now; has retry,"):
        read_yaml(file, FormTexts)
    assert "retry_now" in WORDS


async def test_only_the_origins_named_may_read_and_only_the_doors_of_reports() -> None:
    app = FastAPI()

    @app.get("/v1/web/x")
    @app.get("/v1/phone/x")
    async def x() -> str:
        return "x"

    wrapped = allow_origins(app, ["https://www.example"])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(wrapped), base_url="http://intake") as client:
        ours = {"Origin": "https://www.example", "Access-Control-Request-Method": "POST"}
        before = await client.options(
            "/v1/web/x", headers={**ours, "Access-Control-Request-Headers": "idempotency-key,x-api-key"}
        )
        assert before.status_code == 200
        assert before.headers["access-control-allow-origin"] == "https://www.example"
        assert (
            await client.options("/v1/web/x", headers={**ours, "Origin": "https://evil.example"})
        ).status_code == 400
        for path, origin, allowed in (
            ("/v1/web/x", "https://www.example", True),
            ("/v1/web/x", "https://evil.example", False),
            ("/v1/phone/x", "https://www.example", False),
        ):
            answer = await client.get(path, headers={"Origin": origin})
            assert ("access-control-allow-origin" in answer.headers) is allowed


@pytest.mark.parametrize("origin", ["*", "www.example", "https://www.example/", "ftp://x.example"])
def test_what_is_no_origin_is_refused(origin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDLINE_CORS_ORIGINS", f"https://a.example, {origin}")
    with pytest.raises(SettingsError, match="CORS_ORIGINS"):
        read_settings(IntakeSettings)
    monkeypatch.setenv("GRIDLINE_CORS_ORIGINS", "https://a.example, http://localhost:3000")
    assert read_settings(IntakeSettings).cors_origins == ("https://a.example", "http://localhost:3000")


@pytest.mark.parametrize(
    ("tag", "way"),
    [
        *((tag, "rtl") for tag in ("ug", "ug-CN", "ar-EG", "fa", "he-IL", "kk-Arab-CN", "UR")),
        *((tag, "ltr") for tag in ("ug-Latn", "ug-Cyrl-KZ", "zh-Hans-CN", "bo-CN", "kk-CN", "en-arab1", "mn-Mong-CN")),
    ],
)
def test_a_language_is_written_the_way_its_script_is(tag: str, way: str) -> None:
    assert direction(tag) == way


async def test_a_language_that_is_written_to_the_left_has_its_page_so() -> None:
    uyghur = TEXTS.languages["en"].model_copy(update={"name": "ئۇيغۇرچە"})
    texts = TEXTS.model_copy(update={"languages": {**TEXTS.languages, "ug-CN": uyghur}})
    app = FastAPI()
    app.include_router(page_routes(lambda: texts, lambda: True, photos=True))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://intake") as client:
        page = (await client.get("/report", params={"lang": "ug"})).text
    assert '<html lang="ug-CN" dir="rtl">' in page
    assert '<p id="ticket" dir="ltr"' in page, "a ticket's number is read as it is written"


@pytest.mark.parametrize("url", ["http://notify:70000", "http://notify:http", "http://xn--:8004"])
def test_where_notify_answers_is_an_address_that_can_be_called(monkeypatch, url):
    # Not found before a caller asked: the status of a report was answered 500.
    monkeypatch.setenv("GRIDLINE_NOTIFY_URL", url)
    with pytest.raises(SettingsError, match="NOTIFY_URL"):
        read_settings(IntakeSettings)
