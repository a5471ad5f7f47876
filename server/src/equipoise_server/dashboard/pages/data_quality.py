"""Data quality as pages show it: where events went, who lost them, and what a replay would bring back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from equipoise_server.dashboard import words
from equipoise_server.dashboard.charts import DayBar, bars_by_day
from equipoise_server.dashboard.forms import Form
from equipoise_server.dashboard.pages.figures import Figure, Table, drawn
from equipoise_server.events.values import (
    DropReason,
    EventNumbers,
    EventQuality,
    Fault,
    Freshness,
    QuarantinedDetail,
    RepairKind,
    ReplayPreview,
    ReplayState,
    Sender,
    SenderOfEvents,
)

PERIODS = ((1, "Today"), (7, "7 days"), (28, "28 days"), (90, "90 days"))
_PARTS = ("Accepted", "Duplicates", "In quarantine", "Waiting")
_LOSSES = {
    DropReason.QUEUE_FULL: "the queue was full",
    DropReason.INVALID: "the event could not be written",
    DropReason.REFUSED: "the server refused the batch",
    DropReason.CLOSED: "the program ended first",
    DropReason.OTHER: "another reason",
}
_SMALLEST_SHOWN = 0.001
"""The share that one decimal shows; nearly all is not all."""
REPAIRS = (
    ("", "Nothing: judge them as they are"),
    (RepairKind.SET_UNIT_TYPE, "Set the missing unit type"),
    (RepairKind.RENAME_UNIT_TYPE, "Rename a unit type"),
    (RepairKind.RENAME_PROPERTY, "Rename a property"),
    (RepairKind.RENAME_MEMBER, "Rename a member of the event"),
)


@dataclass(frozen=True, slots=True)
class Tile:
    """One of the six numbers, with its share and what it is a share of."""

    label: str
    count: int
    share: str
    meaning: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class SenderLine:
    """One sender, in words."""

    name: str
    program: str
    numbers: EventNumbers
    duplicates: str
    losses: str
    last_received_at: datetime | None
    clock: str
    query: str
    """The address's query for this sender's reasons alone."""


@dataclass(frozen=True, slots=True)
class FaultLine:
    """One reason for the quarantine."""

    key: str
    problems: tuple[str, ...]
    events: int
    kept: int
    first_at: datetime
    last_at: datetime
    senders: str


@dataclass(frozen=True, slots=True)
class DataQualityPage:
    """What became of the events of some days."""

    days: int
    numbers: EventNumbers
    sum_of_parts: str
    tiles: tuple[Tile, ...]
    figure: Figure | None
    freshness: Freshness
    senders: tuple[SenderLine, ...]
    faults: tuple[FaultLine, ...]
    losses: tuple[tuple[str, int], ...]
    clock: str
    replays: tuple[ReplayState, ...]
    only: str
    """Whose reasons are shown; "" for everybody's."""
    query: str
    """The address's query for the same again."""
    waits_for: str
    """Why events wait or are refused, when the project's key is missing."""


@dataclass(frozen=True, slots=True)
class ReplayPart:
    """The form of a replay, and what it would do once it was asked."""

    form: Form
    unit_types: tuple[str, ...]
    preview: ReplayPreview | None
    may_replay: bool


@dataclass(frozen=True, slots=True)
class FaultPage:
    """One reason: its events, and replaying them."""

    fault: FaultLine
    example: str
    events: tuple[QuarantinedDetail, ...]
    replay: ReplayPart
    repairs: tuple[tuple[str, str], ...] = REPAIRS


@dataclass(frozen=True, slots=True)
class QuarantinedPage:
    """One event in quarantine."""

    event: QuarantinedDetail
    sender: str
    shown: str
    fault: str
    replay: ReplayPart
    repairs: tuple[tuple[str, str], ...] = REPAIRS


def data_quality_page(
    quality: EventQuality,
    faults: Sequence[Fault],
    replays: Sequence[ReplayState],
    *,
    days: int,
    only: Sender | None = None,
    waits_for: str = "",
) -> DataQualityPage:
    """The page of some days, with the reasons of everybody or of one sender only."""
    losses = sorted(quality.losses.items(), key=lambda loss: -loss[1])
    return DataQualityPage(
        days, quality.numbers, _sum_of_parts(quality.numbers), _tiles(quality.numbers), _figure(quality),
        quality.freshness, tuple(_sender_line(line, days) for line in quality.senders),
        tuple(map(fault_line, faults)),
        tuple((_LOSSES[reason], count) for reason, count in losses),
        _clock(quality.furthest_ahead, quality.furthest_behind), tuple(replays),
        "" if only is None else sender_name(only), _query(days, only), waits_for,
    )  # fmt: skip


