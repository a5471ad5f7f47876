"""What events say of exposed units besides their numbers: silent, restless, left out, without a value.

Writes DuckDB's SQL over the store's files; executes nothing.
"""

# ruff: noqa: S608  # every text that comes from outside is quoted by SQLGlot

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from equipoise_server.analysis.dialects.engines import DuckDb
from equipoise_server.analysis.dialects.measures import measure_of
from equipoise_server.analysis.dialects.raw import matches, value_of
from equipoise_server.analysis.marks import Units, firsts, in_files, instant, quoted, text_of
from equipoise_server.analysis.plan import Column, Plan, Span
from equipoise_server.analysis.query import Events
from equipoise_server.analysis.traffic_values import Operator, TrafficRule, TrafficTest

EARLIER = timedelta(days=14)
"""How long before the start a metric's values are looked at."""
_FIGURES = {
    TrafficTest.EVENTS_PER_HOUR: "busy.per_hour",
    TrafficTest.EVENTS_PER_DAY: "busy.per_day",
    TrafficTest.HOURS_PER_DAY: "busy.hours",
}


def units_by_rule(of: Units, tracks: Sequence[Path], rules: Sequence[TrafficRule]) -> str:
    """(unit, arm, r0, r1, …): the units for which some rule holds, and which rules do."""
    held = [f"COALESCE({_holds(rule)}, FALSE) AS r{place}" for place, rule in enumerate(rules)]
    any_rule = " OR ".join(f"judged.r{place}" for place in range(len(rules)))
    busy = _busy(of, tracks) if tracks else _nobody()
    return (
        f"SELECT judged.* FROM (SELECT firsts.unit, firsts.arm, {', '.join(held)} "
        f"FROM ({firsts(of)}) AS firsts LEFT JOIN ({busy}) AS busy "
        f"ON busy.unit = firsts.unit) AS judged WHERE {any_rule}"
    )


def silent_units(of: Units, tracks: Sequence[Path]) -> str:
    """(arm, units exposed, units without any event since their exposure)."""
    last = (
        f"SELECT track.unit, MAX(track.derived_at) AS at FROM {in_files(tracks)} AS track "
        f"WHERE {_in_time(of.plan, of.span)} GROUP BY 1"
    )
    return (
        "SELECT firsts.arm, COUNT(*), COUNT(*) FILTER (WHERE last.at IS NULL OR last.at < firsts.derived_at) "
        f"FROM ({firsts(of)}) AS firsts LEFT JOIN ({last}) AS last ON last.unit = firsts.unit GROUP BY 1"
    )


def valued_units(plan: Plan, span: Span, column: Column, tracks: Sequence[Path]) -> str:
    """(is since the start, units with the column's event, of them with a value in one of them)."""
    measure = measure_of(column)
    value = value_of(DuckDb(), measure.value_of).sql(dialect="duckdb")
    wanted = " AND ".join(one.sql(dialect="duckdb") for one in matches(DuckDb(), measure.where)) or "TRUE"
    return (
        f"SELECT track.derived_at >= {instant(plan.since)}, COUNT(DISTINCT track.unit), "
        f"COUNT(DISTINCT track.unit) FILTER (WHERE {value} IS NOT NULL) FROM {in_files(tracks)} AS track "
        f"WHERE {_in_time(plan, span, EARLIER)} AND track.name = {quoted(measure.event)} "
        f"AND {wanted} GROUP BY 1"
    )


def known_units(of: Units, everybody: Events, tracks: Sequence[Path], *, one_in: int) -> str:
    """(unit, arm it met first or NULL, triggered): units that sent anything, one in so many of them."""
    plan = of.plan
    kinds: tuple[Events, ...] = (everybody, tracks) if tracks else (everybody,)
    seen = [
        f"SELECT track.unit FROM {in_files(files)} AS track WHERE {_in_time(plan, of.span)}"
        for files in kinds
    ]
    return (
        "SELECT known.unit, firsts.arm, COALESCE(firsts.triggered, FALSE) "
        f"FROM ({' UNION '.join(seen)}) AS known LEFT JOIN ({firsts(of)}) AS firsts "
        "ON firsts.unit = known.unit "
        f"WHERE CAST('0x' || SUBSTR(MD5(known.unit), 1, 7) AS INTEGER) % {one_in} = 0"
    )


def known_units_about(plan: Plan, span: Span, files: Events) -> str:
    """(units, more or less)."""
    return (
        f"SELECT APPROX_COUNT_DISTINCT(track.unit) FROM {in_files(files)} AS track "
        f"WHERE {_in_time(plan, span)}"
    )


def _holds(rule: TrafficRule) -> str:
    if rule.test is not TrafficTest.ATTRIBUTE:
        return f"{_FIGURES[rule.test]} > {int(rule.most or 0)}"
    text = text_of(rule.attribute)
    if rule.operator is Operator.IS:
        return f"{text} IN ({', '.join(quoted(value) for value in rule.values)})"
    lowered = [quoted(value.lower()) for value in rule.values]
    called = {Operator.CONTAINS: "CONTAINS", Operator.STARTS: "STARTS_WITH", Operator.ENDS: "ENDS_WITH"}
    return " OR ".join(f"{called[rule.operator]}(LOWER({text}), {value})" for value in lowered)


def _busy(of: Units, tracks: Sequence[Path]) -> str:
    """(unit, its most events in an hour, on a day, and hours of a day with events), since the start."""
    return (
        "SELECT days.unit, MAX(days.per_hour) AS per_hour, MAX(days.events) AS per_day, "
        "MAX(days.hours) AS hours FROM (SELECT hours.unit, DATE_TRUNC('day', hours.hour) AS day, "
        "SUM(hours.events) AS events, COUNT(*) AS hours, MAX(hours.events) AS per_hour "
        "FROM (SELECT track.unit, DATE_TRUNC('hour', track.derived_at) AS hour, "
        "COUNT(DISTINCT track.id) AS events "
        f"FROM {in_files(tracks)} AS track WHERE {_in_time(of.plan, of.span)} GROUP BY 1, 2) AS hours "
        "GROUP BY 1, 2) AS days GROUP BY 1"
    )


def _nobody() -> str:
    return "SELECT NULL AS unit, NULL AS per_hour, NULL AS per_day, NULL AS hours WHERE FALSE"


def _in_time(plan: Plan, span: Span, earlier: timedelta = timedelta(0)) -> str:
    return (
        f"track.unit_type = {quoted(plan.unit_type)} AND track.derived_at >= {instant(plan.since - earlier)} "
        f"AND track.derived_at < {instant(span.until)} AND NOT track.is_early"
    )
