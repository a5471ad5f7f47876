"""How a source's shape is kept as JSON, and back. Equal shapes are equal JSON."""

from __future__ import annotations

from collections.abc import Mapping

from equipoise_server.sources.values import ColumnType, Shape

Json = Mapping[str, object]


def shape_to_json(shape: Shape) -> dict[str, object]:
    """The shape."""
    return {
        "connection": shape.connection,
        "table": shape.table,
        "sql": shape.sql,
        "units": dict(sorted(shape.units.items())),
        "time": shape.time,
        "columns": {name: str(kind) for name, kind in sorted(shape.columns.items())},
    }


def shape_from_json(written: Mapping[str, object]) -> Shape:
    """The shape of a row that `shape_to_json` wrote."""
    units, columns = written["units"], written["columns"]
    assert isinstance(units, Mapping)
    assert isinstance(columns, Mapping)
    return Shape(
        connection=str(written["connection"]),
        units={str(unit): str(column) for unit, column in units.items()},
        time=str(written["time"]),
        columns={str(name): ColumnType(str(kind)) for name, kind in columns.items()},
        table=str(written["table"]),
        sql=str(written["sql"]),
    )
