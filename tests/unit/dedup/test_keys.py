"""Who may do what at dedup's doors."""

from __future__ import annotations

import hashlib

import pytest

from services.dedup.keys import DEVELOPMENT_KEYS, Scope, read_keys
from services.dedup.settings import KEYS
from services.runtime.yaml_reading import RulesError


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def test_the_shipped_keys_are_the_published_ones_and_are_told_at_start() -> None:
    ring = read_keys(str(KEYS), KEYS.read_text(encoding="utf-8"))
    assert set(ring.published(DEVELOPMENT_KEYS)) == set(DEVELOPMENT_KEYS)
    desk = ring.holder(DEVELOPMENT_KEYS["desk-dev"])
    assert desk is not None
    assert (desk.name, Scope.DISPATCHER in desk.scopes, Scope.FIELD in desk.scopes) == ("desk-dev", True, False)
    assert ring.holder("a key nobody has") is None
    stranger = ring.holder(None)
    assert stranger is not None
    assert stranger.scopes == set(), "incidents tell addresses of homes without power"


def test_reading_may_be_opened_to_everybody() -> None:
    opened = KEYS.read_text(encoding="utf-8").replace("# anonymous: [read]", "anonymous: [read]")
    stranger = read_keys(str(KEYS), opened).holder(None)
    assert stranger is not None
    assert stranger.scopes == {Scope.READ}


def test_two_keys_stand_while_one_is_changed_for_the_other() -> None:
    both = ", ".join(map(digest, ("old", "new")))
    ring = read_keys(
        "keys.yaml", f"version: 1\nholders:\n  desk: {{scopes: [dispatcher], api_keys_sha256: [{both}]}}\n"
    )
    assert {ring.holder(key).name for key in ("old", "new")} == {"desk"}
    assert ring.holder("").scopes == set()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (
            "version: 1\nholders:\n  a: {scopes: [king], api_keys_sha256: [x]}\n",
            ["keys.yaml:3: 'king' is no scope", "keys.yaml:3: each of api_keys_sha256"],
        ),
        (
            "version: 1\nholders: {a: {scopes: [read], api_keys_sha256: []}}\n",
            ["keys.yaml:2: api_keys_sha256 must list 1 or 2"],
        ),
        (
            f"version: 1\nholders: {{a: {{scopes: [read], api_keys_sha256: [{', '.join(map(digest, 'xyz'))}]}}}}\n",
            ["keys.yaml:2: api_keys_sha256 must list 1 or 2"],
        ),
        ("version: 1\nholders: {'': {scopes: [read]}}\n", ["keys.yaml:2: name of a holder ''"]),
        ("version: 2\nholders: {}\n", ["keys.yaml:1: version must be 1"]),
        ("version: 1\nanonymous: [reed]\nholders: {}\n", ["keys.yaml:2: 'reed' is no scope; did you mean 'read'?"]),
        ("version: 1\nholder: {}\n", ["keys.yaml:2: unknown key 'holder'", "has no 'holders'"]),
        (
            f"version: 1\nholders:\n  a: &k {{scopes: [read], api_keys_sha256: [{digest('x')}]}}\n  b: *k\n",
            ["keys.yaml:3: this key stands twice, first on line 3"],
        ),
        ("[", ["keys.yaml"]),
    ],
)
def test_a_keys_file_with_a_mistake_is_refused_and_names_it(text: str, named: list[str]) -> None:
    with pytest.raises(RulesError) as error:
        read_keys("keys.yaml", text)
    assert all(one in str(error.value) for one in named)
