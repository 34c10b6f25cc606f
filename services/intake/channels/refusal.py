"""Why a request is refused, as one closed vocabulary.

The same word is in the metric, the log and the response's title. A refusal names fields and rules and never repeats
what was sent, which may be personal data.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from services.contracts.unfit import why

if TYPE_CHECKING:
    from pydantic import ValidationError

_MOST_FIELDS: Final = 20


class Reason(StrEnum):
    """Why nothing was put on Kafka."""

    OVERSIZE = "oversize"
    SLOW_BODY = "slow_body"
    DISCONNECTED = "disconnected"
    MEDIA_TYPE = "media_type"
    CREDENTIALS = "credentials"
    NOT_UTF8 = "not_utf8"
    MALFORMED = "malformed"
    TOO_DEEP = "too_deep"
    TOO_MANY_PARTS = "too_many_parts"
    NO_EVENT_ID = "no_event_id"
    BAD_FIELD = "bad_field"
    TOO_MANY = "too_many"
    NOT_A_PHOTO = "not_a_photo"
    NOT_TAKEN = "not_taken"
    """The service is not configured to take this."""
    KEY_REUSED = "key_reused"
    KEY_IN_FLIGHT = "key_in_flight"
    BUSY = "busy"
    OUTCOME_UNKNOWN = "outcome_unknown"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field: its path (``position.lat``) and what is wrong with it, without its value."""

    field: str
    reason: str


class PayloadRefusedError(ValueError):
    """A payload that cannot become a contact; ``retry_after_s`` where it may be sent again."""

    def __init__(
        self, reason: Reason, detail: str, fields: tuple[FieldError, ...] = (), *, retry_after_s: int | None = None
    ) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.fields = fields
        self.retry_after_s = retry_after_s


UNIFORM: Final = "The credential is missing or not known."
"""One text for every way of not being known: it tells a stranger nothing."""


def stranger() -> PayloadRefusedError:
    """Return the refusal of a request whose sender is not known."""
    return PayloadRefusedError(Reason.CREDENTIALS, UNIFORM)


def bad_fields(*fields: FieldError) -> PayloadRefusedError:
    """Return the refusal that lists these fields."""
    count = f"{len(fields)} field{'s do' if len(fields) > 1 else ' does'} not fit"
    return PayloadRefusedError(Reason.BAD_FIELD, f"{count}; each is named in errors.", fields[:_MOST_FIELDS])


def from_validation(error: ValidationError) -> PayloadRefusedError:
    """Return the refusal that lists what a model found wrong."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return bad_fields(*(FieldError(".".join(map(str, item["loc"])) or "body", why(item)) for item in found))
