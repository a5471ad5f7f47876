"""Waiting until the SDK door serves what the actions have just written."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from threading import Event
from uuid import UUID

from equipoise_server.foundation import revisions

ASK_EVERY_SECONDS = 0.1
SERVED_WITHIN_SECONDS = 30.0


def await_revision(server: str, sdk_key: str, environment_id: UUID) -> None:
    """Return once the environment's newest revision is served to this key."""
    wanted = revisions.current(environment_id)
    pause = Event()
    for _ in range(int(SERVED_WITHIN_SECONDS / ASK_EVERY_SECONDS)):
        served = _served_revision(server, sdk_key)
        if wanted is None or (served is not None and served >= wanted.number):
            return
        pause.wait(ASK_EVERY_SECONDS)
    raise TimeoutError(f"{server} did not serve revision {wanted} in {SERVED_WITHIN_SECONDS:.0f} s")


def _served_revision(server: str, sdk_key: str) -> int | None:
    """The revision that the door serves; None while it does not know the key yet."""
    request = urllib.request.Request(  # noqa: S310  # the demo's own server, over http
        f"{server}/v1/snapshot", headers={"Authorization": f"Bearer {sdk_key}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310  # as above
            return int(json.load(answer)["revision"])
    except urllib.error.URLError:
        return None
