"""How values spread: counts by bins that every engine draws alike, for quantiles of events and of units.

A bin is a share wide: the values within half a thousandth around a power of 1.001. No short decimal lies on
an edge, so engines whose logarithms differ in the last bit put every value into the same bin.
"""

from __future__ import annotations

import math

from sqlglot import exp

from equipoise_server.analysis.columns import Column, Quantile
from equipoise_server.analysis.dialects.measures import measure_of
from equipoise_server.analysis.dialects.sql import (
    add,
    all_of,
    col,
    from_,
    group,
    mul,
    named,
    not_null,
    number,
    select,
    where,
    within,
)
from equipoise_server.analysis.dialects.units import Source, aliased, in_window, joined, units_query, y
from equipoise_server.metrics.values import Spread

WIDTH = 1.001
"""The ratio of the two ends of a bin."""
PER_E = 1 / math.log(WIDTH)
"""Bins per factor e."""
_MIDDLE = 1_000_000
"""The bin of 1; -1 has its negative, 0 has bin 0. The smallest float is 745,000 bins below 1."""


def histogram_query(quantile: Quantile, source: Source) -> exp.Select:
    """(arm, bin, values) of what the metric ranks; bins that hold nothing are not there."""
    rows = _of_units(quantile.column, source)
    if quantile.over is Spread.EVENTS:
        rows = _of_events(quantile.column, source)
    parts = list(rows.ctes)
    rows.set("with_", None)
    query = select(col("held", "arm"), col("held", "bin"), exp.Count(this=exp.Star()))
    query = group(from_(query, aliased(rows, "held")), col("held", "arm"), col("held", "bin"))
    for part in parts:
        query.with_(part.alias, as_=part.this, copy=False)
    return query


def middle_of(bin_: int) -> float:
    """The value that stands for all of a bin: no farther from any of them than half a thousandth."""
    return _at(bin_, 0.0)


def ends_of(bin_: int) -> tuple[float, float]:
    """The smallest and the largest value that a bin may hold."""
    low, high = _at(bin_, -0.5), _at(bin_, 0.5)
    return (low, high) if bin_ >= 0 else (high, low)


def bin_of(value: float) -> int:
    """The bin of a value, as every engine finds it."""
    if value == 0:
        return 0
    place = _MIDDLE + math.floor(math.log(abs(value)) * PER_E + 0.5)
    return place if value > 0 else -place


def _at(bin_: int, off: float) -> float:
    if bin_ == 0:
        return 0.0
    size = math.exp((abs(bin_) - _MIDDLE + off) / PER_E)
    return math.copysign(size, bin_)


def _of_events(column: Column, source: Source) -> exp.Select:
    measure = measure_of(column)
    (totals,) = source.totals([measure])
    value = col("done", measure.name)
    query = select(col("done", "arm"), named(_bin(value), "bin"))
    query = from_(query, aliased(joined([column], totals.rows, held=("arm",)), "done"))
    query = where(query, all_of(not_null(value.copy()), in_window(column)))
    return within(query, "firsts", source.firsts())


def _of_units(column: Column, source: Source) -> exp.Select:
    rows = units_query([column], source)
    parts = list(rows.ctes)
    rows.set("with_", None)
    query = select(col("units", "arm"), named(_bin(col("units", y(0))), "bin"))
    query = from_(query, aliased(rows, "units"))
    for part in parts:
        query.with_(part.alias, as_=part.this, copy=False)
    return query


def _bin(value: exp.Expr) -> exp.Expr:
    """sign(v) × (middle + ⌊ln|v| × bins per e + ½⌋), and 0 for 0, whose logarithm is never asked for."""
    size = exp.Nullif(this=exp.Abs(this=value.copy()), expression=number(0.0))
    place = exp.Floor(this=exp.Paren(this=add(mul(exp.Ln(this=size), number(PER_E)), number(0.5))))
    signed = mul(exp.Sign(this=value), add(number(float(_MIDDLE)), place))
    whole = exp.Coalesce(this=signed, expressions=[number(0.0)])
    return exp.Cast(this=whole, to=exp.DataType.build("BIGINT"))
