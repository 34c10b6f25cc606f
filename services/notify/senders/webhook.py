"""Posts notices to a gateway (SMS, WeChat, push) as signed webhooks.

Source: Standard Webhooks 1.0.0: ``webhook-id``, ``webhook-timestamp``, ``webhook-signature``, HMAC-SHA256 over
``id.timestamp.body``. The webhook-id is the notice id and the same at every attempt, so a receiver that keeps the
contract drops repeats; attempts are therefore repeated until one is known to be accepted.

Never here: following a redirect (it would carry an address elsewhere), reading a response's body into memory, a URL or
a secret in a log or an error.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from contextlib import suppress
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Literal

import orjson

from services.notify.senders import Delivered, Refused, Retry
from services.notify.senders.http import HttpSender, NoAnswerError, read_body
from services.runtime import clock

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    import httpx

    from services.notify.senders import Answer, Letter

_DRAIN_BYTES: Final = 16 * 1024
_DRAIN_SECONDS: Final = 1.0
_TO_BE_TOLD: Final = 0.9
"""Share of the longest attempt after which no more is read: what is known of it would be lost with it."""
_TYPE: Final = "gridline.notice.v1"
# The receiver says that this notice is wrong. Every other answer may be the receiver's fault or the network's, or ours
# and mended by an operator (401, 404, a redirect): then all notices fail alike and none must be given up for it.
_THIS_NOTICE: Final = frozenset({400, 413, 422})
_BUSY: Final = frozenset({429, 503})


def sign(keys: Sequence[bytes], webhook_id: str, timestamp: int, body: bytes) -> str:
    """Return the ``webhook-signature`` header: one signature for each key, so that keys can be changed over."""
    content = f"{webhook_id}.{timestamp}.".encode() + body
    digests = (hmac.digest(key, content, hashlib.sha256) for key in keys)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)


def payload(letter: Letter) -> bytes:
    """Return the body: the same bytes at every attempt as long as the wording is the same."""
    data = {
        "notice_id": str(letter.notice_id),  # the driver's own class of UUID is unknown to the encoder
        "incident_id": str(letter.incident_id) if letter.incident_id else None,
        "ticket_ref": letter.ticket_ref,
        "stage": letter.stage,
        "revision": letter.revision,
        "channel": letter.channel,
        "address": letter.address,
        "account": letter.account,
        "language": letter.language,
        "text": letter.text,
        "etr": letter.etr,
        "restored_at": letter.restored_at,
        "closed_at": letter.closed_at,
    }
    return orjson.dumps({"type": _TYPE, "timestamp": letter.made_at, "data": data})


class WebhookSender(HttpSender):
    """Posts to one URL. Use it as an asynchronous context manager: it keeps connections open."""

    name: Literal["webhook"] = "webhook"
    repeatable = True
    forgets_s = None

    def __init__(
        self, url: str, keys: Sequence[bytes], *, timeout_s: float, connections: int, ca_file: Path | None = None
    ) -> None:
        """Make it.

        Args:
            url: Where to post.
            keys: Signing keys, the newest first.
            timeout_s: Longest attempt, and wait between two packets; a quarter of it is the longest for a connection.
            connections: Most connections at once.
            ca_file: CA certificate for https; the system's if absent.
        """
        super().__init__(url, timeout_s=timeout_s, connections=connections, ca_file=ca_file)
        self._url = url
        self._longest_s = timeout_s * _TO_BE_TOLD
        self._keys = tuple(keys)

    async def send(self, letter: Letter, now: datetime) -> Answer:
        """Post once. Whatever is not a clear answer is a retry: the receiver drops repeats by webhook-id."""
        began = clock.monotonic()
        body = payload(letter)
        webhook_id = str(letter.notice_id)
        timestamp = int(now.timestamp())
        headers = {
            "content-type": "application/json",
            "webhook-id": webhook_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(self._keys, webhook_id, timestamp, body),
        }
        answer: Answer | None = None
        try:
            async with self._posted(self._url, body, headers) as response:
                answer = _answer(response, webhook_id)
                await _drain(response, min(_DRAIN_SECONDS, self._longest_s - (clock.monotonic() - began)))
        except NoAnswerError as error:
            return answer or Retry(str(error), doubtful=error.doubtful)
        return answer


def _answer(response: httpx.Response, webhook_id: str) -> Answer:
    status = response.status_code
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Delivered(webhook_id)  # by which the gateway's receipt names it
    if status in _THIS_NOTICE:
        return Refused(f"http_{status}", perhaps_all=True)
    wait, busy = _retry_after(response.headers), status in _BUSY
    fails = status >= HTTPStatus.INTERNAL_SERVER_ERROR  # it, or who stands before it: perhaps after it had passed it on
    return Retry(f"http_{status}", after_s=wait, doubtful=fails and not busy, of_all=wait is not None and busy)


def _retry_after(headers: httpx.Headers) -> float | None:
    """Read Retry-After: seconds, or a date, which is by the receiver's clock: its ``Date`` says what that shows."""
    text = headers.get("retry-after", "")
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        wait = parsedate_to_datetime(text) - parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError, OverflowError):  # no date; one with a zone and one without; one of the year 10^20
        return None
    return max(0.0, wait.total_seconds())


async def _drain(response: httpx.Response, seconds: float) -> None:
    """Read a short body so that the connection can be used again; a long or slow one costs the connection.

    The status has decided already, so nothing that happens here matters.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await read_body(response, _DRAIN_BYTES)
