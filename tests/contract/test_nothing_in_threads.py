"""No endpoint of a service, and nothing that one depends on, is a plain function.

FastAPI runs those in threads, as if they waited for something. Ours wait for nothing, and the way to a thread and back
costs a request more than all that they do: with thousands of desktops it was a tenth of a router's time.
"""

from __future__ import annotations

from inspect import isasyncgenfunction, iscoroutinefunction
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from services.cli.openapi import applications

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fastapi.dependencies.models import Dependant

APPLICATIONS = applications()


def called(dependant: Dependant) -> Iterator[Callable[..., Any]]:
    """Yield what FastAPI calls for a request: the endpoint and all that it depends on."""
    if dependant.call is not None:
        yield dependant.call
    for one in dependant.dependencies:
        yield from called(one)


def plain_functions(app: FastAPI) -> set[str]:
    """Return what FastAPI would run in a thread."""
    ours = [route for route in iter_route_contexts(app.routes) if isinstance(route.original_route, APIRoute)]
    asked = [each for route in ours for each in called(route.dependant)]
    assert asked
    return {getattr(each, "__qualname__", repr(each)) for each in asked if not waits(each)}


def waits(function: Callable[..., Any]) -> bool:
    """Tell whether a function is a coroutine, or an object is one when it is called."""
    of_object = type(function).__call__
    return any(kind(each) for kind in (iscoroutinefunction, isasyncgenfunction) for each in (function, of_object))


@pytest.mark.parametrize("service", sorted(APPLICATIONS))
def test_no_endpoint_is_run_in_a_thread(service: str):
    assert plain_functions(APPLICATIONS[service]) == set()


def test_a_plain_function_would_be_found_wherever_it_is():
    def check() -> None: ...
    def check_of_a_router() -> None: ...
    def check_of_a_check() -> None: ...
    def endpoint() -> None: ...

    async def waiting(_: None = Depends(check_of_a_check)) -> None: ...

    inner = APIRouter(dependencies=[Depends(check_of_a_router)])
    inner.add_api_route("/checked", waiting, methods=["GET"], dependencies=[Depends(check)])
    inner.add_api_route("/plain", endpoint, methods=["GET"])
    outer, app = APIRouter(), FastAPI(openapi_url=None)
    outer.include_router(inner)
    app.include_router(outer)
    found = {name.rpartition(".")[2] for name in plain_functions(app)}
    assert found == {"check", "check_of_a_router", "check_of_a_check", "endpoint"}
