"""GET /v1/members/{address}: a large list of units that the environment's snapshot names. From memory."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

from starlette.types import Receive, Scope, Send

from equipoise_engine import Members
from equipoise_server.edge.answers import Refused, answer, answer_refused
from equipoise_server.edge.keys import authenticate, current_view, header, require_server_key
from equipoise_server.edge.snapshot import is_same
from equipoise_server.edge.state import Blob, EdgeState, Servable, addresses

_log = logging.getLogger(__name__)
_CACHED = "private, immutable, max-age=31536000"


class MembersDoor:
    """Sends a list to the server keys of an environment whose snapshot names it."""

    def __init__(self, state: EdgeState) -> None:
        self._state = state

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            key = authenticate(scope, self._state)
            require_server_key(key)
            blob = _found(current_view(self._state).snapshots.get(key.environment_id), scope)
        except Refused as refused:
            await answer_refused(send, refused)
            return
        etag = f'"{blob.members.address}"'
        headers = {"etag": etag, "cache-control": _CACHED}
        if is_same(header(scope, b"if-none-match"), etag):
            await answer(send, 304, b"", headers)
        else:
            headers["content-type"] = "application/octet-stream"
            await answer(send, 200, blob.data, headers)


def _found(snapshot: Servable | None, scope: Scope) -> Blob:
    blob = None if snapshot is None else snapshot.blobs.get(scope["path_params"]["address"])
    if blob is None:
        told = "The environment’s snapshot names no such list, or it could not be loaded yet."
        raise Refused(404, "No such list", told)
    return blob


def blobs_of(body: bytes, held: Mapping[str, Blob], read: Callable[[str], bytes | None]) -> dict[str, Blob]:
    """The lists that a snapshot names: those already held, and the others as they can be read."""
    if b'"blob"' not in body:
        return {}
    found: dict[str, Blob] = {}
    for address in set(addresses(json.loads(body))):
        blob = held.get(address) or _checked(address, read(address))
        if blob is None:
            _log.error("the list %s cannot be had; flags that ask for it answer their default", address)
        else:
            found[address] = blob
    return found


def completed(known: Servable, read: Callable[[str], bytes | None]) -> Servable:
    """The snapshot with those of its lacking lists that can be read now; the same one when there are none."""
    asked = ((address, _checked(address, read(address))) for address in known.lacking)
    found = {address: blob for address, blob in asked if blob is not None}
    return replace(known, blobs={**known.blobs, **found}) if found else known


def _checked(address: str, data: bytes | None) -> Blob | None:
    """The list, if the bytes are one and have this address."""
    if data is None:
        return None
    try:
        members = Members(data)
    except ValueError:
        return None
    return Blob(data, members) if members.address == address else None
