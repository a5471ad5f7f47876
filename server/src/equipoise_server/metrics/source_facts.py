"""Facts that read sources: which version of a source a metric is saved with, and whether its columns fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

from equipoise_server.foundation.refusals import Invalid, NotFound, Problem, refuse_all
from equipoise_server.metrics.definition_rules import definition_problems
from equipoise_server.metrics.values import Aggregate, Definition, Fact, MetricKind
from equipoise_server.sources import reads as sources
from equipoise_server.sources.values import ColumnType, Source

_WORDS = {
    ColumnType.NUMBER: "numbers",
    ColumnType.TEXT: "texts",
    ColumnType.BOOLEAN: "true and false",
}


def pinned(project_id: UUID, definition: Definition) -> Definition:
    """The definition with each source at the version it names, or at today's newest."""
    if not definition.sources:
        return definition
    refs = {ref: _ref(project_id, ref) for ref in definition.sources}
    below, answer = definition.denominator, definition.answer
    return replace(
        definition,
        fact=_at(definition.fact, refs),
        denominator=None if below is None else _at(below, refs),
        answer=None if answer is None else _at(answer, refs),
        steps=tuple(_at(step, refs) for step in definition.steps),
        touches=tuple(replace(touch, fact=_at(touch.fact, refs)) for touch in definition.touches),
    )


def source_problems(project_id: UUID, key: str, definition: Definition) -> Iterator[Problem]:
    """Sources that are not there, and columns that they do not have or that hold something else."""
    for place, fact in definition.facts:
        if fact.source:
            yield from _fact_problems(project_id, key, f"definition.{place}", fact, kind=definition.kind)


def _at(fact: Fact, refs: dict[str, str]) -> Fact:
    return replace(fact, source=refs[fact.source]) if fact.source else fact


def _ref(project_id: UUID, ref: str) -> str:
    try:
        return sources.source_by_ref(project_id, ref).ref
    except NotFound:
        return ref


def _fact_problems(
    project_id: UUID, key: str, path: str, fact: Fact, *, kind: MetricKind
) -> Iterator[Problem]:
    try:
        source = sources.source_by_ref(project_id, fact.source)
    except NotFound as missing:
        has = ", ".join(one.key for one in sources.sources_of(project_id)) or "none yet"
        told = f"“{key}”: {missing.problems[0].message} There are: {has}."
        yield Problem(f"{path}.source", told)
        return
    if source.archived_at is not None:
        told = f"“{key}”: the source “{source.key}” is archived; read another."
        yield Problem(f"{path}.source", told)
        return
    wanted = _property_type(fact, kind)
    if wanted == "missing":
        told = f"“{key}”: name the column of “{source.ref}” that is added up."
        yield Problem(f"{path}.property", told)
    elif fact.property:
        yield from _column_problems(key, f"{path}.property", fact.property, source, wanted=wanted)
    for name, value in (fact.where or {}).items():
        yield from _column_problems(key, f"{path}.where", name, source, wanted=_type_of(value))


def _property_type(fact: Fact, kind: MetricKind) -> str | None:
    """What the column must hold; None when anything will do."""
    if fact.aggregate is Aggregate.WEIGHT:
        return ColumnType.TEXT
    if fact.aggregate is Aggregate.SUM:
        return ColumnType.NUMBER if fact.property else "missing"
    return ColumnType.NUMBER if kind in {MetricKind.MEAN, MetricKind.EXCEEDANCE} else None


def _type_of(value: str | float | bool) -> str:
    if isinstance(value, bool):
        return ColumnType.BOOLEAN
    return ColumnType.TEXT if isinstance(value, str) else ColumnType.NUMBER


def _column_problems(
    key: str, field: str, name: str, source: Source, *, wanted: str | None
) -> Iterator[Problem]:
    held = source.shape.columns.get(name)
    if held is None:
        has = ", ".join(sorted(source.shape.columns)) or "none"
        yield Problem(field, f"“{key}”: “{source.ref}” declares no column “{name}”; it has: {has}.")
    elif wanted is not None and held != wanted:
        told = f"“{key}”: “{name}” of “{source.ref}” holds {_WORDS[held]}, not {_WORDS[ColumnType(wanted)]}."
        yield Problem(field, f"{told} Choose another column, or cast it in the source.")


def checked_definition(project_id: UUID, definition: Definition) -> Definition:
    """A definition that nobody has saved, with its sources pinned; refused with every fault."""
    name = "this metric"
    refuse_all(
        Invalid, [*definition_problems(name, definition), *source_problems(project_id, name, definition)]
    )
    return pinned(project_id, definition)
