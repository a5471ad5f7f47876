"""GET /flagd/v1/{environment}.json and …/report.json: for flagd itself, and for its providers in-process."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from urllib.parse import parse_qs
from uuid import UUID

from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from equipoise_server.edge.answers import Refused, answer, answer_refused
from equipoise_server.edge.flagd.dialects import Dialect
from equipoise_server.edge.flagd.export import Export, exported
from equipoise_server.edge.keys import authenticate, current_view, header, require_server_key
from equipoise_server.edge.snapshot import is_same
from equipoise_server.edge.state import EdgeState, Servable


def routes(state: EdgeState) -> Sequence[BaseRoute]:
    """The definition, and the report of what it leaves out."""
    door = FlagdDoor(state)
    return [
        Route("/flagd/v1/{environment}.json", door, methods=["GET"]),
        Route("/flagd/v1/{environment}/report.json", door, methods=["GET"]),
    ]


class FlagdDoor:
    """Exports once for each revision and dialect, off the event loop."""

    def __init__(self, state: EdgeState) -> None:
        self._state = state
        self._made: dict[tuple[UUID, Dialect], tuple[Servable, Export]] = {}

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            key = authenticate(scope, self._state)
            require_server_key(key)
            found = self._found(key.environment_id, scope["path_params"]["environment"])
            export = await self._export(key.environment_id, found, _dialect(scope))
        except Refused as refused:
            await answer_refused(send, refused)
            return
        body = export.report if scope["path"].endswith("/report.json") else export.definition
        etag = f'"{hashlib.sha256(body).hexdigest()}"'
        headers = {"etag": etag, "cache-control": "private, no-cache", "vary": "authorization"}
        if is_same(header(scope, b"if-none-match"), etag):
            await answer(send, 304, b"", headers)
        else:
            await answer(send, 200, body, headers | {"content-type": "application/json"})

    def _found(self, environment_id: UUID, named: str) -> Servable:
        found = current_view(self._state).snapshots.get(environment_id)
        if found is None:
            told = "The environment's configuration could not be loaded yet. Try again in a second."
            raise Refused(503, "Not ready yet", told, headers={"retry-after": "1"})
        if found.document["environment"] != named:
            told = f"This key is of the environment “{found.document['environment']}”, not of “{named}”."
            raise Refused(404, "Another environment", told)
        return found

    async def _export(self, environment_id: UUID, found: Servable, dialect: Dialect) -> Export:
        held = self._made.get((environment_id, dialect))
        if held is not None and held[0] is found:
            return held[1]
        made = await asyncio.to_thread(_made, found, dialect)
        self._made[environment_id, dialect] = (found, made)
        return made


def _made(found: Servable, dialect: Dialect) -> Export:
    return exported(
        found.document,
        dialect,
        decimal_flags=found.decimal_flags,
        is_faulty=found.engine.faults.__contains__,
    )


def _dialect(scope: Scope) -> Dialect:
    asked = parse_qs(scope["query_string"].decode("latin-1")).get("dialect", [Dialect.V3])[0]
    try:
        return Dialect(asked)
    except ValueError:
        told = "Ask for “dialect=v3” (evaluators that hash CBOR), “v2” (those that hash text) or “both”."
        raise Refused(400, "Unknown dialect", told) from None
