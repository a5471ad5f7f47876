"""What a source holds, for people: a few rows, how much of late, how numbers spread, what that cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from math import isfinite
from time import perf_counter

from sqlglot import exp

from equipoise_server.sources import entries
from equipoise_server.sources.sessions import Session, opened
from equipoise_server.sources.statements import (
    RECENT_DAYS,
    column_names,
    rows_between,
    sample,
    spread,
    summary,
)
from equipoise_server.sources.values import (
    Between,
    ColumnType,
    Connection,
    Cost,
    Distribution,
    Estimate,
    Preview,
    Recent,
    Sample,
    Source,
    unusable,
)

MOST_SPREADS = 6
LONGEST_CELL = 40
Values = Callable[[exp.Query], exp.Query]
"""From the rows of a source, with its columns as c0, c1, …, the numbers in a column `number`."""


def connection_of(source: Source) -> Connection:
    """The source's connection, unless it was archived."""
    connection = entries.connection_by_key(source.project_id, source.shape.connection)
    if connection.archived_at is not None:
        told = f"its connection “{connection.key}” is archived; name another in the source."
        raise unusable(source.ref, "connection", told)
    return connection


def usual_unit_type(source: Source) -> str:
    """The unit type that a preview counts by."""
    return next(iter(source.shape.units))


def estimate_source(source: Source, *, now: datetime) -> Estimate | None:
    """What the engine expects a reading of the last weeks to cost; None where it does not say."""
    connection = connection_of(source)
    with opened(connection, source=source.ref) as session:
        return session.estimate(_recent_rows(source, connection, now))


def preview_source(source: Source, *, now: datetime) -> Preview:
    """A look at the last weeks of a source, each of its first numbers spread out."""
    numbers = [name for name in column_names(source.shape) if _is_number(source, name)][:MOST_SPREADS]
    places = column_names(source.shape)
    wanted = {name: _column(places.index(name)) for name in numbers}
    return preview_rows(source, wanted, now=now)


def preview_rows(source: Source, wanted: dict[str, Values], *, now: datetime) -> Preview:
    """A look at the last weeks of a source, and at the numbers that are wanted of it."""
    connection = connection_of(source)
    unit_type = usual_unit_type(source)
    rows = _recent_rows(source, connection, now)
    began = perf_counter()
    with opened(connection, source=source.ref) as session:
        estimate = session.estimate(rows)
        shown = session.rows(sample(source.shape, connection.kind, unit_type, now))
        first, last, *counts = session.rows(summary(source.shape, connection.kind, unit_type, now))[0]
        spreads = tuple(_distribution(session, name, values(rows)) for name, values in wanted.items())
    recent = tuple(
        Recent(days, _whole(counts[2 * place]), _whole(counts[2 * place + 1]))
        for place, days in enumerate(RECENT_DAYS)
    )
    return Preview(
        sample=_sample(source, unit_type, shown),
        recent=recent,
        distributions=spreads,
        cost=Cost(recent[-1].rows, perf_counter() - began),
        estimate=estimate,
        sql=rows.sql(dialect=session.dialect, pretty=True),
        first_at=first if isinstance(first, datetime) else None,
        last_at=last if isinstance(last, datetime) else None,
    )


def distribution(name: str, row: Sequence[object]) -> Distribution:
    """How numbers spread, from a row of `spread`."""
    total, known, zeros = (_whole(one) for one in row[:3])
    low, lower, middle, upper, high = (_number(one) for one in row[3:])
    return Distribution(
        name, known, low, lower, middle, upper, high,
        zero_share=zeros / total if total else None,
        missing_share=(total - known) / total if total else None,
    )  # fmt: skip


def shortened(unit: str) -> str:
    """An id that people recognise and nobody can use."""
    return f"{unit[:4]}…" if len(unit) > 4 else f"{unit[:1]}…"  # noqa: PLR2004  # a few characters


def cell(value: object) -> str:
    """A value as a table shows it."""
    text = "" if value is None else str(value)
    return text if len(text) <= LONGEST_CELL else f"{text[: LONGEST_CELL - 1]}…"


def _recent_rows(source: Source, connection: Connection, now: datetime) -> exp.Select:
    between = Between(now - timedelta(days=max(RECENT_DAYS)), now)
    return rows_between(source.shape, connection.kind, usual_unit_type(source), between, None)


def _distribution(session: Session, name: str, values: exp.Query) -> Distribution:
    return distribution(name, session.rows(spread(values, "number"))[0])


def _column(place: int) -> Values:
    def values(rows: exp.Query) -> exp.Query:
        column = exp.column(f"c{place}", table="held")
        return exp.select(exp.alias_(column, "number", quoted=True)).from_(rows.copy().subquery("held"))

    return values


def _is_number(source: Source, name: str) -> bool:
    return source.shape.columns[name] is ColumnType.NUMBER


def _sample(source: Source, unit_type: str, rows: Sequence[Sequence[object]]) -> Sample:
    names = (source.shape.units[unit_type], source.shape.time, *column_names(source.shape))
    ids = set(source.shape.units.values())
    shown = tuple(
        tuple(
            shortened(cell(value)) if name in ids and value is not None else cell(value)
            for name, value in zip(names, row, strict=True)
        )
        for row in rows
    )
    return Sample(names, shown)


def _whole(value: object) -> int:
    return int(str(value)) if value is not None else 0


def _number(value: object) -> float | None:
    """Infinities and NaN are no measurements."""
    found = None if value is None else float(str(value))
    return found if found is not None and isfinite(found) else None
