"""Experiments whose units are assigned outside: what is refused at save and at start, and how they begin.

They set no flag and hold no slots, so no kill, ramp or rollout of this server can change who gets what.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from equipoise_server.access.values import Environment
from equipoise_server.experiments import models
from equipoise_server.experiments.design_json import design_to_json
from equipoise_server.experiments.exposure_checks import table_faults
from equipoise_server.experiments.exposure_notes import ExposureLook, notes_on
from equipoise_server.experiments.exposure_values import ExposureTable
from equipoise_server.experiments.launch_facts import exposure_source
from equipoise_server.experiments.values import Design, Experiment
from equipoise_server.foundation.ids import new_id
from equipoise_server.foundation.refusals import Invalid, Problem, refuse_all
from equipoise_server.sources import reads as sources
from equipoise_server.sources.values import Between, Census, Source

WHOLE = 1_000_000
MOST_NAMED = 10
RECENTLY = timedelta(days=28)


def refuse_unfit_table(project_id: UUID, design: Design, before: Design | None = None) -> None:
    """At save, when the table is new or another: it fits its source, whose columns are there.

    Raises Invalid with every fault, or SourceUnusable.
    """
    if design.exposures is None or (before is not None and before.exposures == design.exposures):
        return
    held = exposure_source(project_id, design)
    refuse_all(Invalid, list(table_faults(design, held)))
    sources.refuse_unreadable(held[design.exposures.source])


def refuse_strangers(project_id: UUID, design: Design, number: int, *, now: datetime) -> None:
    """At start, with the source open: every value of the variant's column stands for an arm.

    Raises Invalid or SourceUnusable; a table that does not fit is left to the checks.
    """
    held = exposure_source(project_id, design)
    if design.exposures is None or any(table_faults(design, held)):
        return
    wanted = counting_of(design, held[design.exposures.source], number, now=now)
    unknown = list(strange_values(design, sources.count_rows(wanted)))
    if unknown:
        listed = ", ".join(f"“{value}”" for value in unknown[:MOST_NAMED])
        told = (
            f"The column “{design.exposures.variant_column}” also says {listed}; say which variant each"
            " stands for, or leave those rows out in the source."
        )
        raise Invalid(Problem("exposures.variants", told))


def counting_of(design: Design, source: Source, number: int, *, now: datetime) -> sources.Counting:
    """The rows of one run by variant: since it began outside, or else of the last weeks.

    Without a column that names the experiment, rows before the start may be anybody's.
    """
    table = design.exposures
    assert table is not None, "only designs with a table are counted"
    recently = now - RECENTLY if table.experiment_column else now
    between = Between(min(table.since or recently, now), now)
    return sources.Counting(source, design.unit_type, table.variant_column, between, where_of(table, number))


def look_at(experiment: Experiment, *, now: datetime) -> ExposureLook:
    """What the table of a draft, or of the newest run, holds, and what is odd about it.

    Raises Invalid when it does not fit its source, or SourceUnusable.
    """
    iteration = experiment.iteration
    design = experiment.design if iteration is None else iteration.design
    if design.exposures is None:
        told = f"“{experiment.key}” takes the exposures that SDKs send; give its design a table of exposures."
        raise Invalid(Problem("exposures", told))
    held = exposure_source(experiment.project_id, design)
    refuse_all(Invalid, list(table_faults(design, held)))
    source = held[design.exposures.source]
    wanted = counting_of(design, source, 1 if iteration is None else iteration.number, now=now)
    if iteration is not None:
        wanted = replace(wanted, between=Between(iteration.started_at, iteration.stopped_at or now))
    census = sources.count_rows(wanted)
    unknown = tuple(strange_values(design, census))
    is_over = iteration is not None and iteration.stopped_at is not None
    notes = tuple(notes_on(census, wanted.between, design, unknown, is_over=is_over))
    arms = design.exposures.arms_by_value(tuple(arm.key for arm in design.arms))
    return ExposureLook(source.ref, wanted.between, census, arms, unknown, notes)


def where_of(table: ExposureTable, number: int) -> dict[str, str]:
    """What the rows of one run have in common: the experiment, and the number of the run."""
    where = {table.experiment_column: table.experiment} if table.experiment_column else {}
    return {**where, **({table.iteration_column: str(number)} if table.iteration_column else {})}


def strange_values(design: Design, census: Census) -> Iterator[str]:
    """Values that stand for no arm."""
    table = design.exposures
    known = () if table is None else table.arms_by_value(tuple(arm.key for arm in design.arms))
    return (one.value for one in census.by_value if one.value not in known)


def begin_outside(
    experiment: Experiment, environment: Environment, design: Design, *, now: datetime
) -> models.Iteration:
    """Write the iteration. Its table keeps the version of its source, whatever becomes of the newest."""
    table = design.exposures
    assert table is not None, "only designs with a table begin outside"
    source = exposure_source(experiment.project_id, design)[table.source]
    started_at = min(table.since or now, now)
    return models.Iteration.objects.create(
        id=new_id(), experiment_id=experiment.id, environment_id=environment.id,
        number=len(experiment.iterations) + 1,
        design=design_to_json(replace(design, exposures=replace(table, source=source.ref))),
        gate_parts_per_million=WHOLE, started_at=started_at,
        gates=[[started_at.isoformat(), WHOLE]],
    )  # fmt: skip
