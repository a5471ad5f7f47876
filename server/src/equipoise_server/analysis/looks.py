"""When decision numbers may move, and what one look found. Pure.

A look belongs to a closed UTC day, to the stop, or to the planned end; a refresh in between adds none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from equipoise_server.analysis.plan import Span
from equipoise_server.analysis.values import ComparisonRow, Method, QualityNote
from equipoise_server.experiments.values import Iteration, VerdictState


@dataclass(frozen=True, slots=True)
class DueLook:
    """A look that may be taken: data up to when, whether it is the last, and with which intervals."""

    as_of: datetime
    is_final: bool
    method: Method


@dataclass(frozen=True, slots=True)
class LookFound:
    """What a look found; kept in the ledger. `smallest_p` is the always-valid p's minimum so far."""

    number: int
    as_of: datetime
    is_final: bool
    method: Method
    rows: tuple[ComparisonRow, ...]
    verdict: VerdictState
    blocked: dict[str, tuple[str, ...]]
    notes: tuple[QualityNote, ...]
    smallest_p: dict[str, float]


def due_looks(iteration: Iteration, *, now: datetime) -> tuple[DueLook, ...]:
    """Every look up to now, in order; those already in the ledger included."""
    last = final_look(iteration, now=now)
    horizon = now if last is None else last.as_of
    days = () if iteration.is_imported else _closed_days(iteration.started_at, horizon)
    daily = [
        DueLook(as_of, False, Method.CONFIDENCE_SEQUENCE)  # is_final
        for as_of in days
        if last is None or as_of < last.as_of
    ]
    return (*daily, last) if last is not None else tuple(daily)


def final_look(iteration: Iteration, *, now: datetime) -> DueLook | None:
    """The last look, once its time has come: fixed at the planned end, else a sequence at the stop."""
    stopped, planned = iteration.stopped_at, iteration.planned_end_at
    reached = planned is not None and planned <= now and (stopped is None or stopped >= planned)
    if planned is not None and reached:
        return DueLook(planned, True, Method.FIXED)  # is_final
    if stopped is None or stopped > now:
        return None
    method = Method.FIXED if iteration.is_imported else Method.CONFIDENCE_SEQUENCE
    return DueLook(stopped, True, method)  # is_final


def span_of(look: DueLook, longest_window: timedelta, *, is_complete: bool) -> Span:
    """Running: everybody exposed so far. At the fixed end: only units whose windows have closed.

    is_complete: an import's outcomes are all there, whenever its units were exposed.
    """
    if look.method is Method.FIXED and not is_complete:
        return Span(look.as_of, look.as_of - longest_window)
    return Span(look.as_of, look.as_of)


def look_day(as_of: datetime) -> date:
    """The day that a look closes."""
    return (as_of.astimezone(UTC) - timedelta(microseconds=1)).date()


def smallest_p(held: dict[str, float], rows: Iterable[ComparisonRow]) -> dict[str, float]:
    """The running minimum of each comparison's p-value."""
    smallest = dict(held)
    for row in rows:
        if row.p_value is not None:
            name = f"{row.metric}/{row.arm}"
            smallest[name] = min(row.p_value, smallest.get(name, 1.0))
    return smallest


def _closed_days(since: datetime, until: datetime) -> Iterable[datetime]:
    midnight = since.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    closing = midnight + timedelta(days=1)
    while closing <= until:
        yield closing
        closing += timedelta(days=1)