def _query(days: int, only: Sender | None) -> str:
    named = {} if only is None else {"key": only.key, "program": only.program}
    return urlencode({"days": days, **named})


def fault_line(fault: Fault) -> FaultLine:
    """One reason, in words."""
    return FaultLine(
        fault.key, fault.problems, fault.events, fault.kept, fault.first_at, fault.last_at,
        "; ".join(map(sender_name, fault.senders)),
    )  # fmt: skip


def sender_name(sender: Sender) -> str:
    """“web · equipoise-python”."""
    return " · ".join(part for part in (sender.key, sender.program) if part) or "unknown sender"


def indented(event: str) -> str:
    """A redacted event over several lines; what was cut off stays as it is."""
    try:
        return json.dumps(json.loads(event), indent=2, ensure_ascii=False)
    except ValueError:
        return event


def _tiles(numbers: EventNumbers) -> tuple[Tile, ...]:
    received, accepted = numbers.received, numbers.accepted
    bad, warn = ("bad" if numbers.quarantined else ""), ("warn" if numbers.dropped else "")
    return (
        Tile("Received", received, "", "Events that arrived, whatever became of them"),
        Tile("Accepted", accepted, _share(accepted, received), "Stored, and counted in results"),
        Tile("Duplicates", numbers.duplicates, _share(numbers.duplicates, received),
             "Sent again with the same id; harmless"),
        Tile("In quarantine", numbers.quarantined, _share(numbers.quarantined, received),
             "Refused or in conflict; kept to be replayed", bad),
        Tile("Late", numbers.late, _share(numbers.late, accepted),
             "Accepted, but over 7 days old on arrival"),
        Tile("Dropped by SDKs", numbers.dropped, "", "Never arrived, as senders tell it", warn),
    )  # fmt: skip


def _share(part: int, whole: int) -> str:
    if not whole or not part:
        return ""
    share = part / whole
    if share < _SMALLEST_SHOWN:
        return f"under {words.percent(_SMALLEST_SHOWN)}"
    is_nearly_all = 1 - _SMALLEST_SHOWN < share < 1
    return f"over {words.percent(1 - _SMALLEST_SHOWN)}" if is_nearly_all else words.percent(share)


def _sum_of_parts(numbers: EventNumbers) -> str:
    parts = [
        f"{words.whole(numbers.accepted)} accepted", f"{words.whole(numbers.duplicates)} duplicates",
        f"{words.whole(numbers.quarantined)} in quarantine",
    ]  # fmt: skip
    if numbers.waiting:
        parts.append(f"{words.whole(numbers.waiting)} waiting")
    if numbers.erased:
        parts.append(f"{words.whole(numbers.erased)} of erased units")
    return f"{words.whole(numbers.received)} received = {' + '.join(parts)}"


def _figure(quality: EventQuality) -> Figure | None:
    if len(quality.days) < 2 or not quality.numbers.received:  # noqa: PLR2004  # one day is no course
        return None
    counts = [
        (day.day, (n.accepted, n.duplicates, n.quarantined, n.waiting + n.erased))
        for day in quality.days
        for n in (day.numbers,)
    ]
    title = "Events received, by UTC day"
    bars = [DayBar(day, parts) for day, parts in counts]
    table = Table(
        ("Day", "Received", *_PARTS, "Late", "Dropped by SDKs"),
        tuple(
            (words.day(day.day), *map(words.whole, (day.numbers.received, *parts, day.numbers.late,
                                                    day.numbers.dropped)))
            for day, (_, parts) in zip(quality.days, counts, strict=True)
        ),
    )  # fmt: skip
    return drawn(
        title,
        lambda canvas: bars_by_day(bars, canvas, title=title, parts=_PARTS),
        legend=tuple((name, index) for index, name in enumerate(_PARTS, 1)),
        table=table,
    )


def _sender_line(line: SenderOfEvents, days: int) -> SenderLine:
    return SenderLine(
        line.sender.key or "(no key)", line.sender.program, line.numbers,
        _share(line.numbers.duplicates, line.numbers.received), _losses(line.losses), line.last_received_at,
        _clock(line.furthest_ahead, line.furthest_behind), _query(days, line.sender),
    )  # fmt: skip


def _losses(losses: Mapping[DropReason, int]) -> str:
    return "; ".join(f"{words.whole(count)}: {_LOSSES[reason]}" for reason, count in losses.items())


def _clock(ahead: timedelta, behind: timedelta) -> str:
    """How far off clocks were; "" when none was by over a minute."""
    told = [f"up to {words.span(off)} {side}" for off, side in ((ahead, "ahead"), (behind, "behind")) if off]
    return " and ".join(told)
