"""Rows of sources as events: fetched for the units that were exposed, then read by the plan of all events.

A failure names each metric that it stops; the last report stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import duckdb

from equipoise_server.access import reads as access
from equipoise_server.analysis.plan import MeasuredMetric, Plan
from equipoise_server.foundation import running
from equipoise_server.foundation.refusals import Problem
from equipoise_server.foundation.scratch import scratch
from equipoise_server.metrics.values import Definition, Fact
from equipoise_server.sources import reads as sources
from equipoise_server.sources.actions import Wanted, fetch_facts
from equipoise_server.sources.values import Between, Source, SourceUnusable, unusable

_LONGER_THAN_ANY_EVENT = 201


def row_name(ref: str) -> str:
    """What a source's rows are called among events: a name longer than any event's may be."""
    return f"source:{ref}".ljust(_LONGER_THAN_ANY_EVENT, ".")


def located(definition: Definition) -> Definition:
    """The definition with each fact of a source looking for its rows by their name."""
    if not definition.sources:
        return definition
    below, answer = definition.denominator, definition.answer
    return replace(
        definition,
        fact=_located(definition.fact),
        denominator=None if below is None else _located(below),
        answer=None if answer is None else _located(answer),
        steps=tuple(_located(step) for step in definition.steps),
        touches=tuple(replace(touch, fact=_located(touch.fact)) for touch in definition.touches),
    )


def reads_sources(measured: Sequence[MeasuredMetric]) -> bool:
    """Whether any of the metrics reads more than events."""
    return any(one.metric.definition.sources for one in measured)


@contextmanager
def source_files(
    measured: Sequence[MeasuredMetric], plan: Plan, exposures: Sequence[Path], *, until: datetime
) -> Iterator[tuple[Path, ...]]:
    """A file per source with the rows of exposed units; gone when the refresh is over."""
    refs = dict.fromkeys(ref for one in measured for ref in one.metric.definition.sources)
    if not refs:
        yield ()
        return
    with scratch("sources") as directory:
        units = _exposed(plan, exposures)
        between = Between(plan.since - plan.longest_past, until)
        found = []
        for ref in refs:
            with _naming_metrics(measured, ref):
                source = _source(measured, ref, plan.unit_type)
                wanted = Wanted(source, plan.unit_type, between, units, hiding_of(source, plan.unit_type))
                running.step(f"reading the source {ref}")
                fetched = fetch_facts(wanted, row_name(ref), Path(directory))
                running.note_read(rows=fetched.cost.rows, size=fetched.cost.bytes or 0)
                found.append(fetched.path)
        yield tuple(found)


def _located(fact: Fact) -> Fact:
    return replace(fact, event=row_name(fact.source)) if fact.source else fact


def _source(measured: Sequence[MeasuredMetric], ref: str, unit_type: str) -> Source:
    source = sources.source_by_ref(measured[0].metric.project_id, ref)
    if unit_type not in source.shape.units:
        told = f"it has no column with the ids of {unit_type} units; name one in the source."
        raise unusable(ref, f"units.{unit_type}", told)
    return source


def hiding_of(source: Source, unit_type: str) -> Callable[[str], str] | None:
    """What events keep in place of an id; None where they keep ids."""
    if not access.project(source.project_id).is_pseudonymised:
        return None
    key = access.project_key(source.project_id)
    return lambda unit: key.pseudonym(unit_type, unit)


def _exposed(plan: Plan, exposures: Sequence[Path]) -> list[str]:
    if not exposures:
        return []
    database = duckdb.connect(":memory:", config={"threads": 2})
    try:
        rows = database.execute(
            "SELECT DISTINCT e.unit FROM read_parquet($files, union_by_name = true) AS e "
            "WHERE e.experiment = $experiment AND e.iteration = $iteration AND e.unit_type = $unit_type "
            "ORDER BY e.unit",
            {
                "files": [str(path) for path in exposures], "experiment": plan.experiment,
                "iteration": plan.iteration, "unit_type": plan.unit_type,
            },
        ).fetchall()  # fmt: skip
    finally:
        database.close()
    return [unit for (unit,) in rows]


@contextmanager
def _naming_metrics(measured: Sequence[MeasuredMetric], ref: str) -> Iterator[None]:
    """Say which metrics a source's failure stops."""
    try:
        yield
    except SourceUnusable as fault:
        stopped = [one.metric.key for one in measured if ref in one.metric.definition.sources]
        raise SourceUnusable(
            *(
                Problem(
                    f"metrics.{key}.{problem.field}",
                    f"The metric “{key}” cannot be computed. {problem.message}",
                )
                for key in stopped
                for problem in fault.problems
            )
        ) from fault
