"""The sources file: every error with its line, and who a credential belongs to."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from services.intake.channels.refusal import PayloadRefusedError, Reason
from services.intake.channels.source import Source, Sources
from services.intake.credentials import Credentials
from services.intake.peer import Peer
from services.intake.security import (
    DEVELOPMENT_KEYS,
    DEVELOPMENT_WECHAT,
    development_credentials,
    load_sources,
)
from services.intake.settings import IntakeSettings
from services.runtime.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from services.intake.channels.source import JsonSource

SHIPPED: Path = IntakeSettings.model_fields["sources_file"].default


def hashed(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def shown(sources: Mapping[str, JsonSource], key: str | None) -> str | None:
    """Name of the source that a key in the header belongs to."""
    source = Credentials(lambda: sources).presented({"x-api-key": key} if key is not None else {}, Peer())
    return source and source.name


def errors(tmp_path: Path, text: str) -> str:
    file = tmp_path / "sources.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_sources(file)
    return str(caught.value)


def test_the_shipped_file_takes_the_published_development_credentials_and_is_known_to() -> None:
    sources = load_sources(SHIPPED)
    rings = {**sources.phone, **sources.web, **sources.app, **sources.sms, **sources.api}
    assert {name: shown(rings, key) for name, key in DEVELOPMENT_KEYS.items()} == {
        name: name for name in DEVELOPMENT_KEYS
    }
    assert {name: account.token for name, account in sources.wechat.items()} == DEVELOPMENT_WECHAT
    assert sorted(development_credentials(sources)) == sorted([*DEVELOPMENT_KEYS, *DEVELOPMENT_WECHAT])
    published = {name for section in sources.sections() for name in section} - sources.form.keys()
    assert published == set(development_credentials(sources)), "the file is public: so is every credential in it"


def test_of_sources_with_credentials_of_their_own_none_is_said_to_take_a_published_one(tmp_path: Path) -> None:
    file = tmp_path / "sources.yaml"
    published = hashed(DEVELOPMENT_KEYS["web-dev"])
    file.write_text(
        f"""web:
  ours: {{api_keys_sha256: [{hashed("a")}]}}
  forgotten: {{api_keys_sha256: [{hashed("b")}, {published}]}}
wechat:
  gh_1: {{token: ourtoken}}
""",
        encoding="utf-8",
    )
    assert development_credentials(load_sources(file)) == ["forgotten"]


def test_every_error_is_listed_with_its_line(tmp_path: Path) -> None:
    found = errors(
        tmp_path,
        f"""phone:
  ivr:
    api_keys_sha256: [{hashed("a")}]
    default_offset: "8 hours"
    menu:
      1: fault_report
      "2": Fault Report
      "menu 3": enquiry
web:
  site:
    api_key: abc
wechat:
  gh_1:
    token: "no spaces please"
    location_crs: mars
fax: {{}}
""",
    )
    assert ":4: phone.ivr.default_offset: must be an offset" in found
    assert "menu.1" not in found  # quoted or not, a menu choice is text
    assert ":7: phone.ivr.menu.2: " in found
    assert ":8: phone.ivr.menu.menu 3: " in found
    assert ":11: web.site.api_key: Extra inputs are not permitted" in found
    assert ":14: wechat.gh_1.token: " in found
    assert ":15: wechat.gh_1.location_crs: " in found
    assert ":16: fax: Extra inputs are not permitted" in found
    assert "no spaces please" not in found


def test_a_key_that_stands_twice_is_an_error_with_its_line(tmp_path: Path) -> None:
    entry = f"  site:\n    api_keys_sha256: [{hashed('a')}]\n"
    assert ":4: 'site' stands twice in web, first on line 2" in errors(tmp_path, "web:\n" + entry + entry)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("web: [\n", ":2: "),
        ("web:\n\t- x", ":2: "),
        ("a: 1\n...\n--- \nb: 2", ":3: "),
        ("- web", ":1: file: "),
        ("web: &a {b: *a}", "nested deeper"),
        ("web:\n  s: !!python/object:os.system {}", ":2: web.s: needs a credential"),
        ("? {a: b}\n: c", ":1: "),
        ("web:\n  s:\n    api_keys_sha256: [2026-99-99, 1]", ":3: "),
    ],
)
def test_what_is_not_a_sources_file_is_refused_with_a_line(tmp_path: Path, text: str, reason: str) -> None:
    assert reason in errors(tmp_path, text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.yaml: cannot be read: No such file"):
        load_sources(tmp_path / "none.yaml")


def test_names_and_keys_are_unique_over_all_channels(tmp_path: Path) -> None:
    one, two = hashed("a"), hashed("b")
    found = errors(tmp_path, f"web:\n  s:\n    api_keys_sha256: [{one}]\napp:\n  s:\n    api_keys_sha256: [{two}]\n")
    assert "names in use by two sources: s" in found
    for section in Sources.model_fields.keys() - {"web"}:
        named = Sources.model_construct(**{section: {"s": Source(name="s")}, "web": {"s": Source(name="s")}})
        with pytest.raises(ValueError, match="names in use by two sources: s"):
            named._names_and_keys_are_unique()
    found = errors(tmp_path, f"web:\n  s:\n    api_keys_sha256: [{one}]\n  t:\n    api_keys_sha256: [{one}]\n")
    assert "share a credential" in found


def test_two_keys_of_a_source_are_both_good_while_one_is_changed_for_the_other(tmp_path: Path) -> None:
    file = tmp_path / "sources.yaml"
    file.write_text(f"web:\n  s:\n    api_keys_sha256:\n      - {hashed('old')}\n      - {hashed('new')}\n")
    sources = load_sources(file).web
    assert shown(sources, "old") == shown(sources, "new") == "s"


@pytest.mark.parametrize("key", [None, "", "wrong", "gridline-dev-app-key", "gridline-dev-web-key ", "ключ"])
def test_a_key_that_is_missing_wrong_or_of_another_channel_is_refused_alike(key: str | None) -> None:
    with pytest.raises(PayloadRefusedError) as caught:
        shown(load_sources(SHIPPED).web, key)
    assert caught.value.reason is Reason.CREDENTIALS
    assert caught.value.detail == "The credential is missing or not known."
