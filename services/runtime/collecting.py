"""When Python looks for objects that only keep one another alive.

Counting references frees nearly everything. For the rest Python goes through objects, and nothing else happens
meanwhile. By its own thresholds it went through every batch and every cached tree hundreds of times a second: 40 % of
dedup's time. Made rare, it went through half a million objects at once: every 25,000 reports orders waited a third of a
second, and ten times as long whenever an older generation's turn came.

Here it does little at a time, while nothing waits, and puts aside what lives on (``gc.freeze``): that is not gone
through again until the process has had nothing to do for some seconds. While more waits than a batch takes it hardly
looks at all: a batch under way would be gone through too, and nobody gains by a short pause. What a burst leaves behind
is put aside unseen: hardly anything of it is to be freed, and to go through it all took a fifth of a second, in which
those who came after the burst waited.
"""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Final

import structlog

from services.runtime import clock

if TYPE_CHECKING:
    from collections.abc import Callable

_LOOK_SECONDS: Final = 0.1
_FEW: Final = 5_000
"""Objects gone through at a time: some three milliseconds."""
_SEVERAL: Final = 25_000
"""Objects that only a burst makes between two looks; to go through more would be a pause of its own."""
_MANY: Final = 500_000
"""So many are gone through even while more waits than a batch takes: it makes fewer than that."""
_OLDER_NEVER: Final = 1_000_000
"""Nothing is ever in Python's older generations."""
_QUIET_SECONDS: Final = 5.0
_LITTLE: Final = 500
"""Objects more since the last look, from which on the process is not quiet."""
_log = structlog.get_logger()


class Collector:
    """Python's collector, as this process uses it; there is one of them."""

    def __init__(self, *, least: int = _MANY) -> None:
        """Make it; nothing changes before ``begin``.

        Args:
            least: Everything is gone through no sooner than so many objects have been put aside.
        """
        self._least = least
        self._aside = 0
        self._lives = 0
        self._made = 0
        self._quiet_since: float | None = None

    def begin(self) -> None:
        """Put aside all there is, and look rarely from now on."""
        gc.callbacks.append(self._around)
        gc.set_threshold(_MANY, _OLDER_NEVER, _OLDER_NEVER)
        self._everything()

    def look(self, now: float, *, behind: bool) -> None:
        """Go through what is new, if it is enough; or through everything, if that is due and nobody waits.

        Args:
            now: Seconds, of a clock that never jumps.
            behind: More waits than a batch takes.
        """
        made = gc.get_count()[0]
        more, self._made = made - self._made, made
        if behind or more > _LITTLE:
            self._quiet_since = None
        elif self._quiet_since is None:
            self._quiet_since = now
        if made >= _SEVERAL and not behind:
            self._aside += made
            self._put_aside()
        elif made >= _FEW and not behind:
            gc.collect(0)
        elif self._quiet_since is not None and now - self._quiet_since >= _QUIET_SECONDS and self._is_due:
            self._everything()
            _log.info("collected", objects=self._lives, seconds=round(clock.monotonic() - now, 3))

    async def watch(self, behind: Callable[[], bool]) -> None:
        """Look again and again, for the life of the service."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            self.look(clock.monotonic(), behind=behind())

    @property
    def _is_due(self) -> bool:
        # What was put aside may have been freed since. So it costs in proportion to what is made, not to what lives.
        return self._aside >= max(self._least, self._lives)

    def _everything(self) -> None:
        gc.unfreeze()
        gc.collect()
        self._lives, self._aside = gc.get_freeze_count(), 0

    def _put_aside(self) -> None:
        gc.freeze()
        self._made = 0

    def _around(self, phase: str, _info: dict[str, int]) -> None:
        if phase == "start":
            self._aside += gc.get_count()[0]
        else:
            self._put_aside()
