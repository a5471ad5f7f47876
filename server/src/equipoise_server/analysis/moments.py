"""Runs the plan's statement on in-memory DuckDB over pinned files and hands out moments per arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import combinations_with_replacement
from pathlib import Path

import duckdb
import numpy as np
from sqlglot import exp

import equipoise_stats as stats
from equipoise_server.analysis import marks, query, unit_signs
from equipoise_server.analysis.columns import Quantile
from equipoise_server.analysis.dialects.engines import DuckDb, written
from equipoise_server.analysis.dialects.spreads import histogram_query
from equipoise_server.analysis.dialects.units import units_query
from equipoise_server.analysis.marks import Mark, Units
from equipoise_server.analysis.metering import fetched, metered
from equipoise_server.analysis.plan import Column, Plan, Span
from equipoise_server.analysis.query import Events, View
from equipoise_server.analysis.traffic_values import SUSPICIOUS, TrafficFilter
from equipoise_server.experiments.values import Schedule

PIVOT_WHEN_MEAN_EXCEEDS_DEVIATIONS = 100.0
MOST_VALUES = 50
"""An attribute with more different values than these names units rather than kinds of them."""
MOST_KNOWN = 200_000
"""So many known units are looked at one by one; of more, a share."""


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
class LeftOutUnits:
    """Units of one arm that a traffic filter took away: in all, and by rule in the filter's order."""

    arm: str
    units: int
    by_rule: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class KnownUnit:
    """A unit that sent something: the arm that it met first, if any, and whether it triggered."""

    unit: str
    arm: str | None
    is_triggered: bool


@dataclass(frozen=True, slots=True)
class WindowTotal:
    """What a region's events add in one window of a switchback, counted from 0."""

    region: str
    window: int
    total: float


