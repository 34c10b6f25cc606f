"""Which contacts their source had kept back: it was cut off, and posts late what customers said in time.

Decided here: whether a time that lies well before its arrival is right, by what the contacts of one source have in
common. Of a clock that is wrong all of them lag by as much; of callers' clocks a few lag, and others do not; of what
was kept nearly all lag, each by something else, and all say that they were made while nothing came from there. Only
that is believed, and only for as long as it may take to post it. Never here: a word of the contact, a clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

LATE: Final = 300.0
"""Seconds after which a contact is late: what is less makes no difference to anybody."""
SILENCE: Final = 600.0
"""Seconds without a contact after which a source may have been cut off."""
WITHIN: Final = 1800.0
"""Seconds within which a source posts what it kept, from its first contact on."""
FEWEST: Final = 3
"""Late contacts that can be told from a caller or two whose clocks are wrong."""
_LONGEST: Final = 86_400.0  # what says that it is older is not believed by anybody
_NEARLY_ALL: Final = 2 / 3  # of the latest: those who contact it meanwhile come between
_FADES: Final = 0.95  # what an earlier contact counts with each one that follows
_ONE_CLOCK: Final = 0.75  # of the late ones within two minutes of one another, of which the source's clock is wrong
_OTHERS: Final = 2  # late ones besides those, where that is fewer than the share that is left
_CLOCKS: Final = 60.0  # seconds by which the source's clock and ours may differ
_MINUTE: Final = 60.0


class Arrivals:
    """How late the contacts of one source on one channel came, since it was last silent. Of bounded size.

    What is asked of it decides nothing for what comes later, and what came is told to it once it is kept: one that is
    refused and sent again does not end a silence.
    """

    __slots__ = ("_all", "_counted", "_fullest", "_lags", "_last", "_late", "_silent_since", "_since")

    def __init__(self) -> None:
        """Begin with nothing heard: how long it was silent before is not known, and any time is within that."""
        self._last = float("-inf")
        self._silent_since = self._since = float("-inf")
        self._all = self._late = 0.0
        self._counted = self._fullest = 0
        self._lags: dict[int, int] = {}

    def arrived(self, made_at: datetime | None, received_at: datetime) -> None:
        """Take in a contact that is kept: when it says it was made, if it says so, and when it arrived."""
        self._take(None if made_at is None else made_at.timestamp(), received_at.timestamp())

    def kept_back(self, moments: Sequence[tuple[datetime, datetime]]) -> list[bool]:
        """Tell of contacts that come together whether each had been kept back, by all of them and those before.

        Args:
            moments: When each says it was made, and when it arrived.
        """
        times = [(made.timestamp(), came.timestamp()) for made, came in moments]
        if all(came - made < LATE for made, came in times):
            return [False] * len(times)
        then = self._copy()
        for made, came in times:
            then._take(made, came)  # noqa: SLF001 - its own copy
        return [then._was_kept(made, came) for made, came in times]  # noqa: SLF001 - as above

    def _copy(self) -> Arrivals:
        other = Arrivals()
        for name in self.__slots__:
            setattr(other, name, getattr(self, name))
        other._lags = dict(self._lags)
        return other

    def _take(self, made: float | None, came: float) -> None:
        if came - self._last >= SILENCE:
            self._silent_since, self._since = self._last, came
            self._all = self._late = 0.0
            self._counted = self._fullest = 0
            self._lags = {}
        self._last = max(self._last, came)
        if made is None:
            return
        self._all = self._all * _FADES + 1.0
        self._late *= _FADES
        if self._of_the_silence(made, came):
            self._late += 1.0
            self._counted += 1
            lag = int((came - made) / _MINUTE)
            here = self._lags[lag] = self._lags.get(lag, 0) + 1
            beside = max(self._lags.get(lag - 1, 0), self._lags.get(lag + 1, 0))
            self._fullest = max(self._fullest, here + beside)

    def _of_the_silence(self, made: float, came: float) -> bool:
        """Tell whether a contact is late and says that it was made while nothing came."""
        return LATE <= came - made <= _LONGEST and self._silent_since - _CLOCKS <= made <= self._since + _CLOCKS

    def _was_kept(self, made: float, came: float) -> bool:
        return (
            self._counted >= FEWEST
            and self._late >= _NEARLY_ALL * self._all
            and self._fullest <= min(_ONE_CLOCK * self._counted, self._counted - _OTHERS)
            and came - self._since <= WITHIN
            and self._of_the_silence(made, came)
        )
