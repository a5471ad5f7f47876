"""When decision numbers may move, and what one look found. Pure.

A look belongs to a closed UTC day, to the stop, or to the planned end; a refresh in between adds none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import equipoise_stats as stats
from equipoise_server.analysis.health_values import Funnel
from equipoise_server.analysis.judging import look_plan
from equipoise_server.analysis.plan import Span
from equipoise_server.analysis.values import ComparisonRow, Further, LookTaken, Method, QualityNote
from equipoise_server.experiments.values import Iteration, VerdictState


@dataclass(frozen=True, slots=True)
class DueLook:
    """A look that may be taken: data up to when, whether it is the last, and with which intervals.

    is_planned_end: it is the end that was planned, so what is left of alpha is spent.
    """

    as_of: datetime
    is_final: bool
    method: Method
    is_planned_end: bool = False


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
    information: float | None = None
    """Of looks before a planned end: the share of the planned units that had matured."""
    further: Further = field(default_factory=Further)
    funnel: Funnel | None = None
    null_p_value: float | None = None
    """Of the deciding metric before exposure, which no variant can have changed."""


def due_looks(iteration: Iteration, *, now: datetime) -> tuple[DueLook, ...]:
    """Every look up to now, in order; those already in the ledger included."""
    last = final_look(iteration, now=now)
    horizon = now if last is None else last.as_of
    days = () if iteration.is_imported else _closed_days(iteration.started_at, horizon)
    daily = [
        DueLook(as_of, False, method_of(iteration))  # is_final
        for as_of in _planned_among(days, iteration)
        if last is None or as_of < last.as_of
    ]
    return (*daily, last) if last is not None else tuple(daily)


def final_look(iteration: Iteration, *, now: datetime) -> DueLook | None:
    """The last look, once its time has come: at the planned end, else at the stop."""
    stopped, planned = iteration.stopped_at, iteration.planned_end_at
    reached = planned is not None and planned <= now and (stopped is None or stopped >= planned)
    if planned is not None and reached:
        return DueLook(planned, True, method_of(iteration), is_planned_end=True)  # is_final
    if stopped is None or stopped > now:
        return None
    return DueLook(stopped, True, method_of(iteration))  # is_final


def method_of(iteration: Iteration) -> Method:
    """Imports and clusters are looked at once; a planned end with looks spends alpha; else sequences."""
    if iteration.is_imported or is_grouped(iteration):
        return Method.FIXED
    has_looks = iteration.planned_end_at is not None and look_plan(iteration.design) is not None
    return Method.GROUP_SEQUENTIAL if has_looks else Method.CONFIDENCE_SEQUENCE


def is_grouped(iteration: Iteration) -> bool:
    """Whether clusters or windows were randomised, so that units alone say nothing of the noise."""
    return bool(iteration.design.cluster_type) or iteration.design.switchback is not None


def span_of(look: DueLook, longest_window: timedelta, *, is_complete: bool = False) -> Span:
    """Planned looks judge units whose windows have closed; sequences everybody so far.

    is_complete: an import's outcomes are all there, whenever its units were exposed.
    """
    if look.method is not Method.CONFIDENCE_SEQUENCE and not is_complete:
        return Span(look.as_of, look.as_of - longest_window)
    return Span(look.as_of, look.as_of)


def ledger_of(found: Sequence[LookFound]) -> stats.Ledger:
    """The looks as statistics wants them: by metric and treatment, oldest first."""
    looks: dict[tuple[str, str], tuple[stats.Look, ...]] = {}
    for row in (row for look in found for row in look.rows if row.look is not None):
        taken = row.look
        assert taken is not None
        look = stats.Look(taken.information, taken.alpha_spent, taken.critical, taken.z, taken.is_last)
        looks[row.metric, row.arm] = (*looks.get((row.metric, row.arm), ()), look)
    return stats.Ledger(looks)


def taken_of(look: stats.Look | None) -> LookTaken | None:
    """A look as doors see it."""
    if look is None or look.z is None:
        return None
    return LookTaken(look.information, look.alpha_spent, look.critical, look.z, look.is_last)


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


def planned_looks(iteration: Iteration) -> int | None:
    """How many looks are planned, the last at the end; None without such a plan."""
    if method_of(iteration) is not Method.GROUP_SEQUENTIAL:
        return None
    assert iteration.planned_end_at is not None
    days = tuple(_closed_days(iteration.started_at, iteration.planned_end_at))
    chosen = [at for at in _planned_among(days, iteration) if at < iteration.planned_end_at]
    return len(chosen) + 1


def _planned_among(days: Iterable[datetime], iteration: Iteration) -> Iterable[datetime]:
    """The closed days on which a look is planned: all, or the first after each equal part of the run."""
    planned = iteration.design.looks
    if method_of(iteration) is not Method.GROUP_SEQUENTIAL or planned is None or planned.count is None:
        yield from days
        return
    assert iteration.planned_end_at is not None
    part = (iteration.planned_end_at - iteration.started_at) / planned.count
    number = 1
    for day in days:
        if number < planned.count and day >= iteration.started_at + number * part:
            yield day
            number += 1


def _closed_days(since: datetime, until: datetime) -> Iterable[datetime]:
    midnight = since.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    closing = midnight + timedelta(days=1)
    while closing <= until:
        yield closing
        closing += timedelta(days=1)
