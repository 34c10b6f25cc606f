"""The clock of a rehearsal: a file that all processes follow, to replay a night's storm in minutes.

Decided here: the format of the file, and that it is reloaded while the processes run, so that a rehearsal begins when
everything is ready. Never here: what time it is (``clock``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from services.runtime import clock
from services.runtime.clock import CatchUp
from services.runtime.watched import Watched, watched_file
from services.runtime.whole_file import written_whole
from services.runtime.yaml_reading import Fault, RulesError

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

LOOK_SECONDS: Final = 0.3
"""How often a process looks at the file."""
NOTICED_SECONDS: Final = 2.0
"""Within this every process has read a change, with room for a slow one: begin no sooner."""

_log: Final = structlog.get_logger()


class Rehearsal(BaseModel):
    """What the file says, as JSON.

    Attributes:
        behind_seconds: How long ago the time begins that is lived again.
        begins_at: When its clock begins to catch up with the present; absent: later.
        rate: Its seconds that pass in one of the present until then.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    behind_seconds: float = Field(ge=0, le=7 * 86_400)
    begins_at: AwareDatetime | None = None
    rate: float = Field(default=2.0, gt=1, le=100_000)

    @classmethod
    def of(cls, lived_seconds: float, seconds: float) -> Rehearsal:
        """Hours that end in the present, to be lived again within ``seconds``; when it begins is not yet said."""
        return cls(behind_seconds=lived_seconds - seconds, rate=lived_seconds / seconds)

    def beginning(self, at: datetime) -> Rehearsal:
        """The same, and when it begins."""
        return self.model_copy(update={"begins_at": at})

    def course(self) -> CatchUp:
        """The clock's course by it."""
        begins = None if self.begins_at is None else self.begins_at.timestamp()
        return CatchUp(self.behind_seconds, begins, self.rate)

    def write(self, path: Path) -> None:
        """Write it whole or not at all."""
        with written_whole(path) as file:
            file.write(self.model_dump_json(exclude_none=True) + "\n")


def follow(path: Path) -> Watched[CatchUp]:
    """Let this process's clock follow the file; watch what is returned, to follow its changes.

    Raises:
        RulesError: it cannot be read or is wrong.
    """
    _log.warning("time_is_a_rehearsal", file=str(path))
    return watched_file(path, _follow)


def _follow(name: str, text: str) -> CatchUp:
    try:
        course = Rehearsal.model_validate_json(text).course()
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, item['loc'])) or 'content'}: {item['msg']}" for item in error.errors()]
        raise RulesError(name, [Fault(1, fault) for fault in faults]) from None
    clock.follow(course)
    return course
