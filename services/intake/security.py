"""Who may send: the sources file, validated as a whole, and the check of Twilio's signatures.

Decided here: which source a request comes from, by its credential and never by its payload. Never here: a credential
in a log, a metric or an error, or an answer that tells which part of a credential was wrong.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Final

import structlog

from services.intake.channels import twilio
from services.intake.channels.refusal import stranger
from services.intake.channels.source import JsonSource, Sources, TwilioSource
from services.intake.yaml_file import read_model, read_yaml
from services.runtime.watched import watched_file
from services.runtime.yaml_reading import digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_log: Final = structlog.get_logger()
DEVELOPMENT_KEYS: Final = {
    "ivr-dev": "gridline-dev-ivr-key",
    "web-dev": "gridline-dev-web-key",
    "app-dev": "gridline-dev-app-key",
    "sms-dev": "gridline-dev-sms-key",
    "api-dev": "gridline-dev-api-key",
}
"""API keys of the sources in the shipped ``deploy/sources.yaml``, for the demo and for work on one's own machine.

They are public. The service warns at start while any of them is accepted.
"""

DEVELOPMENT_WECHAT: Final = {"gh_gridline_dev": "gridlinedevtoken"}
"""Accounts of the same file, with the token they sign with."""


def load_sources(path: Path) -> Sources:
    """Read and check the sources file.

    Raises:
        SettingsError: it cannot be read, or it has errors; all of them are named, each with its line.
    """
    return read_yaml(path, Sources)


class Senders:
    """The sources in force: a changed file counts without a restart, so that a key taken out opens nothing any more."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            RulesError: it cannot be used; every fault has its line.
        """
        self._watched = watched_file(path, _read)
        self._tell()

    def __call__(self) -> Sources:
        """Return those in force."""
        return self._watched()[0]

    def look(self) -> None:
        """Look at the file once and take in a change that has settled and can be used."""
        if self._watched.look():
            self._tell()

    async def watch(self, every_s: float) -> None:
        """Look again and again, for the life of the service."""
        while True:
            await asyncio.sleep(every_s)
            await asyncio.to_thread(self.look)

    def _tell(self) -> None:
        sources, digest = self._watched()
        _log.info("sources_in_force", sources_hash=digest)
        if public := development_credentials(sources):
            _log.warning("development_credentials_accepted", sources=public)


def _read(file: str, text: str) -> tuple[Sources, str]:
    return read_model(file, text, model=Sources), digest_of(text)


_NOBODY_SIGNS: Final = TwilioSource.model_validate(
    {"name": "nobody", "account_sid": f"AC{0:032x}", "auth_tokens": ["0" * 32], "public_url": "https://nobody.invalid"}
)


class TwilioAccounts:
    """The Twilio accounts and their signatures."""

    def __init__(self, sources: Callable[[], Mapping[str, TwilioSource]]) -> None:
        """Know those in force, as ``sources`` gives them."""
        self._sources = sources

    def source(self, form: twilio.Form, path: str, signature: str) -> TwilioSource:
        """Return the account that signed a webhook.

        Args:
            form: The fields of the body; one says which account it is.
            path: Path and query of the address, as they were called.
            signature: ``X-Twilio-Signature``.

        Raises:
            PayloadRefusedError: no such account, or not its signature.
        """
        sid = dict(form).get("AccountSid", "")
        known = next((source for source in self._sources().values() if source.account_sid == sid), None)
        account = known or _NOBODY_SIGNS
        fits = False
        for token in account.auth_tokens:
            fits |= twilio.signed(token.get_secret_value(), account.public_url + path, form, signature)
        if known is None or not fits:
            raise stranger()
        return known


def development_credentials(sources: Sources) -> list[str]:
    """Return the names of the sources that accept a published development credential."""
    public = {hashlib.sha256(key.encode()).hexdigest() for key in DEVELOPMENT_KEYS.values()}
    keyed = [one for section in sources.sections() for one in section.values() if isinstance(one, JsonSource)]
    tokens = set(DEVELOPMENT_WECHAT.values())
    return [source.name for source in keyed if public & set(source.api_keys_sha256)] + [
        account.name for account in sources.wechat.values() if account.token in tokens
    ]
