"""What a source may say, by itself and beside what its connection holds. Pure; each fault has the way out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from equipoise_server.foundation.ids import is_key, key_fault
from equipoise_server.foundation.refusals import Problem
from equipoise_server.foundation.texts import LONGEST_NAME, text_problems
from equipoise_server.sources.sql_rules import parsed, table_problems
from equipoise_server.sources.values import TABULAR, ColumnType, Connection, Held, Shape

MOST_COLUMNS = 50
LONGEST_COLUMN = 128
_FITTING = {
    ColumnType.NUMBER: {Held.NUMBER},
    ColumnType.TEXT: {Held.TEXT},
    ColumnType.BOOLEAN: {Held.BOOLEAN},
}
_IDS = {Held.TEXT, Held.NUMBER}
_WORDS = {
    Held.NUMBER: "numbers",
    Held.TEXT: "texts",
    Held.BOOLEAN: "true and false",
    Held.TIME: "instants",
    Held.OTHER: "something that cannot be used here",
}


@dataclass(frozen=True, slots=True)
class Known:
    """What a shape is held against: the project's unit types and connections."""

    unit_types: Collection[str]
    connections: Mapping[str, Connection]


def key_problems(key: str) -> list[Problem]:
    """Whether the key can be used."""
    return [] if is_key(key) else [Problem("key", key_fault(key))]


def word_problems(name: str, description: str, owner: str) -> Iterator[Problem]:
    """What is wrong with the words of a source."""
    if not name.strip():
        yield Problem("name", "Give the source a name that people read.")
    yield from text_problems(LONGEST_NAME, name=name, owner=owner)
    yield from text_problems(description=description)


def shape_problems(shape: Shape, known: Known) -> Iterator[Problem]:
    """What is wrong with a shape before anything is asked of its connection."""
    connection = known.connections.get(shape.connection)
    if connection is None or connection.archived_at is not None:
        has = ", ".join(sorted(key for key, one in known.connections.items() if one.archived_at is None))
        told = f"There is no connection “{shape.connection}”; there are: {has or 'none yet'}."
        yield Problem("connection", told)
    elif connection.kind not in TABULAR:
        told = f"“{connection.key}” has no rows: it is for health checks of flags. Name another connection."
        yield Problem("connection", told)
    else:
        yield from _statement_problems(shape, connection)
    yield from _unit_problems(shape, known.unit_types)
    yield from _column_problems(shape)
    yield from text_problems(LONGEST_COLUMN, time=shape.time)
    if not shape.time.strip():
        yield Problem("time", "Name the column that says when each row happened.")


def held_problems(shape: Shape, held: Mapping[str, Held]) -> Iterator[Problem]:
    """What is wrong with a shape beside the columns that are really there."""
    for unit_type, column in shape.units.items():
        yield from _fit(f"units.{unit_type}", column, held, _IDS, "texts or whole numbers")
    yield from _fit("time", shape.time, held, {Held.TIME}, "instants or dates")
    for name, kind in shape.columns.items():
        yield from _fit(f"columns.{name}", name, held, _FITTING[kind], _WORDS[Held(kind)])


def _fit(
    field: str, column: str, held: Mapping[str, Held], wanted: Collection[Held], words: str
) -> Iterator[Problem]:
    found = held.get(column)
    if found is None:
        has = ", ".join(list(held)[:MOST_COLUMNS])
        yield Problem(field, f"There is no column “{column}”; there are: {has or 'none'}.")
    elif found not in wanted:
        told = f"The column “{column}” holds {_WORDS[found]}, not {words}; choose another, or cast it."
        yield Problem(field, told)


def _statement_problems(shape: Shape, connection: Connection) -> Iterator[Problem]:
    if bool(shape.table.strip()) is bool(shape.sql.strip()):
        yield Problem("table", "Give either a table or a SQL query.")
    elif shape.sql:
        yield from text_problems(sql=shape.sql)
        yield from parsed(shape.sql, connection.kind)[1]
    else:
        yield from table_problems(shape.table, connection.kind)


def _unit_problems(shape: Shape, unit_types: Collection[str]) -> Iterator[Problem]:
    if not shape.units:
        yield Problem("units", "Name the column that holds the unit's id, such as user: user_id.")
    for unit_type, column in shape.units.items():
        if unit_type not in unit_types:
            told = f"The project has no unit type “{unit_type}”; it has: {', '.join(unit_types)}."
            yield Problem(f"units.{unit_type}", told)
        yield from _name_problems(f"units.{unit_type}", column)


def _column_problems(shape: Shape) -> Iterator[Problem]:
    if len(shape.columns) > MOST_COLUMNS:
        yield Problem(
            "columns", f"A source has at most {MOST_COLUMNS} columns; name those that metrics need."
        )
    for name in shape.columns:
        yield from _name_problems(f"columns.{name}", name)


def _name_problems(field: str, name: str) -> Iterator[Problem]:
    if not name.strip() or len(name) > LONGEST_COLUMN or not name.isprintable():
        yield Problem(field, f"Name a column, in at most {LONGEST_COLUMN} characters.")
