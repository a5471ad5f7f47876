"""Runs the plan's statement on in-memory DuckDB over pinned files and hands out moments per arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import combinations_with_replacement
from pathlib import Path

import duckdb
import numpy as np
from sqlglot import exp

import equipoise_stats as stats
from equipoise_server.analysis import marks, query
from equipoise_server.analysis.dialects.units import units_query
from equipoise_server.analysis.marks import Mark, Units
from equipoise_server.analysis.plan import Column, Plan, Span
from equipoise_server.experiments.values import Schedule

PIVOT_WHEN_MEAN_EXCEEDS_DEVIATIONS = 100.0
MOST_VALUES = 50
"""An attribute with more different values than these names units rather than kinds of them."""


@dataclass(frozen=True, slots=True)
class Files:
    """The pinned files that one refresh reads."""

    exposures: tuple[Path, ...]
    tracks: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class ArmMoments:
    """One arm's units: moments of all columns and the largest unit's number in each."""

    moments: stats.Moments
    crossed: int
    largest: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class DayCount:
    """Units of one arm whose first exposure fell on one day."""

    day: date
    arm: str
    units: int
    crossed: int


@dataclass(frozen=True, slots=True)
class UnjoinableEvents:
    """Events of one name, and how many carry no id of the experiment's unit type."""

    event: str
    events: int
    without_unit: int


@dataclass(frozen=True, slots=True)
class StageCount:
    """Units of an arm on their way: exposed, of them in this arm alone, and triggered; and all exposures."""

    arm: str
    exposed: int
    kept: int
    triggered: int
    exposures: int


@dataclass(frozen=True, slots=True)
class WindowTotal:
    """What a region's events add in one window of a switchback, counted from 0."""

    region: str
    window: int
    total: float


