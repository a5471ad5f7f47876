"""From a plan to SQL, as SQLGlot expressions in one plain subset. Executes nothing.

Stages of counts: exposures seen → first exposure of each unit → units per arm and day.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlglot import exp

from equipoise_server.analysis.dialects.engines import DuckDb
from equipoise_server.analysis.dialects.raw import RawSource
from equipoise_server.analysis.dialects.units import sums_query
from equipoise_server.analysis.plan import Plan, Span


@dataclass(frozen=True, slots=True)
class View:
    """A relation of the database that has an event file's columns: what a traffic filter left of them."""

    name: str


Events = Sequence[Path] | View


def moments_query(
    plan: Plan, span: Span, *, exposures: Events, tracks: Sequence[Path], pivots: Mapping[str, float]
) -> exp.Select:
    """One row per arm: units, crossed units, and for all columns sums, products and largest values."""
    return sums_query(plan.columns, raw_source(plan, span, exposures=exposures, tracks=tracks), pivots)


def raw_source(plan: Plan, span: Span, *, exposures: Events, tracks: Sequence[Path]) -> RawSource:
    """The store's files as the source of every column."""
    return RawSource(DuckDb(), plan, span, _read(exposures, "exposure"), tracks_of(tracks))


def counts_query(plan: Plan, span: Span, *, exposures: Events) -> exp.Select:
    """One row per arm and day of first exposure: units and crossed units."""
    day = exp.func("DATE_TRUNC", exp.Literal.string("day"), exp.column("first_at", table="firsts"))
    return (
        exp.select(
            exp.column("arm", table="firsts"),
            exp.alias_(day, "first_day"),
            exp.Count(this=exp.Star()),
            exp.func("SUM", exp.column("is_crossed", table="firsts")),
        )
        .from_("firsts")
        .group_by("1", "2")
        .order_by("2", "1")
        .with_("seen", as_=_seen(plan, span, exposures))
        .with_("firsts", as_=_firsts(span))
    )


def strangers_query(plan: Plan, span: Span, *, exposures: Events) -> exp.Select:
    """Exposures that cannot be analysed, by variant: units of arms that the design does not have."""
    return (
        exp.select(
            exp.column("variant", table="seen"),
            exp.Count(this=exp.Distinct(expressions=[exp.column("unit", table="seen")])),
        )
        .from_("seen")
        .where(exp.column("variant", table="seen").isin(*plan.arms).not_())
        .group_by("1")
        .order_by("1")
        .with_("seen", as_=_exposures(plan, span, exposures))
    )


def unjoinable_query(plan: Plan, span: Span, *, tracks: Sequence[Path]) -> exp.Select:
    """Per event name: how many events there are, and how many carry an id of the plan's unit type."""
    track = _table("track")
    every, ours = track("id"), exp.case().when(track("unit_type").eq(plan.unit_type), track("id"))
    return (
        exp.select(
            track("name"),
            exp.Count(this=exp.Distinct(expressions=[every])),
            exp.Count(this=exp.Distinct(expressions=[ours])),
        )
        .from_(tracks_of(tracks))
        .where(track("name").isin(*plan.events), *_between(track, plan.since, span.until))
        .group_by("1")
        .order_by("1")
    )


def _exposures(plan: Plan, span: Span, paths: Events) -> exp.Select:
    """The iteration's exposures in time; what claims to come from the future is left out."""
    exposure = _table("exposure")
    return (
        exp.select(exposure("unit"), exposure("variant"), exposure("derived_at"), exposure("id"))
        .from_(_read(paths, "exposure"))
        .where(
            exposure("experiment").eq(plan.experiment),
            exposure("iteration").eq(plan.iteration),
            exposure("unit_type").eq(plan.unit_type),
            *_between(exposure, plan.since, span.until),
        )
    )


def _seen(plan: Plan, span: Span, paths: Events) -> exp.Select:
    """Each exposure to an arm, its place in the unit's history, and whether the unit met several arms."""
    found = exp.to_identifier("exposures")
    column = _table("exposures")
    by_unit = {"partition_by": [column("unit")]}
    in_order = exp.Order(expressions=[exp.Ordered(this=column("derived_at")), exp.Ordered(this=column("id"))])
    crossed = exp.NEQ(
        this=exp.Window(this=exp.func("MIN", column("variant")), **by_unit),
        expression=exp.Window(this=exp.func("MAX", column("variant")), **by_unit),
    )
    return (
        exp.select(
            column("unit"),
            exp.alias_(column("variant"), "arm"),
            exp.alias_(column("derived_at"), "first_at"),
            exp.alias_(exp.Window(this=exp.RowNumber(), order=in_order, **by_unit), "place"),
            exp.alias_(exp.cast(crossed, "INT"), "is_crossed"),
        )
        .from_(exp.alias_(_exposures(plan, span, paths).subquery(), found, table=True))
        .where(column("variant").isin(*plan.arms))
    )


def _firsts(span: Span) -> exp.Select:
    """The first exposure of each unit decides its arm, whatever it met later."""
    seen = _table("seen")
    return (
        exp.select(seen("unit"), seen("arm"), seen("first_at"), seen("is_crossed"))
        .from_("seen")
        .where(seen("place").eq(1), exp.LT(this=seen("first_at"), expression=instant(span.exposed_before)))
    )


def _between(column: _Table, since: datetime, until: datetime) -> Iterator[exp.Expr]:
    yield exp.GTE(this=column("derived_at"), expression=instant(since))
    yield exp.LT(this=column("derived_at"), expression=instant(until))
    yield exp.Not(this=column("is_early"))


_EMPTY_TRACKS = {
    "id": "UUID", "unit": "VARCHAR", "unit_type": "VARCHAR", "name": "VARCHAR", "derived_at": "TIMESTAMP",
    "is_early": "BOOLEAN", "value": "DOUBLE", "properties": "VARCHAR",
}  # fmt: skip


def tracks_of(paths: Sequence[Path]) -> exp.Expr:
    """The track events; without files, none of them."""
    if paths:
        return _read(paths, "track")
    nothing = [exp.alias_(exp.cast(exp.Null(), kind), name) for name, kind in _EMPTY_TRACKS.items()]
    return exp.select(*nothing).where(exp.false()).subquery("track")


def _read(paths: Events, name: str) -> exp.Table:
    if isinstance(paths, View):
        return exp.to_table(paths.name, alias=name)
    files = exp.Array(expressions=[exp.Literal.string(str(path)) for path in paths])
    by_name = exp.PropertyEQ(this=exp.to_identifier("union_by_name"), expression=exp.true())
    rows = exp.Anonymous(this="read_parquet", expressions=[files, by_name])  # later files have more columns
    return exp.Table(this=rows, alias=exp.TableAlias(this=exp.to_identifier(name)))


def instant(at: datetime) -> exp.Expr:
    """An instant as the store keeps it: UTC without a zone."""
    return exp.cast(exp.Literal.string(at.astimezone(UTC).replace(tzinfo=None).isoformat(" ")), "TIMESTAMP")


class _Table:
    """Columns of one table: every column is qualified."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, column: str) -> exp.Column:
        return exp.column(column, table=self._name)


def _table(name: str) -> _Table:
    return _Table(name)
