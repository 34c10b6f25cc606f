"""Who may send: the sources file, validated as a whole at start, and the check of Twilio's signatures.

Decided here: which source a request comes from, by its credential and never by its payload. Never here: a credential
in a log, a metric or an error, or an answer that tells which part of a credential was wrong.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from services.intake.channels import twilio
from services.intake.channels.refusal import stranger
from services.intake.channels.source import Sources, TwilioSource
from services.intake.yaml_file import read_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

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


_NOBODY_SIGNS: Final = TwilioSource.model_validate(
    {"name": "nobody", "account_sid": f"AC{0:032x}", "auth_tokens": ["0" * 32], "public_url": "https://nobody.invalid"}
)


class TwilioAccounts:
    """The Twilio accounts and their signatures."""

    def __init__(self, sources: Mapping[str, TwilioSource]) -> None:
        self._accounts = {source.account_sid: source for source in sources.values()}

    def source(self, form: twilio.Form, path: str, signature: str) -> TwilioSource:
        """Return the account that signed a webhook.

        Args:
            form: The fields of the body; one says which account it is.
            path: Path and query of the address, as they were called.
            signature: ``X-Twilio-Signature``.

        Raises:
            PayloadRefusedError: no such account, or not its signature.
        """
        known = self._accounts.get(dict(form).get("AccountSid", ""))
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
    keyed = [
        source for one in (sources.phone, sources.web, sources.app, sources.sms, sources.api) for source in one.values()
    ]
    tokens = set(DEVELOPMENT_WECHAT.values())
    return [source.name for source in keyed if public & set(source.api_keys_sha256)] + [
        account.name for account in sources.wechat.values() if account.token in tokens
    ]
