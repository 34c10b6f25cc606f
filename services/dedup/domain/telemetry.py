"""What meters and breakers last said, and what it says of a device.

Decided here: that the reading with the latest event time counts, whatever the order of arrival, so late, repeated
and disordered readings are harmless. Never here: which device is predicted.

The engine never looks up to a device that is ``state.telemetry.closed(device, at)``; where silence contradicts the
outage above, it asks ``state.telemetry.against(device, at)`` for what speaks against that device.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple, assert_never

from services.contracts.values import Reading

if TYPE_CHECKING:
    from collections.abc import Iterable

    from services.contracts.messages import TelemetryReceived

OFF: Final = frozenset({Reading.LAST_GASP, Reading.PING_SILENT, Reading.BREAKER_OPEN})
ON: Final = frozenset({Reading.POWER_UP, Reading.PING_OK})
"""What a meter says that has its supply."""
_SHUT: Final = -20.0
"""How likely a device is open that telemetry shows closed, as a logarithm: its telemetry is stuck, or the word that it
opened is late or lost. Two or three calls do not outweigh it, as each is another fault at once; a dark feeder does."""
_RANK: Final = {reading: rank for rank, reading in enumerate(Reading)}


class Known(NamedTuple):
    """The last reading of one breaker or meter.

    Attributes:
        at: Its event time.
        reading: What it said.
        device: The device it is at.
        since: Event time of the first reading in a row that said so.
    """

    at: datetime
    reading: Reading
    device: str
    since: datetime


def subject_of(message: TelemetryReceived) -> str:
    """Return what a reading is of: a breaker, a customer's meter, the meter of a transformer, or its silence.

    That a meter does not answer is kept beside what it last said, whichever came first: of one that said that it lost
    its supply it means more than of one that said nothing.
    """
    match message.reading:
        case Reading.BREAKER_OPEN | Reading.BREAKER_CLOSED:
            return f"breaker:{message.device}"
        case Reading.LAST_GASP | Reading.POWER_UP | Reading.PING_OK:
            return meter_of(message.device, message.account_id)
        case Reading.PING_SILENT:
            return _silence_of(meter_of(message.device, message.account_id))
    assert_never(message.reading)  # of another kind of device: as a meter it would hide what the meter there says


def meter_of(device: str | None, account: str | None) -> str:
    """Return the name of a customer's meter; without an account, of the transformer's."""
    return f"meter:{account}" if account else f"transformer:{device}"


def _silence_of(meter: str) -> str:
    return f"silence of {meter}"


class Telemetry:
    """The last reading of each breaker and meter of an area."""

    __slots__ = ("_dark", "known")

    def __init__(self) -> None:
        self.known: dict[str, Known] = {}
        self._dark: dict[str, int] = {}

    def newer(self, message: TelemetryReceived) -> bool:
        """Tell whether a reading says something newer than what is known; of two of one moment one always wins."""
        known = self.known.get(subject_of(message))
        if known is None:
            return True
        return (message.at, _RANK[message.reading], message.device) > (known.at, _RANK[known.reading], known.device)

    def note(self, message: TelemetryReceived, above: Iterable[str]) -> None:
        """Take in a newer reading. ``above``: its device and what is upstream."""
        subject = subject_of(message)
        before = self.known.get(subject)
        same = before is not None and (before.reading is message.reading or {before.reading, message.reading} <= ON)
        since = before.since if same and before is not None else message.at
        self.install(subject, Known(message.at, message.reading, message.device, since), above)

    def install(self, subject: str, reading: Known, above: Iterable[str]) -> None:
        """Put a reading where it is found; a dark meter counts for each device above: for noting and for loading."""
        before = self.known.get(subject)
        was = before is not None and before.reading is Reading.LAST_GASP
        now = reading.reading is Reading.LAST_GASP
        self.known[subject] = reading
        if was != now:
            for device in above:
                self._dark[device] = self._dark.get(device, 0) + (1 if now else -1)

    def closed(self, device: str, at: datetime) -> bool:
        """Tell whether telemetry shows a device closed at ``at``, so that calls do not predict it.

        A breaker that closed only after ``at`` may have been open then; without a later word it stays as it was.
        """
        known = self.known.get(f"breaker:{device}")
        return known is not None and known.reading is Reading.BREAKER_CLOSED and known.since <= at

    def closed_again(self, device: str, opened_at: datetime, at: datetime) -> bool:
        """Tell whether telemetry shows that a device that was open has closed since ``opened_at``, and by ``at``."""
        known = self.known.get(f"breaker:{device}")
        return known is not None and known.reading is Reading.BREAKER_CLOSED and opened_at < known.since <= at

    def against(self, device: str, at: float) -> float:
        """Return what telemetry says against a device's outage, as a logarithm; ``at``: its first call, in seconds."""
        if not self.known:  # as where no telemetry comes
            return 0.0
        return _SHUT if self.closed(device, datetime.fromtimestamp(at, UTC)) else 0.0

    def open(self, device: str) -> bool:
        """Tell whether telemetry shows a breaker open."""
        known = self.known.get(f"breaker:{device}")
        return known is not None and known.reading is Reading.BREAKER_OPEN

    def meter(self, device: str | None, account: str | None) -> Known | None:
        """Return the last word of a meter, or that it did not answer since; None where telemetry says nothing."""
        known, silent = self.words(device, account)
        return silent if silent is not None and (known is None or known.at < silent.at) else known

    def words(self, device: str | None, account: str | None) -> tuple[Known | None, Known | None]:
        """Return the last word of a meter, and when it last did not answer."""
        name = meter_of(device, account)
        return self.known.get(name), self.known.get(_silence_of(name))

    def powered(self, device: str, account: str | None, at: datetime) -> bool | None:
        """Tell whether a customer's meter has its supply since ``at`` or later; None where telemetry says nothing."""
        known = self.meter(device, account)
        if known is None or known.at < at:
            return None
        return known.reading not in OFF

    def dark_under(self, device: str) -> int:
        """Return how many meters under a device last said that they lost their supply."""
        return self._dark.get(device, 0)
