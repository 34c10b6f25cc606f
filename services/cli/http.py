"""HTTP requests to our services, with refusals and timeouts as command-line errors.

Decided here: which key is sent, and how RFC 9457 problem details read on a terminal. Never here: which service is
asked what.
"""

from __future__ import annotations

import os
from typing import Any, Final

import httpx

from services.cli.errors import CommandError, Exit

_TIMEOUT_SECONDS: Final = 15.0
_NOT_FOUND: Final = 404
_OURS: Final = 500
_ADVICE: Final = {
    401: "Give a key that it knows in GRIDLINE_API_KEY.",
    403: "Give a key with that scope in GRIDLINE_API_KEY.",
    412: "Look at it again, `gridline incidents show` or `planned list`, and give the command again if it still holds.",
}
_NOT_THERE: Final = {
    "dedup": "Look at the id: `gridline incidents list`, `incidents commands` and `planned list` name them.",
    "router": "Look at the id or reference: `gridline incidents show` names its reports' tickets.",
}


def key(development: str) -> dict[str, str]:
    """Return the headers that say who asks: the key of ``GRIDLINE_API_KEY``, else the published development one.

    Raises:
        CommandError: it cannot be sent: a line end of the file it was read from, or other than ASCII.
    """
    given = os.environ.get("GRIDLINE_API_KEY") or development
    if not (given.isascii() and given.isprintable() and given == given.strip()):
        what = "GRIDLINE_API_KEY has a line end, a blank or a letter that no key has"
        raise CommandError(what, "Set it to the key alone, as keys.yaml has it.", Exit.REFUSED)
    return {"X-API-Key": given}


def get(service: str, url: str, path: str, *, headers: dict[str, str] | None = None, **query: Any) -> Any:
    """Return the JSON of a GET.

    Raises:
        CommandError: no answer, or a refusal, with what the service said.
    """
    asked = {name: value for name, value in query.items() if value is not None}
    return _call(service, url, "GET", path, params=asked, headers=headers)


def send(service: str, url: str, method: str, path: str, body: Any, *, headers: dict[str, str] | None = None) -> Any:
    """Return the JSON of a POST or PUT.

    Raises:
        CommandError: no answer, or a refusal, with what the service said.
    """
    return _call(service, url, method, path, json=body, headers=headers)


def _call(service: str, url: str, method: str, path: str, **arguments: Any) -> Any:
    try:
        response = httpx.request(method, url + path, timeout=_TIMEOUT_SECONDS, **arguments)
    except (httpx.TransportError, httpx.InvalidURL) as error:
        what = f"{service} at {url} does not answer ({type(error).__name__})"
        advice = f"Start it (`gridline stack up`), or set GRIDLINE_{service.upper()}_URL."
        raise CommandError(what, advice, Exit.UNREACHABLE) from None
    if response.is_success:
        try:
            return response.json()
        except ValueError:
            what = f"{url} answers {method} {path} with something else than JSON: that is not {service}"
            raise CommandError(what, f"Set GRIDLINE_{service.upper()}_URL.", Exit.UNREACHABLE) from None
    what, advice = _problem(response)
    code = Exit.NO if response.status_code == _NOT_FOUND else Exit.REFUSED
    if response.status_code >= _OURS:
        code, advice = Exit.UNREACHABLE, advice or f"Look at its log: gridline stack logs {service}."
    raise CommandError(f"{service}: {what}", advice or _advice(response.status_code, service), code)


def _advice(status: int, service: str) -> str:
    known = _NOT_THERE.get(service) if status == _NOT_FOUND else _ADVICE.get(status)
    return known or "Correct the request."


def _problem(response: httpx.Response) -> tuple[str, str]:
    try:
        problem = response.json()
        what = ": ".join(part for part in (problem["title"], problem.get("detail", "")) if part)
        wrong = [f"{error.get('field')}: {error.get('reason')}" for error in problem.get("errors", ())]
    except (ValueError, KeyError, AttributeError, TypeError):
        return f"HTTP {response.status_code}", ""
    return what, "; ".join(wrong)
