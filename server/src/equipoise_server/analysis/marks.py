"""What a unit's exposures say of it besides its arm: attributes, days, triggers, another experiment's arm.

Writes DuckDB's SQL over the store's files; executes nothing. A mark is a text per unit.
"""

# ruff: noqa: S608  # every text that comes from outside is quoted by SQLGlot

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import combinations_with_replacement
from pathlib import Path

from sqlglot import exp

from equipoise_server.analysis.dialects.engines import DuckDb
from equipoise_server.analysis.dialects.measures import measure_of
from equipoise_server.analysis.dialects.raw import added
from equipoise_server.analysis.dialects.sql import micros
from equipoise_server.analysis.dialects.units import y
from equipoise_server.analysis.plan import Column, Plan, Span
from equipoise_server.analysis.query import Events, View
from equipoise_server.events.values import LARGEST_VALUE
from equipoise_server.experiments.values import Schedule

NOT_GIVEN = "not given"
_NUMBERS = "('BIGINT', 'UBIGINT', 'HUGEINT', 'DOUBLE')"


class MarkKind(StrEnum):
    """By what units are told apart."""

    ATTRIBUTE = "attribute"
    """The text of an attribute on the first exposure."""
    DAY = "day"
    """The UTC day of the first exposure."""
    EPOCH = "epoch"
    """Between which two instants the first exposure lies, counted from 0."""
    TRIGGERED = "triggered"
    """`yes` when some exposure says that another arm would have looked different."""
    CLUSTER = "cluster"
    """The cluster on the first exposure."""
    OTHER_ARM = "other_arm"
    """The arm that the unit first met in another experiment; units that met none are left out."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One way to tell units apart. `name` is an attribute, or another experiment's key."""

    kind: MarkKind
    name: str = ""
    iteration: int = 0
    instants: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class Units:
    """The exposures of one iteration, as files or as a view of them."""

    plan: Plan
    span: Span
    exposures: Events


def marked_sums(units_sql: str, of: Units, pivots: Sequence[float], mark: Mark | None) -> str:
    """Per arm (and mark): units, crossed units, sums, products and largest values of all columns."""
    numbers = [f"units.{y(place)}" for place in range(len(of.plan.columns))]
    numbers += [f"marks.{x}" for x in _attribute_names(of.plan)]
    shifted = [f"({one} - {_number(pivot)})" for one, pivot in zip(numbers, pivots, strict=True)]
    sums = [f"SUM({one})" for one in shifted]
    products = [f"SUM({one} * {other})" for one, other in combinations_with_replacement(shifted, 2)]
    largest = [f"MAX({one})" for one in numbers]
    by = "units.arm" if mark is None else "units.arm, marks.mark"
    figures = ", ".join((by, "COUNT(*)", "SUM(units.is_crossed)", *sums, *products, *largest))
    return (
        f"WITH units AS ({units_sql}), marks AS ({_marks(of, mark)}) "
        f"SELECT {figures} FROM units JOIN marks ON marks.unit = units.unit GROUP BY {by}"
    )


def counts_by_mark(of: Units, mark: Mark) -> str:
    """(arm, mark, units) over first exposures."""
    return f"SELECT marks.arm, marks.mark, COUNT(*) FROM ({_marks(of, mark)}) AS marks GROUP BY 1, 2"


