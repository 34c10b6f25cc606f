"""Which door a request goes through: looked up by its path, instead of searched for.

FastAPI asks every route of every router in turn, and those of a router within another three times; with seven
middlewares around that, the way to an endpoint took five times as long as what a desktop's heartbeat does there. All
that FastAPI does at an endpoint stays with it: parameters, bodies, dependencies, results.

Never here: what is answered. A path that no door has, a wrong method, and a door whose path is not made of whole parts
are FastAPI's to deal with.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from fastapi.routing import APIRoute, iter_route_contexts

from services.runtime.bodies import bounded
from services.runtime.http import HEAD, on_error
from services.runtime.problems import answer_to

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence

    from fastapi.routing import RouteContext
    from starlette.types import ASGIApp, Receive, Scope, Send

_PARAMETER: Final = re.compile(r"\{(\w+)\}")
_HANDLERS: Final[tuple[dict[Any, Any], dict[int, Any]]] = ({Exception: on_error}, {})
"""Who answers an exception, as Starlette keeps it in a scope: by its class, and by its status."""


class BytesRoute(APIRoute):
    """A route whose endpoint takes the request and returns the response itself.

    FastAPI would solve an endpoint's parameters and serialise its result; ours has none of either, and the saving
    is a good part of a request. The OpenAPI document still has the route.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the endpoint itself."""
        handler: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return handler


@dataclass(frozen=True, slots=True)
class _Door:
    """What serves the requests of a method at a path.

    Attributes:
        app: FastAPI's, as it is behind all middlewares.
        endpoint: Of a ``BytesRoute``, which is served without FastAPI.
        names: Of the path's parameters, as they follow one another.
    """

    app: ASGIApp
    endpoint: Callable[[Request], Awaitable[Response]] | None
    names: tuple[str, ...]


@dataclass(slots=True)
class _Part:
    """A part of paths with parameters: the parts that may follow it, and the doors of the path that ends here."""

    named: dict[str, _Part] = field(default_factory=dict)
    any: _Part | None = None
    """A parameter."""
    doors: dict[str, _Door] = field(default_factory=dict)
    """By method."""


class Doors:
    """The application, with its doors looked up.

    A slash at a path's end is passed over. FastAPI would send the sender to the path without it, over http: it does not
    know of the proxy that speaks https.

    HEAD is answered as GET is, and the server leaves the body out (RFC 9110, 9.3.2). A ``BytesRoute`` bounds the body
    that it reads; all others are bounded here.
    """

    def __init__(self, app: FastAPI, routers: Iterable[APIRouter]) -> None:
        """Add the routers to the application."""
        self._app = app
        self._fixed: dict[str, dict[str, _Door]] = {}
        self._first = _Part()
        for router in routers:
            app.include_router(router)
        routes = [each for each in iter_route_contexts(app.routes) if isinstance(each.original_route, APIRoute)]
        app.state.doors = routes
        for route in routes:
            self._add(route)

    def _add(self, route: RouteContext) -> None:
        path, at, names = str(route.path), self._first, list[str]()
        for part in path.split("/") if "{" in path else ():
            if (parameter := _PARAMETER.fullmatch(part)) is not None:
                names.append(parameter[1])
                at.any = at = at.any or _Part()
            elif "{" in part:
                return
            else:
                at = at.named.setdefault(part, _Part())
        endpoint = route.endpoint if isinstance(route.original_route, BytesRoute) else None
        door = _Door(AsyncExitStackMiddleware(route.app), endpoint, tuple(names))
        doors = at.doors if names else self._fixed.setdefault(path, {})
        for method in route.methods or ():
            doors.setdefault(method, door)

    def _find(self, method: str, path: str) -> tuple[_Door | None, Sequence[str]]:
        """Return the door, and what its path's parameters are."""
        if (doors := self._fixed.get(path)) is not None:
            return doors.get(method), ()
        at, given = self._first, list[str]()
        for part in path.split("/"):
            following = at.named.get(part)
            if following is None:
                if at.any is None or not part:
                    return None, given
                following = at.any
                given.append(part)
            at = following
        return at.doors.get(method), given

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"].endswith("/"):
            scope = {**scope, "path": scope["path"].rstrip("/") or "/"}
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET", HEAD: True}
        door, given = self._find(scope["method"], scope["path"])
        if door is None:
            with bounded(scope, receive) as limited:
                await self._app(scope, limited, send)
            return
        scope["app"] = self._app
        scope["path_params"] = dict(zip(door.names, given, strict=True))
        if door.endpoint is None:
            scope["starlette.exception_handlers"] = _HANDLERS
            with bounded(scope, receive) as limited:
                await door.app(scope, limited, send)
            return
        try:
            response = await door.endpoint(Request(scope, receive))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is answered and, if it is a bug, logged
            response = answer_to(error)
        await response(scope, receive, send)
