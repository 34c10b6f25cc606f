"""The OpenAPI description of endpoints, from the models that validate their bodies."""

from __future__ import annotations

from functools import cache
from typing import Any, Final, Literal

from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema

from services.intake.credentials import API_KEY_HEADER
from services.runtime.problems import ProblemDetails


class AcceptedAnswer(BaseModel):
    """The contact is kept."""

    contact_id: str = Field(
        description="The same event gives the same id", examples=["0b7e6c0a-5f5e-5c55-a1a5-2f8f5f0c9e11"]
    )
    ticket_ref: str = Field(description="Reference to read out to the customer", examples=["7K3M-9QPX-2HR"])
    ignored_fields: list[str] = Field(default=[], description="Fields of your payload that we do not know, if any")


class AnnouncedAnswer(AcceptedAnswer):
    """The contact is kept, and what the caller can be told at once."""

    outage: Literal["known", "restored", "not_known"] | None = Field(
        default=None, description="Whether an outage is known where this caller is; on a call's start and an account"
    )
    say: str | None = Field(default=None, description="What to say to the caller", examples=["您所在位置已知停电。"])
    say_language: str | None = Field(
        default=None, description="Language of it, for a speech engine", examples=["zh-CN"]
    )
    etr: str | None = Field(default=None, description="When power is expected back, if that is known")
    planned: Literal["true"] | None = Field(
        default=None, description="The known outage is planned work, which ends at `etr`; absent otherwise"
    )


_CREDENTIALS: Final = {
    "key": {
        "type": "apiKey",
        "in": "header",
        "name": API_KEY_HEADER,
        "description": "The source's key; it decides which source this is. Who shows a client certificate needs none",
    },
    "signature": {
        "type": "apiKey",
        "in": "header",
        "name": "webhook-signature",
        "description": "By Standard Webhooks, with webhook-id and webhook-timestamp: v1, and the HMAC-SHA256 of the"
        " bytes as sent. An HTTP client's interceptor makes it, as it covers what the client has serialised",
    },
}


def credentials() -> dict[str, Any]:
    """Describe what a sender shows of itself: any one of them."""
    return {
        "security": [{name: []} for name in _CREDENTIALS],
        "components": {"securitySchemes": _CREDENTIALS},
    }


_SCHEMAS: Final = "#/components/schemas/{model}"
_REFUSALS: Final = {
    400: "The body cannot be read",
    401: "The credential is missing or not known",
    404: "Nothing is here by this name",
    408: "The body did not come in time",
    409: "The first request with this id is still under way",
    413: "The body is too large",
    415: "The body is of another media type",
    422: "A field is missing or wrong; every one is named",
    429: "Too much from this sender or customer just now",
    503: "Not confirmed in time: the outcome is unknown; send it again with the same id",
}
"""In our words: the standard's are other ones in each version of Python."""
_WORTH_ANOTHER_TRY: Final = frozenset({409, 429, 503})


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the refusals of a door."""
    later = {"headers": {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds"}}}
    return {
        status: {
            "model": ProblemDetails,
            "description": _REFUSALS[status],
            **(later if status in _WORTH_ANOTHER_TRY else {}),
        }
        for status in statuses
    }


def parameter(name: str, where: str, description: str, *, required: bool = True) -> dict[str, Any]:
    """Describe a parameter that is text."""
    return {"name": name, "in": where, "required": required, "description": description, "schema": {"type": "string"}}


def named(model: type[BaseModel]) -> dict[str, Any]:
    """Refer to a model's schema, which ``schemas`` shows."""
    return {"$ref": _SCHEMAS.format(model=model.__name__)}


@cache
def schemas(*models: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON Schemas of models, and of what they are made of, by name. Nobody changes it."""
    _, found = models_json_schema([(model, "validation") for model in models], ref_template=_SCHEMAS)
    definitions: dict[str, Any] = found.get("$defs", {})
    return definitions