def counts_by_attribute(of: Units, most_values: int) -> str:
    """(attribute, value, arm, units) of every attribute that has few values."""
    value = "json_extract_string(keyed.properties, '$.\"' || replace(keyed.name, '\"', '') || '\"')"
    return (
        f"WITH firsts AS ({firsts(of)}), keyed AS (SELECT firsts.arm, firsts.properties, "
        "UNNEST(json_keys(firsts.properties)) AS name FROM firsts WHERE firsts.properties IS NOT NULL), "
        f"given AS (SELECT keyed.arm, keyed.name, COALESCE({value}, '{NOT_GIVEN}') AS value FROM keyed), "
        "few AS (SELECT given.name FROM given GROUP BY 1 "
        f"HAVING COUNT(DISTINCT given.value) BETWEEN 2 AND {most_values}) "
        "SELECT given.name, given.value, given.arm, COUNT(*) FROM given "
        "SEMI JOIN few ON few.name = given.name GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    )


def window_totals(plan: Plan, span: Span, column: Column, of: tuple[Schedule, tuple[Path, ...]]) -> str:
    """(region, window, total): what each region's events add, by window, without the burn-in."""
    schedule, tracks = of
    begin, width = micros(schedule.starts_at), schedule.window_seconds * 1_000_000
    since = f"(epoch_us(track.derived_at) - {begin})"
    amount = added(DuckDb(), measure_of(column)).sql(dialect="duckdb")
    return (
        f"SELECT track.unit, {since} // {width}, SUM({amount}) FROM {in_files(tracks)} AS track "
        f"WHERE track.unit_type = {quoted(plan.unit_type)} AND track.name = {quoted(column.fact.event)} "
        f"AND {since} >= 0 AND track.derived_at < {instant(span.until)} AND NOT track.is_early "
        f"AND {since} % {width} >= {schedule.burn_in_seconds * 1_000_000} "
        f"GROUP BY 1, 2 HAVING SUM({amount}) IS NOT NULL"
    )


def clusters_by_day(of: Units) -> str:
    """(arm, day, clusters): each cluster under the arm and on the day that it was first seen."""
    return (
        f"WITH firsts AS ({firsts(of)}), clusters AS (SELECT firsts.cluster, "
        "MIN_BY(firsts.arm, firsts.derived_at) AS arm, MIN(firsts.derived_at) AS seen_at "
        "FROM firsts WHERE firsts.cluster IS NOT NULL GROUP BY 1) "
        "SELECT clusters.arm, DATE_TRUNC('day', clusters.seen_at), COUNT(*) FROM clusters "
        "GROUP BY 1, 2 ORDER BY 2, 1"
    )


def counts_by_stage(of: Units) -> str:
    """(arm, units exposed, kept in one arm, triggered, exposures) per arm."""
    return (
        f"WITH seen AS ({_seen(of)}), units AS (SELECT seen.unit, ANY_VALUE(seen.first_arm) AS arm, "
        "COUNT(DISTINCT seen.arm) AS arms, BOOL_OR(COALESCE(seen.differs, FALSE)) AS triggered, "
        "COUNT(*) AS exposures FROM seen GROUP BY 1) "
        "SELECT units.arm, COUNT(*), COUNT_IF(units.arms = 1), COUNT_IF(units.triggered), "
        "SUM(units.exposures) FROM units GROUP BY 1"
    )


def _attribute_names(plan: Plan) -> list[str]:
    return [f"x{place}" for place in range(2 * len(plan.attributes))]


def without_units(of: Units, view: str, left_out: str) -> str:
    """Makes a view of all exposures but those of the units in a table."""
    return (
        f"CREATE VIEW {view} AS SELECT e.* FROM {in_files(of.exposures)} AS e ANTI JOIN {left_out} AS o "
        f"ON o.unit = e.unit AND e.unit_type = {quoted(of.plan.unit_type)}"
    )


def _marks(of: Units, mark: Mark | None) -> str:
    """(unit, arm, mark, x0 …): one row per unit of the first exposures that have a mark."""
    numbers = "".join(f", {value} AS {name}" for value, name in _attribute_values(of.plan))
    told, join = "''", ""
    if mark is not None:
        told = _told(mark)
    if mark is not None and mark.kind is MarkKind.OTHER_ARM:
        join = f" JOIN ({_others(of, mark)}) AS other ON other.unit = firsts.unit"
    return (
        f"SELECT firsts.unit, firsts.arm, {told} AS mark{numbers} "
        f"FROM ({firsts(of)}) AS firsts{join} WHERE {told} IS NOT NULL"
    )


def _told(mark: Mark) -> str:
    match mark.kind:
        case MarkKind.ATTRIBUTE:
            return f"COALESCE({text_of(mark.name)}, '{NOT_GIVEN}')"
        case MarkKind.DAY:
            return "strftime(firsts.derived_at, '%Y-%m-%d')"
        case MarkKind.EPOCH:
            return _epoch(mark.instants)
        case MarkKind.TRIGGERED:
            return "CASE WHEN firsts.triggered THEN 'yes' ELSE 'no' END"
        case MarkKind.CLUSTER:
            return "firsts.cluster"
        case MarkKind.OTHER_ARM:
            return "other.arm"


def _epoch(instants: Sequence[datetime]) -> str:
    passed = [f"CAST(firsts.derived_at >= {instant(at)} AS INTEGER)" for at in instants]
    return f"CAST({' + '.join(passed) or '0'} AS VARCHAR)"


def _attribute_values(plan: Plan) -> list[tuple[str, str]]:
    found = []
    for attribute in plan.attributes:
        pointer = quoted(_pointer(attribute))
        kind, text = f"json_type(firsts.properties, {pointer})", text_of(attribute)
        number = (
            f"CASE WHEN {kind} IN {_NUMBERS} AND ABS(TRY_CAST({text} AS DOUBLE)) <= {_number(LARGEST_VALUE)} "
            f"THEN TRY_CAST({text} AS DOUBLE) "
            f"WHEN {kind} = 'BOOLEAN' THEN CASE {text} WHEN 'true' THEN 1.0 ELSE 0.0 END END"
        )
        missing = f"CASE WHEN ({number}) IS NULL THEN 1.0 ELSE 0.0 END"
        found += [f"COALESCE({number}, 0.0)", missing]
    return list(zip(found, _attribute_names(plan), strict=True))


def firsts(of: Units) -> str:
    """The exposure by which each unit entered, with its place among the unit's and whether it triggered."""
    before = instant(of.span.exposed_before)
    return f"SELECT seen.* FROM ({_seen(of)}) AS seen WHERE seen.place = 1 AND seen.derived_at < {before}"


def _seen(of: Units) -> str:
    """The iteration's exposures to its arms, in the order of each unit."""
    plan = of.plan
    arms = ", ".join(quoted(arm) for arm in plan.arms)
    order = "PARTITION BY e.unit ORDER BY e.derived_at, e.id"
    return (
        "SELECT e.*, e.variant AS arm, "
        f"ROW_NUMBER() OVER ({order}) AS place, FIRST_VALUE(e.variant) OVER ({order}) AS first_arm, "
        "BOOL_OR(COALESCE(e.differs, FALSE)) OVER (PARTITION BY e.unit) AS triggered "
        f"FROM {in_files(of.exposures)} AS e WHERE e.experiment = {quoted(plan.experiment)} "
        f"AND e.iteration = {plan.iteration} AND e.unit_type = {quoted(plan.unit_type)} "
        f"AND e.variant IN ({arms}) AND {_in_time(plan.since, of.span)}"
    )


def _others(of: Units, mark: Mark) -> str:
    """(unit, arm): the first exposure of each unit in another experiment's iteration."""
    return (
        "SELECT o.unit, MIN_BY(o.variant, o.derived_at) AS arm "
        f"FROM {in_files(of.exposures)} AS o WHERE o.experiment = {quoted(mark.name)} "
        f"AND o.iteration = {mark.iteration} AND o.unit_type = {quoted(of.plan.unit_type)} "
        f"AND o.derived_at < {instant(of.span.until)} AND NOT o.is_early GROUP BY 1"
    )


def _in_time(since: datetime, span: Span) -> str:
    return f"e.derived_at >= {instant(since)} AND e.derived_at < {instant(span.until)} AND NOT e.is_early"


def in_files(paths: Events) -> str:
    """Event files, or what is left of them, as a table."""
    if isinstance(paths, View):
        return paths.name
    return f"read_parquet([{', '.join(quoted(str(path)) for path in paths)}], union_by_name = true)"


def text_of(attribute: str) -> str:
    """An attribute on a first exposure, as text."""
    return f"json_extract_string(firsts.properties, {quoted(_pointer(attribute))})"


def _pointer(key: str) -> str:
    """A JSON pointer to a member (RFC 6901)."""
    return "/" + key.replace("~", "~0").replace("/", "~1")


def instant(at: datetime) -> str:
    """An instant as the store keeps it: UTC without a zone."""
    return f"CAST({quoted(at.astimezone(UTC).replace(tzinfo=None).isoformat(' '))} AS TIMESTAMP)"


def _number(value: float) -> str:
    return f"CAST('{float(value)!r}' AS DOUBLE)"


def quoted(value: str) -> str:
    """A text as SQL."""
    return exp.Literal.string(value).sql(dialect="duckdb")
