"""The endpoints of the public report form: the web site's report, from anybody, and the status of a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastapi import Request, Response

from services.contracts.ids import parse_ticket_ref
from services.contracts.values import Channel
from services.intake.channels import web
from services.intake.doors.describing import parameter, problem_responses
from services.intake.doors.json_door import Anybody, JsonDoor
from services.intake.doors.reports import add_reports
from services.runtime.problems import Problem, wrong_field

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import APIRouter

    from services.intake.channels.source import Sources
    from services.intake.doors.front import Front

_OK: Final = 200
_UNKNOWN: Final = 404
_UNFIT: Final = 422
_LONGEST: Final = 40


def add(router: APIRouter, front: Front, sources: Callable[[], Sources]) -> None:
    """Open them: they take something while there is a form."""
    anybody = Anybody(lambda: sources().form)
    door = JsonDoor(front, Channel.WEB, anybody, web.accept, recent=True, anonymous=True)
    add_reports(router, door, "form", "A report from the report form", web.WebReport)

    @router.get("/form/status", **_STATUS)
    async def get_form_status(request: Request) -> Response:
        """Answer what is happening to a report, as notify knows it; nobody may try out references at will."""
        with front.visit(request, Channel.WEB) as visit:
            anybody.presented(visit.headers, visit.peer)
            visit.ask()
        return await _status(front, request)


async def _status(front: Front, request: Request) -> Response:
    try:
        ref = parse_ticket_ref(request.query_params.get("ticket_ref", "")[:_LONGEST])
    except ValueError as error:
        raise wrong_field("ticket_ref", str(error)) from None
    language = request.query_params.get("language", "")[:_LONGEST]
    found = await front.announcer.report(ref, language or None) if front.announcer else None
    if found is not None and found[0] == _UNFIT:  # the reference was read here: it is the language
        raise wrong_field("language", "must be a language tag such as zh-Hans or en")
    if found is None or found[0] not in {_OK, _UNKNOWN}:
        raise Problem(503, "What is happening cannot be found out now.", headers={"Retry-After": "10"})
    status, body = found
    if status == _UNKNOWN:
        raise Problem(404, f"Nothing has the reference {ref}, or it was given only moments ago.")
    return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})


_STATUS: Final[dict[str, Any]] = {
    "tags": ["form"],
    "summary": "What is happening to a report",
    "response_class": Response,
    "responses": {
        200: {
            "description": "As notify's GET /v1/status answers",
            "content": {"application/json": {"schema": {"type": "object"}}},
        },
        **problem_responses(404, 422, 429, 503),
    },
    "openapi_extra": {
        "parameters": [
            parameter("ticket_ref", "query", "As given to the customer: 7K3M-9QPX-2HR"),
            parameter("language", "query", "Language of the text", required=False),
        ]
    },
}
