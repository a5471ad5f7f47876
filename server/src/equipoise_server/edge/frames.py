"""What streams say, as bytes of server-sent events (WHATWG HTML, 9.2). Pure; knows no connection."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from equipoise_server.foundation.revisions import Revision

HEARTBEAT = b": beat\n\n"
SINGULAR = {"flags": "flag", "groups": "group", "experiments": "experiment"}


@dataclass(frozen=True, slots=True, order=True)
class Kill:
    """One thing that is killed: its level (environment, group, flag or experiment), and its key."""

    level: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Frames:
    """One revision as each kind of reader is told: rules to servers, a hint to evaluated readers."""

    rules: bytes
    evaluated: bytes


def kills_of(document: Mapping[str, object]) -> frozenset[Kill]:
    """Everything that a snapshot document says is killed."""
    killed = {
        Kill(level, key)
        for table, level in SINGULAR.items()
        for key, entry in _entries(document, table)
        if isinstance(entry, Mapping) and entry.get("killed")
    }
    return frozenset(killed | ({Kill("environment")} if document.get("killed") else set()))


def _entries(document: Mapping[str, object], table: str) -> list[tuple[str, object]]:
    entries = document.get(table)
    return list(entries.items()) if isinstance(entries, Mapping) else []


def event_id(revision: Revision) -> str:
    """The id of a revision's events: what `Last-Event-ID` gives back."""
    return f"{revision.epoch}.{revision.number}"


def revision_frames(revision: Revision, etag: str, new_kills: frozenset[Kill] = frozenset()) -> Frames:
    """A revision: its kills one by one, before the revision itself."""
    number = {"epoch": revision.epoch, "revision": revision.number}
    told = [_event("kill", revision, _told(kill) | number) for kill in sorted(new_kills)]
    told.append(_event("revision", revision, number))
    hint = {"type": "refetchEvaluation", "etag": etag}
    return Frames(b"".join(told), _event("message", revision, hint))


def retry(milliseconds: int) -> bytes:
    """How long to wait before coming back, should the stream end."""
    return b"retry: %d\n\n" % milliseconds


def _told(kill: Kill) -> dict[str, object]:
    told: dict[str, object] = {"level": kill.level}
    return told | ({kill.level: kill.key} if kill.key else {})


def _event(name: str, revision: Revision, data: Mapping[str, object]) -> bytes:
    text = json.dumps(data, separators=(",", ":"))
    return f"id: {event_id(revision)}\nevent: {name}\ndata: {text}\n\n".encode()