class Warehouse:
    """An in-memory DuckDB over pinned files; the only place of this room that executes a query."""

    def __init__(self, files: Files) -> None:
        self._files = files
        # One thread: the same files give the same bits, whatever else the machine does.
        self._database = duckdb.connect(":memory:", config={"threads": 1})

    def close(self) -> None:
        """Give the memory back."""
        self._database.close()

    def moments(self, plan: Plan, span: Span, pivots: Mapping[str, float]) -> dict[str, ArmMoments]:
        """Moments per arm that has units."""
        if not self._files.exposures:
            return {}
        if plan.attributes:
            return {row[0]: _arm(plan, pivots, row) for row in self._marked(plan, span, pivots, None)}
        statement = query.moments_query(
            plan, span, exposures=self._files.exposures, tracks=self._files.tracks, pivots=pivots
        )
        return {row[0]: _arm(plan, pivots, row) for row in self._run(statement)}

    def moments_by(
        self, plan: Plan, span: Span, pivots: Mapping[str, float], mark: Mark
    ) -> dict[str, dict[str, ArmMoments]]:
        """Moments per mark and arm, marks in their order; of units that have a mark."""
        found: dict[str, dict[str, ArmMoments]] = {}
        if self._files.exposures:
            for arm, told, *numbers in self._marked(plan, span, pivots, mark):
                found.setdefault(told, {})[arm] = _arm(plan, pivots, (arm, *numbers))
        return dict(sorted(found.items()))

    def clusters(self, plan: Plan, span: Span) -> tuple[DayCount, ...]:
        """Clusters by arm and the day they were first seen, in order of days."""
        if not self._files.exposures:
            return ()
        rows = self._read(marks.clusters_by_day(self._units(plan, span)))
        return tuple(DayCount(_date(day), arm, clusters, 0) for arm, day, clusters in rows)

    def windows(self, plan: Plan, span: Span, column: Column, schedule: Schedule) -> tuple[WindowTotal, ...]:
        """What each region's events add to a column, by window, without the burn-in."""
        if not self._files.tracks:
            return ()
        rows = self._read(marks.window_totals(plan, span, column, (schedule, self._files.tracks)))
        return tuple(WindowTotal(region, int(window), float(total)) for region, window, total in rows)

    def counts_by(self, plan: Plan, span: Span, mark: Mark) -> dict[str, dict[str, int]]:
        """Units per mark and arm."""
        found: dict[str, dict[str, int]] = {}
        if self._files.exposures:
            for arm, told, units in self._read(marks.counts_by_mark(self._units(plan, span), mark)):
                found.setdefault(told, {})[arm] = units
        return dict(sorted(found.items()))

    def counts_by_attribute(self, plan: Plan, span: Span) -> dict[str, dict[str, dict[str, int]]]:
        """Units per attribute on the first exposure, value and arm; of attributes with few values."""
        found: dict[str, dict[str, dict[str, int]]] = {}
        if self._files.exposures:
            rows = self._read(marks.counts_by_attribute(self._units(plan, span), MOST_VALUES))
            for name, value, arm, units in rows:
                found.setdefault(name, {}).setdefault(value, {})[arm] = units
        return found

    def stages(self, plan: Plan, span: Span) -> tuple[StageCount, ...]:
        """How many units came how far, by the arm they met first, in the plan's order."""
        if not self._files.exposures:
            return ()
        rows = {row[0]: row for row in self._read(marks.counts_by_stage(self._units(plan, span)))}
        return tuple(StageCount(arm, *map(int, rows[arm][1:])) for arm in plan.arms if arm in rows)

    def counts(self, plan: Plan, span: Span) -> tuple[DayCount, ...]:
        """Units by arm and day of first exposure, in order of days."""
        if not self._files.exposures:
            return ()
        rows = self._run(query.counts_query(plan, span, exposures=self._files.exposures))
        return tuple(DayCount(_date(day), arm, units, int(crossed)) for arm, day, units, crossed in rows)

    def strangers(self, plan: Plan, span: Span) -> dict[str, int]:
        """Units exposed to variants that the design does not have, by variant."""
        if not self._files.exposures:
            return {}
        return dict(self._run(query.strangers_query(plan, span, exposures=self._files.exposures)))

    def unjoinable(self, plan: Plan, span: Span) -> tuple[UnjoinableEvents, ...]:
        """By event name, what cannot be joined to units of the experiment's type."""
        if not self._files.tracks or not plan.events:
            return ()
        rows = self._run(query.unjoinable_query(plan, span, tracks=self._files.tracks))
        return tuple(UnjoinableEvents(event, events, events - ours) for event, events, ours in rows)

    def _units(self, plan: Plan, span: Span) -> Units:
        return Units(plan, span, self._files.exposures)

    def _marked(self, plan: Plan, span: Span, pivots: Mapping[str, float], mark: Mark | None) -> list[tuple]:  # type: ignore[type-arg]  # columns differ by query
        source = query.raw_source(plan, span, exposures=self._files.exposures, tracks=self._files.tracks)
        units = units_query(plan.columns, source).sql(dialect="duckdb")
        shifts = [pivots.get(name, 0.0) for name in plan.names]
        return self._read(marks.marked_sums(units, self._units(plan, span), shifts, mark))

    def _read(self, statement: str) -> list[tuple]:  # type: ignore[type-arg]  # as above
        rows: list[tuple] = self._database.execute(statement).fetchall()  # type: ignore[type-arg]  # as above
        return rows

    def _run(self, statement: exp.Select) -> list[tuple]:  # type: ignore[type-arg]  # columns differ by query
        rows: list[tuple] = self._database.execute(statement.sql(dialect="duckdb")).fetchall()  # type: ignore[type-arg]  # as above
        return rows


def pivots_for(plan: Plan, arms: Mapping[str, ArmMoments]) -> dict[str, float]:
    """A constant near the mean for columns whose mean is so far from 0 that squares would lose digits."""
    pivots: dict[str, float] = {}
    for place, name in enumerate(plan.names):
        for arm in arms.values():
            mean, n = float(arm.moments.means[place]), arm.moments.n
            deviation = float(np.sqrt(arm.moments.comoments[place, place] / n)) if n else 0.0
            if abs(mean) > PIVOT_WHEN_MEAN_EXCEEDS_DEVIATIONS * deviation and mean != 0:
                pivots[name] = float(round(mean))
    return pivots


def day_end(day: date) -> datetime:
    """The instant at which a UTC day is closed."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)


def _date(day: date | datetime) -> date:
    return day.date() if isinstance(day, datetime) else day


def _arm(plan: Plan, pivots: Mapping[str, float], row: Sequence[float]) -> ArmMoments:
    names = plan.names
    k = len(names)
    n, crossed, numbers = int(row[1]), int(row[2]), row[3:]
    products = np.zeros((k, k))
    for value, (one, other) in zip(
        numbers[k : k + k * (k + 1) // 2], combinations_with_replacement(range(k), 2), strict=True
    ):
        products[one, other] = products[other, one] = value
    shift = [pivots.get(name, 0.0) for name in names]
    moments = stats.Moments.from_shifted_sums(names, n, shift=shift, sums=numbers[:k], products=products)
    return ArmMoments(moments, crossed, dict(zip(names, map(float, numbers[-k:]), strict=True)))
