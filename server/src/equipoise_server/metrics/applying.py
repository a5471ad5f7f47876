"""A file of metrics against the catalogue: what would change, and the change as one record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from equipoise_server.access.values import Actor, Permission
from equipoise_server.audit.actions import change
from equipoise_server.audit.values import Subject
from equipoise_server.foundation.ids import new_id
from equipoise_server.foundation.refusals import Invalid, Problem, refuse_all
from equipoise_server.metrics import reads
from equipoise_server.metrics.catalogue import (
    CreateMetric,
    ReviseMetric,
    create_metric,
    metric_problems,
    revise_metric,
)
from equipoise_server.metrics.definition_json import semantic_hash
from equipoise_server.metrics.source_facts import pinned
from equipoise_server.metrics.values import Metric

MOST_METRICS = 1_000
_WORDS = (
    "name",
    "definition",
    "direction",
    "description",
    "tier",
    "owner",
    "display",
    "default_margin",
    "minimum_units",
)


class Step(StrEnum):
    """What a file does to one metric."""

    CREATE = "create"
    REVISE = "revise"
    """Its meaning changes: a new version."""
    REWORD = "reword"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class MetricStep:
    """One metric of the file: what happens to it, in which fields, and the version it then has."""

    key: str
    step: Step
    fields: tuple[str, ...]
    version: int


def plan_metrics(entries: Sequence[CreateMetric]) -> tuple[MetricStep, ...]:
    """What applying these entries would do; every fault of all of them is refused at once.

    Metrics that the file does not name stay as they are.
    """
    held = _held(entries)
    refuse_all(Invalid, [*_problems(entries, held)])
    return tuple(_step(_pinned(entry), held.get(entry.key)) for entry in entries)


def _pinned(entry: CreateMetric) -> CreateMetric:
    return replace(entry, definition=pinned(entry.project_id, entry.definition))


def apply_metrics(
    actor: Actor, project_id: UUID, entries: Sequence[CreateMetric], *, now: datetime
) -> tuple[MetricStep, ...]:
    """Make the catalogue say what the entries say: all of it in one record, or nothing."""
    actor.require(Permission.METRIC_EDIT, project_id)
    steps = plan_metrics(entries)
    if all(one.step is Step.KEEP for one in steps):
        return steps
    held = _held(entries)
    subject = Subject("metrics", new_id(), "metrics", project_id)
    with change(actor.author, "metrics.apply", subject, now=now) as entry:
        for wanted, planned in zip(entries, steps, strict=True):
            if planned.step is Step.CREATE:
                create_metric(actor, wanted, now=now)
            elif planned.step is not Step.KEEP:
                revise_metric(actor, _revision(wanted, held[wanted.key]), now=now)
        entry.after = {one.key: str(one.step) for one in steps if one.step is not Step.KEEP}
    return steps


def _held(entries: Sequence[CreateMetric]) -> dict[str, Metric]:
    projects = {entry.project_id for entry in entries}
    return {one.key: one for project_id in projects for one in reads.metrics_of(project_id, archived=True)}


def _problems(entries: Sequence[CreateMetric], held: dict[str, Metric]) -> Iterator[Problem]:
    if len(entries) > MOST_METRICS:
        yield Problem("metrics", f"A file has at most {MOST_METRICS:,} metrics; split it.")
    for entry in entries:
        found = held.get(entry.key)
        if found is not None and found.archived_at is not None:
            told = f"“{entry.key}” is archived, and its key is taken for good; choose another."
            yield Problem(f"metrics.{entry.key}", told)
        for problem in metric_problems(entry, is_new=found is None):
            field = problem.field.removeprefix("definition.")
            yield Problem(f"metrics.{entry.key}.{field}", problem.message)


def _step(entry: CreateMetric, held: Metric | None) -> MetricStep:
    if held is None:
        return MetricStep(entry.key, Step.CREATE, (), 1)
    fields = tuple(name for name in _WORDS if getattr(entry, name) != getattr(held, name))
    if not fields:
        return MetricStep(entry.key, Step.KEEP, (), held.version)
    is_same = semantic_hash(entry.definition, entry.direction) == semantic_hash(
        held.definition, held.direction
    )
    if is_same:
        return MetricStep(entry.key, Step.REWORD, fields, held.version)
    return MetricStep(entry.key, Step.REVISE, fields, held.version + 1)


def _revision(entry: CreateMetric, held: Metric) -> ReviseMetric:
    return ReviseMetric(held.id, held.edition, **{name: getattr(entry, name) for name in _WORDS})
