"""Who may send: the sources file, read and checked whole at start, and the check of a sender's credential.

Decided here: which source a request comes from. It is the credential that says so, never the payload. Never
here: a credential in a log, a metric or an error, or an answer that tells which part of a credential was wrong.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import yaml
from pydantic import ValidationError

from services.intake.channels.refusal import PayloadRefusedError, Reason
from services.intake.channels.source import JsonSource, Sources, WeChatSource
from services.intake.channels.wechat import signed
from services.runtime.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DEVELOPMENT_KEYS: Final = {
    "ivr-dev": "gridline-dev-ivr-key",
    "web-dev": "gridline-dev-web-key",
    "app-dev": "gridline-dev-app-key",
}
"""API keys of the sources in the shipped ``deploy/sources.yaml``, for the demo and for work on one's own machine.

They are public. The service warns at start while any of them is accepted.
"""

DEVELOPMENT_WECHAT: Final = {"gh_gridline_dev": "gridlinedevtoken"}
"""Accounts of the same file, with the token they sign with."""


API_KEY_HEADER: Final = "X-API-Key"
_DEEPEST: Final = 6
_UNIFORM: Final = "The credential is missing or not known."
"""One text for every way of not being known: it tells a stranger nothing."""


class SourcesError(SettingsError):
    """The sources file cannot be used; the text lists everything wrong with its line."""


def load_sources(path: Path) -> Sources:
    """Read and check the sources file.

    Raises:
        SourcesError: it cannot be read, or it has errors; all of them are named, each with its line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SourcesError(f"GRIDLINE_SOURCES_FILE {path}: {error}") from None
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise SourcesError(f"{path}: {_yaml_problem(error)}") from None
    walk = _Walk()
    data = {} if root is None else walk.plain(root, ())
    problems = walk.problems
    try:
        sources = Sources.model_validate(data)
    except ValidationError as error:
        for found in error.errors(include_url=False, include_input=False, include_context=False):
            location = tuple(str(part) for part in found["loc"] if part != "[key]")
            reason = found["msg"].removeprefix("Value error, ")
            problems.append((walk.line(location), f"{'.'.join(location) or 'file'}: {reason}"))
    else:
        if not problems:
            return sources
    listed = "\n".join(f"  line {line}: {problem}" for line, problem in sorted(problems))
    raise SourcesError(f"{path} has errors:\n{listed}")


def _yaml_problem(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "it is not YAML"
    return f"line {mark.line + 1}: {problem}" if mark else str(problem)


class _Walk:
    """Turn YAML nodes into plain data, every scalar as text, remembering lines.

    As text, since YAML would take a hash of digits for a number and menu ``1`` for an integer.
    """

    def __init__(self) -> None:
        self.problems: list[tuple[int, str]] = []
        self._lines: dict[tuple[str, ...], int] = {}

    def plain(self, node: yaml.Node, path: tuple[str, ...]) -> Any:
        """Return the data of a node; note keys that stand twice, of which YAML would keep the last in silence."""
        self._lines.setdefault(path, node.start_mark.line + 1)
        if len(path) > _DEEPEST:
            self.problems.append((self.line(path), f"{'.'.join(path[:_DEEPEST])}: is nested too deeply"))
            return None
        if isinstance(node, yaml.MappingNode):
            data: dict[str, Any] = {}
            for key, value in node.value:
                name = str(key.value) if isinstance(key, yaml.ScalarNode) else "?"
                if name in data:
                    self.problems.append((key.start_mark.line + 1, f"{'.'.join((*path, name))}: stands twice"))
                self._lines[*path, name] = key.start_mark.line + 1
                data[name] = self.plain(value, (*path, name))
            return data
        if isinstance(node, yaml.SequenceNode):
            return [self.plain(value, (*path, str(place))) for place, value in enumerate(node.value)]
        return node.value

    def line(self, location: tuple[str, ...]) -> int:
        """Line of the entry, or of the nearest one around it."""
        while location and location not in self._lines:
            location = location[:-1]
        return self._lines.get(location, 1)


S = TypeVar("S", bound=JsonSource)


class KeyRing(Generic[S]):
    """The API keys of one channel."""

    def __init__(self, sources: Mapping[str, S]) -> None:
        self._keys = [
            (bytes.fromhex(digest), source) for source in sources.values() for digest in source.api_keys_sha256
        ]

    def source(self, key: str | None) -> S:
        """Return the source a key belongs to, in the same time whether and where it is found.

        Raises:
            PayloadRefusedError: there is no such key.
        """
        presented = hashlib.sha256((key or "").encode()).digest()
        found: S | None = None
        for digest, source in self._keys:
            if hmac.compare_digest(digest, presented):
                found = source
        if found is None or not key:
            raise PayloadRefusedError(Reason.CREDENTIALS, _UNIFORM)
        return found


_NOBODY: Final = WeChatSource(name="nobody", token="0" * 32)


class Accounts:
    """The official accounts and their signatures."""

    def __init__(self, sources: Mapping[str, WeChatSource]) -> None:
        self._accounts = sources

    def source(self, account: str, query: Mapping[str, Any]) -> WeChatSource:
        """Return the account if the query is signed with its token.

        Raises:
            PayloadRefusedError: no such account, or not its signature; or the platform encrypts for this account.
        """
        known = self._accounts.get(account)
        timestamp, nonce, signature = (query.get(name, "") for name in ("timestamp", "nonce", "signature"))
        fits = signed((known or _NOBODY).token, timestamp, nonce, signature)
        if known is None or not fits:
            raise PayloadRefusedError(Reason.CREDENTIALS, _UNIFORM)
        if query.get("encrypt_type", "raw") != "raw":
            raise PayloadRefusedError(Reason.MALFORMED, "Set this account to plaintext mode in the platform's console.")
        return known


def development_credentials(sources: Sources) -> list[str]:
    """Return the names of the sources that accept a published development credential."""
    public = {hashlib.sha256(key.encode()).hexdigest() for key in DEVELOPMENT_KEYS.values()}
    keyed = [*sources.phone.values(), *sources.web.values(), *sources.app.values()]
    tokens = set(DEVELOPMENT_WECHAT.values())
    return [source.name for source in keyed if public & set(source.api_keys_sha256)] + [
        account.name for account in sources.wechat.values() if account.token in tokens
    ]
