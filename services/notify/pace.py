"""How fast one sender sends: spread evenly over a second, and not at all while its receiver asks for a wait.

Beside it, since when its receiver takes nothing, how often that is said, and whether it is believed when it refuses.

Pure. Never here: which notices (``pending`` gives the most urgent first), the clock.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

_SAID_EVERY_S: Final = 60.0
_LONGEST_REST_S: Final = 60.0
"""Then one notice asks again, however long a wait the receiver asked for: danger waits with all the others."""
_IN_A_ROW: Final = 3
"""Fewer may be about their notices, of a gateway that limits each number and says it as if it were all."""
_BELIEVED: Final = 5
"""Refusals in a row. So many wrong numbers, one after the other, are rarer than a gateway that is mistaken."""


class Pace:
    """Counts what may begin; at most a second's worth is saved up."""

    def __init__(self, per_second: float | None) -> None:
        """Begin with a second's worth; None is no limit."""
        self._per_second = per_second
        self._most = max(1.0, per_second or 0.0)
        self._saved = self._most
        self._at: float | None = None

    def free(self, now: float) -> int | None:
        """Return how many may begin now, seconds on a clock that only goes on; None is no limit."""
        if self._per_second is None:
            return None
        if self._at is not None:
            self._saved = min(self._most, self._saved + (now - self._at) * self._per_second)
        self._at = now
        return int(self._saved)

    def begun(self, count: int) -> None:
        """Note that so many have begun."""
        if self._per_second is not None:
            self._saved -= count

    def wait(self) -> float:
        """Return the seconds until some more may begin, a tenth of a second's worth, as of the last look; 0 if now."""
        if self._per_second is None:
            return 0.0
        return max(0.0, (max(1.0, self._per_second / 10) - self._saved) / self._per_second)


class Rest:
    """A receiver that asks for a wait, several times in a row, is asked nothing meanwhile, and then by one attempt.

    No longer than a minute: what it asks for may be of a day's quota, or of somebody before it who is mistaken.
    """

    def __init__(self) -> None:
        """Begin with a receiver that has said nothing yet."""
        self._asked = 0
        self._until = float("-inf")

    def taken(self) -> None:
        """Note that it answers as usual."""
        self._asked = 0

    def asked(self, seconds: float, now: float) -> None:
        """Note that it asked for so many seconds."""
        self._asked += 1
        if self._asked >= _IN_A_ROW:
            self._until = max(self._until, now + min(seconds, _LONGEST_REST_S))

    def most(self, now: float) -> int | None:
        """Return how many attempts may be under way now, seconds on a clock that only goes on; None is no limit."""
        if self._asked < _IN_A_ROW:
            return None
        return 0 if now < self._until else 1


class Refusals:
    """Whether a receiver is believed that refuses a notice: not after so many of an account in a row.

    Then it is mistaken, or a setting is, and nobody's word is given up for that.
    """

    def __init__(self) -> None:
        """Begin with a receiver that has said nothing yet."""
        self._in_a_row = 0

    def taken(self) -> None:
        """Note that it took one."""
        self._in_a_row = 0

    def believed(self) -> bool:
        """Note one more, and tell whether it counts."""
        self._in_a_row += 1
        return self._in_a_row <= _BELIEVED


class Trouble:
    """Since when every attempt has failed, and why; said at once, and then once a minute."""

    def __init__(self) -> None:
        """Begin with a receiver that has said nothing yet."""
        self._since: float | None = None
        self._say_at = float("-inf")
        self._reasons: Counter[str] = Counter()

    def failed(self, reason: str, now: float) -> Counter[str] | None:
        """Note an attempt that failed, seconds on a clock that only goes on; return what is to be said of such now."""
        if self._since is None:
            self._since = now
        self._reasons[reason] += 1
        if now < self._say_at:
            return None
        self._say_at = now + _SAID_EVERY_S
        said, self._reasons = self._reasons, Counter()
        return said

    def answered(self, now: float) -> float | None:
        """Note an answer; return after how many seconds, if it is to be said that there is one again."""
        lasted = self.lasts(now)
        self._since = None
        return lasted if lasted >= _SAID_EVERY_S else None

    def lasts(self, now: float) -> float:
        """Return for how many seconds every attempt has failed."""
        return 0.0 if self._since is None else now - self._since
