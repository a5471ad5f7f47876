"""What a batch says beside its events: who sends, and what was lost before it arrived.

Pure. A member that is not understood is left out with a problem: it never costs an event.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import msgspec

from equipoise_server.events.values import DropReason, Told, program

MOST_DROPPED = 1_000_000_000
MOST_REASONS = 16
_NULL = b"null"


@dataclass(frozen=True, slots=True)
class Telling:
    """What was told: the losses, the sender's name for itself, and what was not understood."""

    told: Told | None = None
    program: str = ""
    problems: tuple[str, ...] = ()


NOTHING_TOLD = Telling()


def read_telling(batch: msgspec.Raw, dropped: msgspec.Raw, sender: msgspec.Raw) -> Telling:
    """Read the members `batch`, `dropped` and `sender` of a body."""
    if bytes(batch) == bytes(dropped) == bytes(sender) == _NULL:
        return NOTHING_TOLD
    problems: list[str] = []
    told = _told(batch, dropped, problems)
    named = program(_decoded(sender))
    if not named and bytes(sender) != _NULL:
        problems.append("sender: send 1 to 64 letters, digits and signs, as in my-shop/2.3")
    return Telling(told, named, tuple(problems))


def _told(batch: msgspec.Raw, dropped: msgspec.Raw, problems: list[str]) -> Told | None:
    if bytes(dropped) == _NULL:
        return None
    counts = _decoded(dropped)
    if not isinstance(counts, dict) or len(counts) > MOST_REASONS or not all(map(_is_count, counts.values())):
        problems.append(f"dropped: send counts of 0 to {MOST_DROPPED:,} by reason, at most {MOST_REASONS}")
        return None
    try:
        return Told(UUID(str(_decoded(batch))), _by_reason(counts))
    except ValueError:
        problems.append("batch: send a UUID with dropped, the same one until the batch is acknowledged")
        return None


def _by_reason(counts: Mapping[str, int]) -> dict[DropReason, int]:
    found: dict[DropReason, int] = {}
    for name, count in counts.items():
        reason = DropReason(name) if name in set(DropReason) else DropReason.OTHER
        if count:
            found[reason] = found.get(reason, 0) + count
    return found


def _is_count(count: object) -> bool:
    return isinstance(count, int) and not isinstance(count, bool) and 0 <= count <= MOST_DROPPED


def _decoded(raw: msgspec.Raw) -> object:
    try:
        return msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        return None
