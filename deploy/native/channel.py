"""The line between a supervisor and the one who started it: JSON lines over a socket pair.

Decided here: while the line is open the stack belongs to its starter. When the starter is gone without having let go,
by Ctrl-C or by kill -9, the supervisor reads an end and takes everything down.
Never here: anything that blocks for ever.
"""

from __future__ import annotations

import contextlib
import json
import select
from typing import TYPE_CHECKING, Any

from deploy.native.errors import StopRequestedError

if TYPE_CHECKING:
    import socket

_LET_GO = {"event": "let go"}
_CHUNK = 65536


class Channel:
    """One end of the line."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._buffer = b""
        self._let_go = False
        self.ended = False

    def fileno(self) -> int:
        """For select; -1 once closed."""
        return self._socket.fileno()

    def send(self, message: dict[str, Any]) -> None:
        """Send one message; nothing happens when the other end is gone."""
        with contextlib.suppress(OSError):
            self._socket.sendall(json.dumps(message).encode() + b"\n")

    def receive(self, timeout: float) -> dict[str, Any] | None:
        """The next message, None after `timeout` seconds or at the end of the line (then `ended` holds)."""
        while b"\n" not in self._buffer:
            if self.ended or not select.select([self._socket], [], [], timeout)[0]:
                return None
            try:
                part = self._socket.recv(_CHUNK)
            except OSError:
                part = b""
            if not part:
                self.ended = True
                return None
            self._buffer += part
        line, self._buffer = self._buffer.split(b"\n", 1)
        message: dict[str, Any] = json.loads(line)
        return message

    def let_go(self) -> None:
        """The starter's word: go on without me."""
        self.send(_LET_GO)

    def still_held(self) -> None:
        """The supervisor's look at the line, without waiting.

        Raises:
            StopRequestedError: the starter went without letting go.
        """
        if self._let_go:
            return
        if self.receive(0) == _LET_GO:
            self._let_go = True
            self.close()
        elif self.ended:
            raise StopRequestedError

    @property
    def open(self) -> bool:
        """Whether there is somebody to listen to."""
        return not self._let_go and not self.ended

    def close(self) -> None:
        """Hang up."""
        self._socket.close()
