"""The HTTP server of a service: uvicorn among the service's own tasks.

Decided here: how long connections are kept, and that signals and the process's end are the service's. Never here: what
is answered (``http``), how bytes become requests (``http_protocol``).
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import uvicorn

from services.runtime.errors import StuckError
from services.runtime.http_protocol import HttpProtocol

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from starlette.types import ASGIApp, Receive, Scope, Send

    from services.runtime.settings import ServiceSettings


class Server(uvicorn.Server):
    """Serves ``app``, which may be exchanged while it runs."""

    def __init__(self, app: ASGIApp, settings: ServiceSettings) -> None:
        """Listen on nothing yet."""
        self.app = app
        super().__init__(
            uvicorn.Config(
                self._answer,
                host=settings.http_host,
                port=settings.http_port,
                http=HttpProtocol,
                interface="asgi3",
                log_config=None,
                access_log=False,
                lifespan="off",
                timeout_graceful_shutdown=max(1, int(settings.drain_seconds)),
                server_header=False,
                proxy_headers=False,  # whose word counts is the rooms' to decide, by configuration
                # Longer than a proxy keeps an idle connection (nginx and the clouds' balancers: 60 s). A server that
                # closes first does so now and then just as a request is under way, which its sender sees fail.
                timeout_keep_alive=75,
            )
        )

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the service."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen.

        Raises:
            StuckError: it cannot, where uvicorn would end the process. Whoever has the port may give it back, and a
                name be known later: no setting that is wrong for good.
        """
        try:
            await super().startup(sockets)
        except SystemExit as end:
            raise StuckError(f"GRIDLINE_HTTP_HOST, GRIDLINE_HTTP_PORT: {end.__context__}") from None
