"""The SDKs' door as one ASGI app under /v1/. Every answer comes from memory; errors are RFC 9457 problems."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from equipoise_server.edge.answers import problem_body
from equipoise_server.edge.members import MembersDoor
from equipoise_server.edge.snapshot import HealthDoor, RelayDoor, SnapshotDoor
from equipoise_server.edge.state import EdgeState


def build(state: EdgeState, more_routes: Sequence[BaseRoute] = ()) -> ASGIApp:
    """The door over one state; `more_routes` are the doors that need more than the state."""
    return Starlette(
        routes=[
            Route("/v1/snapshot", SnapshotDoor(state), methods=["GET"]),
            Route("/v1/members/{address}", MembersDoor(state), methods=["GET"]),
            Route("/v1/relay", RelayDoor(state), methods=["GET"]),
            Route("/v1/health", HealthDoor(state), methods=["GET"]),
            *more_routes,
        ],
        exception_handlers={HTTPException: _http_problem, Exception: _unexpected_problem},
    )


async def _http_problem(request: Request, failure: Exception) -> Response:
    assert isinstance(failure, HTTPException)
    detail = f"{request.method} {request.url.path}: {failure.detail.lower()}."
    return _problem(failure.status_code, failure.detail, detail, headers=failure.headers)


async def _unexpected_problem(_request: Request, _failure: Exception) -> Response:
    detail = "The server failed on this request; its log says why. Nothing was accepted."
    return _problem(500, "Something went wrong here", detail)


def _problem(status: int, title: str, detail: str, *, headers: object = None) -> Response:
    kept = dict(headers) if isinstance(headers, dict) else None
    body = problem_body(status, title, detail)
    return Response(body, status, headers=kept, media_type="application/problem+json")
