"""Imports a past experiment: its file becomes metrics, a stopped experiment, events and a report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid5

from equipoise_server.access.values import Actor, Permission
from equipoise_server.analysis.import_mapping import ImportMapping, MappedOutcome, OutcomeKind
from equipoise_server.analysis.past_table import SUFFIXES, PastTable, PastUnit
from equipoise_server.audit.actions import change
from equipoise_server.audit.values import Subject
from equipoise_server.events.actions import compact, record
from equipoise_server.events.values import EARLIEST, Event, Exposure, Track
from equipoise_server.experiments import reads as experiments
from equipoise_server.experiments.actions import ImportedExperiment, register_import
from equipoise_server.experiments.values import Arm, Design, Experiment, Iteration, PlannedMetric
from equipoise_server.foundation.refusals import Conflict, Invalid, NotFound, Problem, refuse_all
from equipoise_server.metrics import reads as metrics
from equipoise_server.metrics.actions import CreateMetric, create_metric
from equipoise_server.metrics.values import Aggregate, Definition, Fact, Metric, MetricKind

_IDS = UUID("6b1f2d0e-5a3c-4c86-9b0d-0d4f3f6c1a77")
_KINDS: dict[OutcomeKind, tuple[MetricKind, Aggregate]] = {
    OutcomeKind.CONVERSION: (MetricKind.CONVERSION, Aggregate.COUNT),
    OutcomeKind.SUM: (MetricKind.SUM, Aggregate.SUM),
    # A count arrives as one number per unit, so it is an amount that adds up.
    OutcomeKind.COUNT: (MetricKind.SUM, Aggregate.SUM),
}


@dataclass(frozen=True, slots=True)
class ImportPast:
    """A past experiment's file and how to read it."""

    project_id: UUID
    environment_id: UUID
    mapping: ImportMapping
    path: Path


def load_past_experiment(actor: Actor, command: ImportPast, *, now: datetime) -> Experiment:
    """Register the experiment and load its events; the same file again adds nothing."""
    actor.require(Permission.EXPERIMENT_IMPORT, command.project_id)
    if not command.path.name.endswith(SUFFIXES):
        raise Invalid(Problem("file", f"The file must end in one of {', '.join(SUFFIXES)}."))
    table = PastTable(command.path, command.mapping)
    try:
        table.refuse_faults()
        experiment = _registered(actor, command, table.span(), now=now)
        assert experiment.iteration is not None, "an import is an iteration"
        events = _events(command, experiment.iteration, table.units())
        record(command.environment_id, events, now=now)
    finally:
        table.close()
    compact(now=now)
    return experiment


def _registered(
    actor: Actor, command: ImportPast, span: tuple[datetime, datetime], *, now: datetime
) -> Experiment:
    """The experiment, made now or by the same import before."""
    first, last = span
    if not first >= EARLIEST or last >= now:
        raise Invalid(Problem("time", "Exposures must lie in the past, and after the year 2000."))
    mapping, design = command.mapping, _design(command.mapping)
    held = _held(command)
    if held is not None:
        _refuse_unless_the_same(held, design)
        return held
    ended_at = min(last + timedelta(days=mapping.window_days), now)
    imported = ImportedExperiment(
        command.project_id, command.environment_id, mapping.experiment.key, mapping.experiment.name, design,
        first, ended_at, mapping.experiment.owner,
    )  # fmt: skip
    subject = Subject(
        "project", command.project_id, mapping.experiment.key, command.project_id, command.environment_id
    )
    with change(actor.author, "experiment.import", subject, now=now) as entry:
        _ensure_metrics(actor, command, now=now)
        experiment = register_import(actor, imported, now=now)
        entry.after = {"file": command.path.name}
    return experiment


def _held(command: ImportPast) -> Experiment | None:
    try:
        return experiments.experiment_by_key(command.project_id, command.mapping.experiment.key)
    except NotFound:
        return None


