"""Connections and sources as pages show them: the list, one source with its preview, and its form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from equipoise_server.dashboard.forms import Form, choice, filled
from equipoise_server.dashboard.pages.activity import ActivityLine
from equipoise_server.foundation.refusals import Problem
from equipoise_server.metrics.values import Metric
from equipoise_server.sources.values import (
    ColumnType,
    Connection,
    ConnectionKind,
    Estimate,
    Preview,
    Shape,
    Source,
)

Option = tuple[str, str]
KIND_WORDS = {
    ConnectionKind.FILES: "files",
    ConnectionKind.POSTGRESQL: "PostgreSQL",
    ConnectionKind.PROMETHEUS: "Prometheus, for health checks",
}


@dataclass(frozen=True, slots=True)
class SourcesPage:
    """What metrics may read besides events, and over which connections."""

    sources: tuple[Source, ...]
    connections: tuple[Connection, ...]
    kinds: Mapping[ConnectionKind, str]
    form: Form
    may_edit: bool
    may_connect: bool


@dataclass(frozen=True, slots=True)
class SourcePage:
    """One source, who reads it, and a look at it when somebody asked for one."""

    source: Source
    read_by: tuple[Metric, ...]
    versions: tuple[Source, ...]
    history: tuple[ActivityLine, ...]
    may_edit: bool
    look: str
    preview: Preview | None
    estimate: Estimate | None
    faults: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class SourceFormPage:
    """The form of a new source, or of a revision."""

    form: Form
    source: Source | None
    connections: tuple[Option, ...]


def readers(source: Source, metrics: Sequence[Metric]) -> tuple[Metric, ...]:
    """The metrics that read the source at any version."""
    keys = {metric.key: {ref.partition("@")[0] for ref in metric.definition.sources} for metric in metrics}
    return tuple(metric for metric in metrics if source.key in keys[metric.key])


def new_source_form(connections: Sequence[Connection], unit_type: str, owner: str) -> Form:
    """An empty form that shows how its lines are written."""
    first = connections[0].key if connections else ""
    return filled({"connection": first, "units": f"{unit_type} = user_id", "owner": owner})


def source_form(source: Source) -> Form:
    """A stored source as fields."""
    shape = source.shape
    return filled(
        {
            "name": source.name,
            "description": source.description,
            "owner": source.owner,
            "connection": shape.connection,
            "table": shape.table,
            "sql": shape.sql,
            "units": _lines(shape.units),
            "time": shape.time,
            "columns": _lines(shape.columns),
            "edition": str(source.edition),
        }
    )


def read_shape(form: Form, problems: list[Problem]) -> Shape:
    """What the form says."""
    columns = _pairs(form, "columns", problems)
    known = ", ".join(ColumnType)
    for name, kind in columns.items():
        if kind not in set(ColumnType):
            told = f"“{name} = {kind}”: a column holds one of {known}."
            problems.append(Problem("columns", told))
    return Shape(
        connection=form.text("connection"),
        units=_pairs(form, "units", problems),
        time=form.text("time").strip(),
        columns={name: choice(ColumnType, kind, ColumnType.TEXT) for name, kind in columns.items()},
        table=form.text("table").strip(),
        sql=form.text("sql").strip(),
    )


def shown_problems(problems: Sequence[Problem]) -> list[Problem]:
    """The form has one field for all units, and one for all columns."""
    return [
        Problem(head if head in {"units", "columns"} else problem.field, problem.message)
        for problem in problems
        for head in (problem.field.partition(".")[0],)
    ]


def _lines(pairs: Mapping[str, str]) -> str:
    return "\n".join(f"{name} = {value}" for name, value in pairs.items())


def _pairs(form: Form, field: str, problems: list[Problem]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in form.text(field).splitlines():
        name, mark, value = (part.strip() for part in line.partition("="))
        if not line.strip():
            continue
        if not mark or not name or not value:
            problems.append(Problem(field, f"“{line.strip()}”: write it like name = value, one a line."))
        found[name] = value
    return found
