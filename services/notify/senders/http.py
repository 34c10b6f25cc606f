"""What HTTP senders share: one client, kept open, that goes where the settings say."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, Self

import httpx

from services.runtime.settings import tls_context

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

_TO_CONNECT: Final = 0.25
"""Share of the longest wait after which there is no connection, nor then TLS on it: before the attempt itself is ended,
as then it would not be known that nothing was sent."""


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
            trust_env=False,  # settings say where to connect, not the environment of the process
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()
