"""Rows of a table of exposures as events: of each unit and variant the first, unless it is stored already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid5

import duckdb

from equipoise_server.events.values import LONGEST_UNIT_BYTES, Exposure
from equipoise_server.experiments.values import ExposureTable, Iteration
from equipoise_server.sources.reads import column_names
from equipoise_server.sources.values import ColumnType, Shape

ROWS_AT_ONCE = 20_000
LONGEST_VARIANT = 180
_IDS = UUID("0d8d6cb0-6e0a-4c53-9d7c-2f6a1f3f0b5e")
_STORED = (
    "CREATE TABLE stored AS SELECT e.unit, e.variant, MIN(e.derived_at) AS first_at"
    " FROM read_parquet($files, union_by_name = true) AS e"
    " WHERE e.experiment = $experiment AND e.iteration = $iteration AND e.unit_type = $unit_type"
    " GROUP BY e.unit, e.variant"
)


@dataclass(frozen=True, slots=True)
class Found:
    """What a reading holds: rows, those that cannot be used, and the newest instant."""

    rows: int
    unusable: int
    newest: datetime | None


class ExposureRows:
    """The rows of one reading beside what the store has. Close it."""

    def __init__(self, iteration: Iteration, table: ExposureTable, shape: Shape) -> None:
        self._iteration, self._table, self._shape = iteration, table, shape
        self._database = duckdb.connect(":memory:", config={"threads": 2})

    def close(self) -> None:
        """Give the memory back."""
        self._database.close()

    def load(self, rows: Path, stored: Sequence[Path]) -> Found:
        """Find what is new. `rows` is a file of `fetch_rows`; `stored` are the store's files of exposures."""
        execute = self._database.execute
        execute("CREATE TABLE stored (unit VARCHAR, variant VARCHAR, first_at TIMESTAMP)")
        if stored:
            iteration = self._iteration
            execute("DROP TABLE stored")
            execute(
                _STORED,
                {
                    "files": [str(path) for path in stored], "experiment": iteration.experiment_key,
                    "iteration": iteration.number, "unit_type": iteration.design.unit_type,
                },
            )  # fmt: skip
        arms = self._arms()
        execute(
            "CREATE TABLE arms AS SELECT UNNEST($values) AS value, UNNEST($arms) AS arm",
            {"values": list(arms), "arms": list(arms.values())},
        )
        execute(f"CREATE TABLE given AS {self._given()}", {"file": str(rows)})
        count, usable, newest = self._database.execute(
            "SELECT COUNT(*), COUNT(*) FILTER (WHERE g.variant IS NOT NULL), MAX(g.moment) FROM given AS g"
        ).fetchall()[0]
        return Found(count, count - usable, None if newest is None else newest.replace(tzinfo=UTC))

    def chunks(self) -> Iterator[list[Exposure]]:
        """What is new, in the order of units."""
        attributes = "".join(f", g.a{n}" for n in range(len(self._table.attributes)))
        cursor = self._database.execute(
            "SELECT f.* FROM (SELECT g.unit, g.variant, g.moment, "  # noqa: S608  # names of our own
            f"ROW_NUMBER() OVER (PARTITION BY g.unit, g.variant ORDER BY g.moment{attributes}) AS place"
            f"{attributes} FROM given AS g WHERE g.variant IS NOT NULL) AS f"
            " LEFT JOIN stored AS s ON s.unit = f.unit AND s.variant = f.variant AND s.first_at <= f.moment"
            " WHERE f.place = 1 AND s.unit IS NULL ORDER BY f.unit, f.variant"
        )
        while rows := cursor.fetchmany(ROWS_AT_ONCE):
            yield [self._exposure(*row) for row in rows]

    def _arms(self) -> dict[str, str]:
        """Value → arm. A value that is called like an arm and does not stand for one must not pass for it."""
        keys = tuple(arm.key for arm in self._iteration.design.arms)
        return {**{key: f"{key} (not mapped)" for key in keys}, **self._table.arms_by_value(keys)}

    def _given(self) -> str:
        """Each row with its arm; what stands for none keeps its own value."""
        names = column_names(self._shape)
        value = f"r.c{names.index(self._table.variant_column)}"
        attributes = "".join(
            f", r.c{names.index(name)} AS a{n}" for n, name in enumerate(self._table.attributes)
        )
        stranger = f"LEFT({value}, {LONGEST_VARIANT})"
        is_usable = f"{value} <> '' AND strlen(r.unit) <= {LONGEST_UNIT_BYTES}"
        return (
            f"SELECT r.unit, r.moment, CASE WHEN {is_usable} THEN COALESCE(a.arm, {stranger}) END AS variant"  # noqa: S608  # as above
            f"{attributes} FROM read_parquet($file) AS r LEFT JOIN arms AS a ON a.value = {value}"
        )

    def _exposure(
        self, unit: str, variant: str, moment: datetime, _place: int, *told: str | None
    ) -> Exposure:
        iteration = self._iteration
        at = moment.replace(tzinfo=UTC)
        return Exposure(
            id=uuid5(_IDS, f"{iteration.id}:{unit}:{variant}:{at.isoformat()}"), at=at,
            experiment=iteration.experiment_key, iteration=iteration.number, flag=iteration.experiment_key,
            variant=variant, unit_type=iteration.design.unit_type, unit=unit,
            attributes=dict(_attributes(self._table.attributes, told, self._shape.columns)) or None,
        )  # fmt: skip


def _attributes(
    names: Sequence[str], told: Sequence[str | None], columns: Mapping[str, ColumnType]
) -> Iterator[tuple[str, object]]:
    """What SDKs would send: numbers, truths and texts; what is not known is not there."""
    for name, text in zip(names, told, strict=True):
        if text is None:
            continue
        if columns[name] is ColumnType.BOOLEAN:
            yield name, text == "true"
        elif columns[name] is ColumnType.TEXT:
            yield name, text
        elif text not in {"nan", "inf", "-inf"}:
            yield name, int(text) if text.lstrip("-").isdecimal() else float(text)