def _refuse_unless_the_same(held: Experiment, design: Design) -> None:
    iteration = held.iteration
    is_same = (
        iteration is not None
        and iteration.is_imported
        and iteration.design.arms == design.arms
        and iteration.design.hypothesis == design.hypothesis
        and [one.key for one in iteration.design.metrics] == [one.key for one in design.metrics]
    )
    if not is_same:
        raise Conflict(
            Problem(
                "experiment.key",
                f"There is another experiment “{held.key}” already; choose another key.",
            )
        )


def _design(mapping: ImportMapping) -> Design:
    by_value = {arm.value: arm.key for arm in mapping.variant.arms}
    return Design(
        hypothesis=mapping.experiment.hypothesis,
        unit_type=mapping.unit.type,
        arms=tuple(Arm(arm.key, arm.name, arm.weight, {}) for arm in mapping.variant.arms),
        control=by_value[mapping.variant.control],
        metrics=(
            *(PlannedMetric(one.metric, one.role, one.margin) for one in mapping.outcomes),
            *(PlannedMetric(one.metric, one.role, one.margin) for one in mapping.metrics),
        ),
        covariates=mapping.covariates,
    )


def _ensure_metrics(actor: Actor, command: ImportPast, *, now: datetime) -> None:
    """Create the metrics that are not there; one with another meaning is refused, all of them at once."""
    known = {one.key: one for one in metrics.metrics_of(command.project_id, archived=True)}
    problems = []
    for place, outcome in enumerate(command.mapping.outcomes):
        wanted = _definition(outcome, command.mapping.window_days)
        held = known.get(outcome.metric)
        if held is None:
            create_metric(actor, _new_metric(command.project_id, outcome, wanted), now=now)
        elif not _means_the_same(held, wanted, outcome):
            told = f"There is a metric “{outcome.metric}” with another meaning; choose another key."
            problems.append(Problem(f"outcomes.{place}.metric", told))
    refuse_all(Invalid, problems)


def _means_the_same(held: Metric, wanted: Definition, outcome: MappedOutcome) -> bool:
    return held.definition == wanted and held.direction is outcome.direction and held.archived_at is None


def _definition(outcome: MappedOutcome, window_days: int) -> Definition:
    kind, aggregate = _KINDS[outcome.kind]
    fact = Fact(outcome.metric, aggregate)
    return Definition(kind, fact, window=timedelta(days=window_days), cap=outcome.cap)


def _new_metric(project_id: UUID, outcome: MappedOutcome, definition: Definition) -> CreateMetric:
    usual = "percent" if outcome.kind is OutcomeKind.CONVERSION else "number"
    return CreateMetric(
        project_id, outcome.metric, outcome.name, definition, outcome.direction, tier=outcome.tier,
        display=outcome.display or usual, default_margin=outcome.margin,
    )  # fmt: skip


def _events(command: ImportPast, iteration: Iteration, units: Iterator[PastUnit]) -> Iterator[Event]:
    """An exposure per row, and an event per outcome that is not zero; ids follow from file and place."""
    mapping = command.mapping
    arms = {arm.value: arm.key for arm in mapping.variant.arms}
    names = [one.metric for one in mapping.outcomes]
    has_value = [one.kind is not OutcomeKind.CONVERSION for one in mapping.outcomes]
    space = uuid5(_IDS, str(iteration.id))
    for past in units:
        yield Exposure(
            id=uuid5(space, f"{past.row}:{past.unit}"), at=past.at, experiment=iteration.experiment_key,
            iteration=iteration.number, flag=iteration.experiment_key, variant=arms[past.variant],
            unit_type=mapping.unit.type, unit=past.unit, attributes=past.covariates or None,
        )  # fmt: skip
        for name, value, is_amount in zip(names, past.outcomes, has_value, strict=True):
            if value:
                yield Track(
                    id=uuid5(space, f"{past.row}:{past.unit}:{name}"), at=past.at, name=name,
                    units={mapping.unit.type: past.unit}, value=value if is_amount else None,
                )  # fmt: skip
