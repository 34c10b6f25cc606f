"""What a caller is told before an agent answers: texts by language, from the operators' file.

Decided here: the text that fits what is known. Never here: finding out what is known; anything about another customer.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, StringConstraints, model_validator

from services.contracts.languages import LAST_RESORT, lookup
from services.contracts.values import Language

_TIME_FIELDS: Final = frozenset({"year", "month", "day", "hour", "minute"})
_WIRE: Final = ConfigDict(extra="forbid", frozen=True)


class Outage(StrEnum):
    """What is known of the power where a caller is."""

    KNOWN = "known"
    RESTORED = "restored"
    NOT_KNOWN = "not_known"


class Progress(StrEnum):
    """How far the repair is; the words of ``ProgressStage``, and one for before anyone accepted it."""

    ARRANGING = "arranging"
    ACCEPTED = "accepted"
    EN_ROUTE = "en_route"
    ARRIVED = "arrived"
    DIAGNOSED = "diagnosed"
    REPAIRING = "repairing"


class OutageAnswer(BaseModel):
    """What notify answers of a place; fields it may add one day are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    outage: Outage = Outage.NOT_KNOWN
    planned: bool = False
    progress: str | None = None
    etr: AwareDatetime | None = None
    restored_at: AwareDatetime | None = None


def _with_fields(allowed: frozenset[str], needed: frozenset[str] = frozenset()) -> AfterValidator:
    def check(text: str) -> str:
        try:
            names = {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
            text.format_map(dict.fromkeys(allowed, 1))
        except (ValueError, KeyError, IndexError) as error:
            raise ValueError(f"cannot be filled in ({error}); it may use {sorted(allowed)}") from None
        if needed - names:
            raise ValueError(f"must say {{{'}, {'.join(sorted(needed - names))}}}")
        return text

    return AfterValidator(check)


_Said = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Plain = Annotated[_Said, _with_fields(frozenset())]
WithProgress = Annotated[_Said, _with_fields(frozenset({"progress"}))]
WithEnd = Annotated[_Said, _with_fields(frozenset({"etr"}), frozenset({"etr"}))]
WithEtr = Annotated[_Said, _with_fields(frozenset({"progress", "etr"}), frozenset({"etr"}))]
WithRestoredAt = Annotated[_Said, _with_fields(frozenset({"restored_at"}))]
Time = Annotated[_Said, _with_fields(_TIME_FIELDS)]


class Texts(BaseModel):
    """What is said in one language."""

    model_config = _WIRE

    not_known: Plain
    known: WithProgress
    known_etr: WithEtr
    restored: WithRestoredAt
    planned: WithEnd | None = None
    """Said of planned work; where a file of before has none, ``known_etr`` is."""


class SpokenLanguage(BaseModel):
    """One language of the file."""

    model_config = _WIRE

    voice: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$", max_length=35)]
    """The tag a speech engine knows it by."""
    time: Time
    progress: Mapping[Progress, Plain]
    texts: Texts

    @model_validator(mode="after")
    def _every_progress_has_words(self) -> Self:
        missing = sorted({one.value for one in Progress} - {one.value for one in self.progress})
        if missing:
            raise ValueError(f"progress lacks {', '.join(missing)}")
        return self


class Spoken(BaseModel):
    """The file."""

    model_config = _WIRE

    version: Literal["1"]
    time_zone: str
    languages: Mapping[Language, SpokenLanguage]

    @model_validator(mode="after")
    def _is_usable(self) -> Self:
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("time_zone is not an IANA name such as Asia/Shanghai") from None
        if LAST_RESORT not in self.languages:
            raise ValueError(f"languages lacks {LAST_RESORT}: it is what everyone hears whose own is not listed")
        return self

    def language_for(self, tag: str | None) -> SpokenLanguage:
        """Return the language a caller of ``tag`` hears."""
        return self.languages[lookup(tag or "", self.languages) or LAST_RESORT]

    def say(self, answer: OutageAnswer, tag: str | None, now: datetime) -> dict[str, str]:
        """Return what to add to the answer of a call's event.

        An estimate that has passed is no estimate; a stage we have no words for is being arranged.
        """
        language = self.language_for(tag)
        texts = language.texts
        etr = answer.etr if answer.etr is not None and answer.etr > now else None
        stage = answer.progress if answer.progress in {one.value for one in Progress} else Progress.ARRANGING
        progress = language.progress[Progress(stage)]
        planned = answer.planned and answer.outage is Outage.KNOWN and etr is not None
        if planned and etr is not None and texts.planned is not None:
            said = texts.planned.format_map({"etr": self._show(language, etr)})
        elif answer.outage is Outage.KNOWN and etr is not None:
            said = texts.known_etr.format_map({"progress": progress, "etr": self._show(language, etr)})
        elif answer.outage is Outage.KNOWN:
            said = texts.known.format_map({"progress": progress})
        elif answer.outage is Outage.RESTORED and answer.restored_at is not None:
            said = texts.restored.format_map({"restored_at": self._show(language, answer.restored_at)})
        else:
            said = texts.not_known
        more: dict[str, Any] = {"outage": answer.outage.value, "say": said, "say_language": language.voice}
        if answer.outage is Outage.KNOWN and etr is not None:
            more["etr"] = etr.astimezone(UTC).isoformat()
        if planned:
            more["planned"] = "true"
        return more

    def _show(self, language: SpokenLanguage, moment: datetime) -> str:
        local = moment.astimezone(ZoneInfo(self.time_zone))
        return language.time.format_map({name: getattr(local, name) for name in _TIME_FIELDS})
