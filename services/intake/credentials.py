"""Which sender a request comes from: an API key, a signature over the raw body, or a client certificate.

Decided here: when each of the three is valid. Every failure is refused in the same words, after the same comparisons.
Never here: a credential in an error, or a decision based on the payload.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from services.intake.channels.refusal import stranger
from services.intake.channels.source import JsonSource
from services.runtime.keys import owner_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from services.intake.peer import Peer

API_KEY_HEADER: Final = "X-API-Key"
TOLERANCE_S: Final = 300
"""How far the clock of one who signs may be from ours (Standard Webhooks: a few minutes, either way)."""
_MOST_SIGNATURES: Final = 8
_PREFIX: Final = "whsec_"

S = TypeVar("S", bound=JsonSource)


class Credentials(Generic[S]):
    """What the senders of one channel show."""

    def __init__(self, sources: Callable[[], Mapping[str, S]]) -> None:
        """Know those in force, as ``sources`` gives them."""
        self._sources = sources
        self._take_in(sources())

    def _in_force(self) -> None:
        """Take in others, if the file has changed."""
        if (sources := self._sources()) is not self._known:
            self._take_in(sources)

    def _take_in(self, sources: Mapping[str, S]) -> None:
        self._known = sources
        self._keys = [(bytes.fromhex(one), source) for source in sources.values() for one in source.api_keys_sha256]
        # The key is worked in once and copied: half the time of a signature.
        self._secrets = [
            (hmac.new(signing_key(one.get_secret_value()), digestmod="sha256"), source)
            for source in sources.values()
            for one in source.webhook_secrets
        ]
        self._certificates = [
            (bytes.fromhex(one), source) for source in sources.values() for one in source.client_certificates_sha256
        ]

    def presented(self, headers: Mapping[str, str], peer: Peer) -> S | None:
        """Return the source a key or a certificate belongs to; None where the body's signature has to say.

        A certificate that is nobody's may be that of a proxy on the way, which tells of every connection.

        Args:
            headers: By lower-case name.
            peer: Who is at the other end.

        Raises:
            PayloadRefusedError: it shows nothing, or nothing we know.
        """
        self._in_force()
        key = headers.get("x-api-key")
        if key:
            return _from(peer, owner_of(self._keys, hashlib.sha256(key.encode()).digest()))
        shown = peer.certificate_sha256
        owner = None if shown is None else owner_of(self._certificates, shown)
        if owner is None and "webhook-signature" in headers:
            return None
        return _from(peer, owner)

    def signed(self, headers: Mapping[str, str], body: bytes, peer: Peer, now: datetime) -> S:
        """Return the source whose secret signed a body, by Standard Webhooks.

        Args:
            headers: ``webhook-id``, ``webhook-timestamp`` in seconds since 1970, ``webhook-signature``.
            body: As it came.
            peer: Who is at the other end.
            now: By our clock.

        Raises:
            PayloadRefusedError: nobody's signature, or signed more than ``TOLERANCE_S`` from now.
        """
        self._in_force()
        sent_at = headers.get("webhook-timestamp", "")
        covered = b".".join((headers.get("webhook-id", "").encode(), sent_at.encode(), body))
        given = _signatures(headers.get("webhook-signature", ""))
        found: S | None = None
        for secret, source in self._secrets:
            made = secret.copy()
            made.update(covered)
            expected = made.digest()
            for one in given:
                if hmac.compare_digest(expected, one):
                    found = source
        fresh = sent_at.isascii() and sent_at.isdigit() and len(sent_at) <= len("9999999999")
        if not fresh or abs(now.timestamp() - int(sent_at)) > TOLERANCE_S:
            raise stranger()
        return _from(peer, found)


def signing_key(secret: str) -> bytes:
    """Return the bytes of a Standard Webhooks secret, which the sources file has checked."""
    return base64.b64decode(secret.removeprefix(_PREFIX))


def _from(peer: Peer, source: S | None) -> S:
    if source is None or not peer.within(source.addresses):
        raise stranger()
    return source


def _signatures(header: str) -> list[bytes]:
    """Return the ``v1`` signatures of a header: several while a secret is being changed."""
    found = []
    for one in header.split(" ")[:_MOST_SIGNATURES]:
        version, _, text = one.partition(",")
        if version == "v1":
            try:
                found.append(base64.b64decode(text, validate=True))
            except (binascii.Error, ValueError):
                continue
    return found
