"""What HTTP senders share: one client, kept open, that goes where the settings say and reads no more than it must.

Who answers may be broken or mean harm: whatever comes is an answer, or a word for why there is none. Never here: a
body that is unpacked, as a few kilobytes unfold to gigabytes.
"""

from __future__ import annotations

import logging
import socket
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Self

import httpx

from services.runtime.settings import tls_context

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path
    from types import TracebackType

_TO_CONNECT: Final = 0.25
"""Share of the longest wait after which there is no connection, nor then TLS on it: before the attempt itself is ended,
as then it would not be known that nothing was sent."""
_PIECE: Final = 64
"""Bytes that a piece of a body counts for at least: one that comes in pieces of a byte would keep the process busy."""


class NoAnswerError(Exception):
    """Nothing was said, or nothing that could be read; the text is a word for it.

    Attributes:
        doubtful: Whether it may have been taken all the same.
    """

    def __init__(self, word: str, *, doubtful: bool = True) -> None:
        super().__init__(word)
        self.doubtful = doubtful


async def read_body(response: httpx.Response, most: int) -> bytes | None:
    """Return the body as it came, at most so many bytes; None if there is more, or it comes in too small pieces."""
    body, counted = bytearray(), 0
    async for piece in response.aiter_raw():
        counted += max(len(piece), _PIECE)
        if counted > most:
            return None
        body += piece
    return bytes(body)


class HttpSender:
    """Use it as an asynchronous context manager: it keeps connections open."""

    def __init__(self, url: str, *, timeout_s: float, connections: int, ca_file: Path | None) -> None:
        """Make the client.

        Args:
            url: Where to: whether it needs TLS.
            timeout_s: Longest wait between two packets; a quarter of it is the longest for a connection.
            connections: Most connections at once.
            ca_file: CA certificate for https; the system's if absent.

        Raises:
            SettingsError: the file of certificates cannot be used.
        """
        # httpx logs every request with its URL, which may hold a token.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        self._client = httpx.AsyncClient(
            follow_redirects=False,
            timeout=httpx.Timeout(timeout_s, connect=timeout_s * _TO_CONNECT),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            verify=tls_context("GRIDLINE_NOTIFY_CA_FILE", ca_file) if url.startswith("https:") else False,
            headers={"user-agent": "gridline-notify", "accept-encoding": "identity"},
            trust_env=False,  # settings say where to connect, not the environment of the process
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    @asynccontextmanager
    async def _posted(
        self, url: str, body: bytes, headers: Mapping[str, str], params: Mapping[str, str] | None = None
    ) -> AsyncIterator[httpx.Response]:
        """Post once; of the answer there is the head so far.

        Raises:
            NoAnswerError: there is none, or it breaks off while it is read.
        """
        try:
            async with self._client.stream("POST", url, content=body, headers=headers, params=params) as response:
                yield response
        except httpx.TimeoutException as error:
            unsent = isinstance(error, (httpx.ConnectTimeout, httpx.PoolTimeout))
            raise NoAnswerError("timeout", doubtful=not unsent) from None
        except httpx.ConnectError as error:
            raise NoAnswerError(_why(error), doubtful=False) from None
        except (httpx.TransportError, ssl.SSLError):  # the second: what is read cannot be decrypted
            raise NoAnswerError("broken_connection") from None


def _why(error: BaseException) -> str:
    """Return a word for why there is no connection: what an operator would look at next."""
    cause: BaseException | None = error
    while cause is not None:
        match cause:
            case ssl.SSLCertVerificationError():
                return "bad_certificate"
            case ssl.SSLError():
                return "no_tls"
            case socket.gaierror():
                return "no_such_name"
        cause = cause.__cause__ or cause.__context__  # what a pool of connections passes on has only the second
    return "no_connection"