class Warehouse:
    """An in-memory DuckDB over pinned files; the only place of this room that executes a query."""

    def __init__(self, files: Files, traffic: TrafficFilter | None = None) -> None:
        self._files = files
        self._traffic = traffic
        self._kept: dict[tuple[str, int, datetime], str] = {}
        # One thread: the same files give the same bits, whatever else the machine does.
        self._database = metered(duckdb.connect(":memory:", config={"threads": 1}))

    def interrupt(self) -> None:
        """End the query under way, from another thread."""
        self._database.interrupt()

    def close(self) -> None:
        """Give the memory back."""
        self._database.close()

    def moments(self, plan: Plan, span: Span, pivots: Mapping[str, float]) -> dict[str, ArmMoments]:
        """Moments per arm that has units."""
        if not self._files.exposures:
            return {}
        if plan.attributes:
            return {row[0]: _arm(plan, pivots, row) for row in self._marked(plan, span, pivots, None)}
        exposures = self._exposures(plan, span)
        statement = query.moments_query(
            plan, span, exposures=exposures, tracks=self._files.tracks, pivots=pivots
        )
        return {row[0]: _arm(plan, pivots, row) for row in self._run(statement)}

    def raw_moments(self, plan: Plan, span: Span, columns: Sequence[Column]) -> dict[str, ArmMoments]:
        """Moments of other columns than the plan's, from raw events."""
        asked = replace(plan, columns=tuple(columns), attributes=())
        return Warehouse.moments(self, asked, span, {})

    def histogram(self, plan: Plan, span: Span, quantile: Quantile) -> dict[str, dict[int, int]]:
        """By arm, how many values each bin holds, in order of bins; from raw events."""
        if not self._files.exposures:
            return {}
        exposures = self._exposures(plan, span)
        source = query.raw_source(plan, span, exposures=exposures, tracks=self._files.tracks)
        found: dict[str, dict[int, int]] = {}
        for arm, bin_, values in sorted(self._read(written(histogram_query(quantile, source), DuckDb()))):
            found.setdefault(arm, {})[bin_] = values
        return found

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
        return self._counted(plan, span, self._exposures(plan, span))

    def counts_before_filter(self, plan: Plan, span: Span) -> tuple[DayCount, ...]:
        """The same of everybody, whoever the traffic filter leaves out."""
        return self._counted(plan, span, self._files.exposures)

    def left_out(self, plan: Plan, span: Span) -> tuple[LeftOutUnits, ...]:
        """What the traffic filter took away, by arm, of arms that lost somebody."""
        if self._traffic is None or not self._files.exposures:
            return ()
        rules = "".join(f", SUM(gone.r{place}::INTEGER)" for place in range(len(self._traffic.rules)))
        gone = self._left_out_table(plan, span)
        rows = self._read(f"SELECT gone.arm, COUNT(*){rules} FROM {gone} AS gone GROUP BY 1")  # noqa: S608  # our own names
        found = {arm: LeftOutUnits(arm, units, tuple(map(int, held))) for arm, units, *held in rows}
        return tuple(found[arm] for arm in plan.arms if arm in found)

    def suspicious(self, plan: Plan, span: Span) -> dict[str, int]:
        """Units per arm that behave as no person does."""
        if not self._files.exposures:
            return {}
        found = unit_signs.units_by_rule(self._units(plan, span), self._files.tracks, SUSPICIOUS)
        return dict(self._read(f"SELECT odd.arm, COUNT(*) FROM ({found}) AS odd GROUP BY 1"))  # noqa: S608  # as above

    def silent(self, plan: Plan, span: Span) -> dict[str, tuple[int, int]]:
        """Units per arm, and of them those without any event since their exposure."""
        if not self._files.exposures or not self._files.tracks:
            return {}
        rows = self._read(unit_signs.silent_units(self._units(plan, span), self._files.tracks))
        return {arm: (units, silent) for arm, units, silent in rows}

    def valued(self, plan: Plan, span: Span, column: Column) -> dict[bool, tuple[int, int]]:
        """Units with a column's event before the start (False) and since; and of them those with a value."""
        if not self._files.tracks:
            return {}
        rows = self._read(unit_signs.valued_units(plan, span, column, self._files.tracks))
        return {is_since: (units, valued) for is_since, units, valued in rows}

    def known(self, plan: Plan, span: Span) -> tuple[tuple[KnownUnit, ...], int]:
        """Units that sent anything since the start, or one in so many of them."""
        if not self._files.exposures:
            return (), 1
        exposures, tracks = self._exposures(plan, span), self._files.tracks
        files: tuple[Events, ...] = (exposures, tracks) if tracks else (exposures,)
        about = max(self._read(unit_signs.known_units_about(plan, span, kind))[0][0] for kind in files)
        one_in = 1 + about // MOST_KNOWN
        statement = unit_signs.known_units(self._units(plan, span), exposures, tracks, one_in=one_in)
        return tuple(KnownUnit(*row) for row in self._read(statement)), one_in

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
        return Units(plan, span, self._exposures(plan, span))

    def _counted(self, plan: Plan, span: Span, exposures: Events) -> tuple[DayCount, ...]:
        if not self._files.exposures:
            return ()
        rows = self._run(query.counts_query(plan, span, exposures=exposures))
        return tuple(DayCount(_date(day), arm, units, int(crossed)) for arm, day, units, crossed in rows)

    def _exposures(self, plan: Plan, span: Span) -> Events:
        """The exposures, without those of units that the traffic filter leaves out."""
        if self._traffic is None or not self._files.exposures:
            return self._files.exposures
        return View(self._left_out_table(plan, span).replace("left_out", "kept"))

    def _left_out_table(self, plan: Plan, span: Span) -> str:
        """By what was known at the span's end, so that a look says the same whenever it is taken."""
        assert self._traffic is not None, "asked for with a filter alone"
        key = plan.experiment, plan.iteration, span.until
        if key not in self._kept:
            number, everybody = len(self._kept), replace(span, exposed_before=span.until)
            of = Units(plan, everybody, self._files.exposures)
            found = unit_signs.units_by_rule(of, self._files.tracks, self._traffic.rules)
            self._database.execute(f"CREATE TABLE left_out_{number} AS {found}")
            self._database.execute(marks.without_units(of, f"kept_{number}", f"left_out_{number}"))
            self._kept[key] = f"left_out_{number}"
        return self._kept[key]

    def _marked(self, plan: Plan, span: Span, pivots: Mapping[str, float], mark: Mark | None) -> list[tuple]:  # type: ignore[type-arg]  # columns differ by query
        source = query.raw_source(
            plan, span, exposures=self._exposures(plan, span), tracks=self._files.tracks
        )
        units = units_query(plan.columns, source).sql(dialect="duckdb")
        shifts = [pivots.get(name, 0.0) for name in plan.names]
        return self._read(marks.marked_sums(units, self._units(plan, span), shifts, mark))

    def _read(self, statement: str) -> list[tuple]:  # type: ignore[type-arg]  # as above
        return fetched(self._database, statement)

    def _run(self, statement: exp.Select) -> list[tuple]:  # type: ignore[type-arg]  # columns differ by query
        return fetched(self._database, statement.sql(dialect="duckdb"))


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
