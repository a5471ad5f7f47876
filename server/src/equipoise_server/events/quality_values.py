"""Who sent what, what became of it, and what is in quarantine: values of the data-quality page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sent a batch: the name of its SDK key, and what the program calls itself; "" where unknown."""

    key: str = ""
    program: str = ""


NOBODY = Sender()
_PROGRAM = re.compile(r"[A-Za-z0-9@][A-Za-z0-9 ._@/+-]{0,63}")


def program(text: object) -> str:
    """What a program calls itself; "" when that is no name."""
    return text if isinstance(text, str) and _PROGRAM.fullmatch(text) else ""


def program_of_user_agent(header: str) -> str:
    """The first product that a User-Agent names (RFC 9110, 10.1.5); browsers are all alike."""
    named = header.split(" ", 1)[0]
    return "browser" if named.startswith("Mozilla/") else program(named)


class DropReason(StrEnum):
    """Why a sender lost an event before it arrived."""

    QUEUE_FULL = "queue_full"
    INVALID = "invalid"
    REFUSED = "refused"
    CLOSED = "closed"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Told:
    """What a batch adds to the counts beside its events, once however often it is sent.

    dropped: what its sender lost, by reason. released: how many of its events were quarantined before.
    """

    batch: UUID
    dropped: Mapping[DropReason, int]
    released: int = 0


@dataclass(frozen=True, slots=True)
class EventNumbers:
    """received = accepted + duplicates + quarantined + waiting + erased, at one instant.

    quarantined: refused, or in conflict with what was stored before; less what a replay took. late, early and
    corrected (by a clock that was over a minute off) are among the accepted; dropped never arrived.
    """

    received: int
    accepted: int
    duplicates: int
    quarantined: int
    waiting: int
    erased: int
    late: int
    early: int
    corrected: int
    dropped: int


@dataclass(frozen=True, slots=True)
class DayOfEvents:
    """What arrived on one UTC day."""

    day: date
    numbers: EventNumbers


@dataclass(frozen=True, slots=True)
class SenderOfEvents:
    """What arrived from one sender, what it says it lost, and how far off its clock was at most."""

    sender: Sender
    numbers: EventNumbers
    losses: Mapping[DropReason, int]
    last_received_at: datetime | None
    furthest_ahead: timedelta
    furthest_behind: timedelta


@dataclass(frozen=True, slots=True)
class Freshness:
    """When something last arrived, when the newest stored event happened, and since when the oldest waits."""

    last_received_at: datetime | None
    newest_event_at: datetime | None
    waiting_since: datetime | None


@dataclass(frozen=True, slots=True)
class EventQuality:
    """What became of the events that arrived on some days."""

    since: date
    until: date
    numbers: EventNumbers
    days: tuple[DayOfEvents, ...]
    senders: tuple[SenderOfEvents, ...]
    losses: Mapping[DropReason, int]
    furthest_ahead: timedelta
    furthest_behind: timedelta
    freshness: Freshness


@dataclass(frozen=True, slots=True)
class Fault:
    """Refused events with just the same faults; `kept` of them can be judged again. `example` is redacted."""

    key: str
    problems: tuple[str, ...]
    events: int
    kept: int
    first_at: datetime
    last_at: datetime
    senders: tuple[Sender, ...]
    example: str


@dataclass(frozen=True, slots=True)
class QuarantinedDetail:
    """One refused event, its values redacted; taken: a replay holds it."""

    key: str
    received_at: datetime
    sent_at: datetime | None
    sender: Sender
    problems: tuple[str, ...]
    event: str
    is_kept: bool
    is_taken: bool = False


class RepairKind(StrEnum):
    """What may be put right in refused events before they are judged again."""

    RENAME_UNIT_TYPE = "rename_unit_type"
    RENAME_PROPERTY = "rename_property"
    RENAME_MEMBER = "rename_member"
    SET_UNIT_TYPE = "set_unit_type"


@dataclass(frozen=True, slots=True)
class Repair:
    """One repair: a name and what it should have been; a missing unit type has no old name."""

    kind: RepairKind
    new: str
    old: str = ""


@dataclass(frozen=True, slots=True)
class ReplayPreview:
    """What a replay would do: of `chosen` events `kept` can be judged again, and `accepted` would be good.

    reasons: why the others would stay, with how many each.
    """

    chosen: int
    kept: int
    accepted: int
    reasons: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class ReplayState:
    """A replay: what was asked by whom, and what became of it; unfinished, it waits for a worker."""

    id: UUID
    fault: str
    repairs: tuple[Repair, ...]
    author: str
    asked_at: datetime
    chosen: int
    accepted: int
    finished_at: datetime | None
