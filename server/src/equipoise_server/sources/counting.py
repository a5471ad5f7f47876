"""Counts the rows of a source by the values of one column, for those who are about to rely on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import perf_counter

from sqlglot import exp

from equipoise_server.sources.previewing import cell, connection_of, shortened
from equipoise_server.sources.sessions import Session, opened
from equipoise_server.sources.source_rules import held_problems
from equipoise_server.sources.statements import (
    SAMPLE_ROWS,
    census,
    column_names,
    nameless,
    only,
    relation,
    rows_between,
)
from equipoise_server.sources.values import (
    Between,
    Census,
    Connection,
    Cost,
    Counted,
    Estimate,
    Sample,
    Source,
    SourceUnusable,
    unusable,
)

EVER = Between(datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class Counting:
    """What is counted: rows of a time with these values, by the values of a column."""

    source: Source
    unit_type: str
    column: str
    between: Between
    where: Mapping[str, str] = field(default_factory=dict)


def refuse_unreadable(source: Source) -> None:
    """Ask whether all columns are there as declared. Raises SourceUnusable with every fault."""
    connection = connection_of(source)
    with opened(connection, source=source.ref) as session:
        refuse_changed(session, source, connection)


def count_rows(wanted: Counting) -> Census:
    """Look at all rows, at about the cost of reading them once. Raises SourceUnusable."""
    source, connection = wanted.source, connection_of(wanted.source)
    ever, rows = _rows(wanted, connection, EVER), _rows(wanted, connection, wanted.between)
    began = perf_counter()
    with opened(connection, source=source.ref) as session:
        refuse_changed(session, source, connection)
        estimate = session.estimate(rows)
        by_value, whole, crossed = census(rows, source.shape, wanted.column)
        values = session.rows(by_value)
        count, units, first, last = session.rows(whole)[0]
        several = session.rows(crossed)[0][0]
        everything, _, _, latest = session.rows(census(ever, source.shape, wanted.column)[1])[0]
        later = session.rows(census(_later(wanted, connection), source.shape, wanted.column)[1])[0][0]
        lacking = session.rows(nameless(source.shape, connection.kind, wanted.unit_type))[0]
        sample = _sample(session, wanted, rows)
    return Census(
        by_value=tuple(sorted((_counted(row) for row in values), key=lambda one: one.value)),
        rows=_whole(count),
        units=_whole(units),
        crossed=_whole(several),
        earlier=_whole(everything) - _whole(count) - _whole(later),
        later=_whole(later),
        nameless=_whole(lacking[1]),
        timeless=_whole(lacking[2]),
        sample=sample,
        cost=Cost(_whole(everything), perf_counter() - began),
        estimate=estimate,
        sql=rows.sql(dialect=session.dialect, pretty=True),
        first_at=_instant(first),
        last_at=_instant(last),
        latest_at=_instant(latest),
    )


def estimate_rows(wanted: Counting) -> Estimate | None:
    """What the engine expects a reading to cost; None where it does not say. Raises SourceUnusable."""
    connection = connection_of(wanted.source)
    with opened(connection, source=wanted.source.ref) as session:
        return session.estimate(_rows(wanted, connection, wanted.between))


def written(value: object) -> str:
    """A value of a declared column as a text: whole numbers without a point, true and false small."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _rows(wanted: Counting, connection: Connection, between: Between) -> exp.Query:
    shape = wanted.source.shape
    rows = rows_between(shape, connection.kind, wanted.unit_type, between, None)
    return only(rows, shape, wanted.where)


def _later(wanted: Counting, connection: Connection) -> exp.Query:
    return _rows(wanted, connection, Between(wanted.between.until, EVER.until))


def refuse_changed(session: Session, source: Source, connection: Connection) -> None:
    """Refuse when columns are gone or hold something else. Raises SourceUnusable with every fault."""
    changed = [*held_problems(source.shape, session.held(relation(source.shape, connection.kind)))]
    if changed:
        raise SourceUnusable(*(unusable(source.ref, one.field, one.message).problems[0] for one in changed))


def _counted(row: Sequence[object]) -> Counted:
    return Counted(written(row[0]), _whole(row[1]), _whole(row[2]))


def _sample(session: Session, wanted: Counting, rows: exp.Query) -> Sample:
    """A few rows with shortened ids."""
    shape = wanted.source.shape
    query = exp.select("*").from_(rows.copy().subquery("shown")).limit(SAMPLE_ROWS)
    names = (shape.units[wanted.unit_type], shape.time, *column_names(shape))
    shown = tuple(
        (shortened(str(unit)), _to_the_second(moment), *(cell(written(one)) for one in others))
        for unit, moment, *others in session.rows(query)
    )
    return Sample(names, shown)


def _to_the_second(moment: object) -> str:
    return cell(moment.replace(microsecond=0) if isinstance(moment, datetime) else moment)


def _whole(value: object) -> int:
    return int(str(value)) if value is not None else 0


def _instant(value: object) -> datetime | None:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else None
