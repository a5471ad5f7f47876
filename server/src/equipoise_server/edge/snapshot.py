"""GET /v1/snapshot and GET /v1/health. Answered from memory: a stalled database never slows a flag."""

from __future__ import annotations

from starlette.types import Receive, Scope, Send

from equipoise_server.access.values import KeyKind
from equipoise_server.edge.answers import Refused, answer, answer_json, answer_refused
from equipoise_server.edge.keys import authenticate, current_view, header, require_server_key
from equipoise_server.edge.signing import HEADER as SIGNATURE
from equipoise_server.edge.state import EdgeState

STALE_AFTER_SECONDS = 60.0


class SnapshotDoor:
    """Serves an environment's snapshot to its server keys."""

    def __init__(self, state: EdgeState) -> None:
        self._state = state

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            await self._answer(scope, send)
        except Refused as refused:
            await answer_refused(send, refused)

    async def _answer(self, scope: Scope, send: Send) -> None:
        key = authenticate(scope, self._state)
        require_server_key(key)
        found = current_view(self._state).snapshots.get(key.environment_id)
        if found is None:
            raise _not_ready()
        headers = {
            "etag": found.etag,
            "cache-control": "private, no-cache",
            "vary": "authorization, accept-encoding",
            "equipoise-age": f"{self._state.age_seconds:.3f}",
        }
        if found.signature:
            headers[SIGNATURE] = found.signature
        if is_same(header(scope, b"if-none-match"), found.etag):
            await answer(send, 304, b"", headers)
        elif accepts_gzip(header(scope, b"accept-encoding")):
            headers |= {"content-type": "application/json", "content-encoding": "gzip"}
            await answer(send, 200, found.gzipped, headers)
        else:
            await answer(send, 200, found.body, headers | {"content-type": "application/json"})


class RelayDoor:
    """Tells a relay what it needs besides the snapshot: whose a key is, and how numbers were declared."""

    def __init__(self, state: EdgeState) -> None:
        self._state = state

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            key = authenticate(scope, self._state)
            found = current_view(self._state).snapshots.get(key.environment_id)
            if found is None:
                raise _not_ready()
        except Refused as refused:
            await answer_refused(send, refused)
            return
        told: dict[str, object] = {name: found.document.get(name) for name in ("project", "environment")}
        told["kind"] = str(key.kind)
        if key.kind is KeyKind.SERVER:
            told["revision"] = f"{found.revision.epoch}.{found.revision.number}"
            told["decimal_flags"] = sorted(found.decimal_flags)
        await answer_json(send, 200, told)


class HealthDoor:
    """Says whether this process can serve, how old its configuration is, and whether a worker lives.

    Flags need no worker: its absence is told, and changes no status.
    """

    def __init__(self, state: EdgeState) -> None:
        self._state = state

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer one request."""
        age = self._state.age_seconds
        rounded = None if age is None else round(age, 3)
        told: dict[str, object] = {"status": _status(age), "age_seconds": rounded}
        if self._state.signing_key_id:
            told["signing_key_id"] = self._state.signing_key_id
        if self._state.workers is not None:
            told["worker"] = self._state.workers.told(self._state.clock())
        await answer_json(send, 200 if told["status"] == "ok" else 503, told)


def _not_ready() -> Refused:
    told = "The environment's configuration could not be loaded yet. Try again in a second."
    return Refused(503, "Not ready yet", told, headers={"retry-after": "1"})


def _status(age: float | None) -> str:
    if age is None:
        return "starting"
    return "stale" if age > STALE_AFTER_SECONDS else "ok"


def is_same(if_none_match: str, etag: str) -> bool:
    """Whether the client has this version already (RFC 9110, 13.1.2: weak comparison)."""
    offered = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return etag in offered or "*" in offered


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether gzip is acceptable (RFC 9110, 12.5.3)."""
    for entry in accept_encoding.lower().split(","):
        coding, _, quality = entry.partition(";")
        if coding.strip() in {"gzip", "*"}:
            return quality.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False
