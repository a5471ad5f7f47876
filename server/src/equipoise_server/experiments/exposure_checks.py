"""What a design may say whose units are assigned outside: a table that fits, and nothing of our own split.

Pure. What the table really holds is asked of its connection elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from equipoise_server.experiments.exposure_values import ExposureTable
from equipoise_server.experiments.values import BreachAction, Design
from equipoise_server.foundation.refusals import Problem
from equipoise_server.sources.values import ColumnType, Shape, Source

LONGEST_OVERLAP_HOURS = 24 * 30
LONGEST_BEFORE = timedelta(days=90)
_USUAL = Design()
_OURS: Mapping[str, str] = {
    "eligibility": "an audience",
    "audience_parts_per_million": "a share of the audience",
    "ramp": "a ramp",
    "layer": "a layer",
    "slot_share": "a part of a layer",
    "surface": "a surface",
    "cluster_type": "clusters",
    "switchback": "a switchback",
    "only_differing": "an analysis of differing units",
}
"""What only the one who assigns can do; each must be as it is in an empty design."""


def table_faults(design: Design, sources: Mapping[str, Source]) -> Iterator[Problem]:
    """What is wrong with the table, beside its source as it is described."""
    table = design.exposures
    if table is None:
        return
    source = sources.get(table.source)
    if source is None:
        told = f"There is no source “{table.source}” in this project; describe the table of exposures as one."
        told = told if table.source else "Choose the table of exposures; describe it as a source first."
        yield Problem("exposures.source", told)
    elif source.archived_at is not None:
        yield Problem("exposures.source", f"The source “{table.source}” is archived; choose another.")
    else:
        yield from _column_faults(design, table, source)
    yield from _overlap_faults(table)


def outside_faults(design: Design, now: datetime) -> Iterator[Problem]:
    """Who assigns elsewhere also says there who takes part; here is nothing to serve, widen or stop."""
    table = design.exposures
    if table is None:
        return
    for name, words in _OURS.items():
        if getattr(design, name) != getattr(_USUAL, name):
            told = f"Units are assigned outside, so {words} cannot be set here; leave it out."
            yield Problem(name, told)
    for index, arm in enumerate(design.arms):
        if arm.values:
            told = "Units are assigned outside, so no flag is set here; take the flag out of the variants."
            yield Problem(f"arms.{index}.values", told)
    for index, metric in enumerate(design.metrics):
        if metric.on_breach is BreachAction.STOP:
            told = (
                f"A breach of “{metric.key}” cannot stop what is assigned outside; choose to be alerted, and"
                " stop it there."
            )
            yield Problem(f"metrics.{index}.on_breach", told)
    yield from _variant_faults(design, table)
    yield from _since_faults(table, now)
    yield from _attribute_faults(design, table)


def is_number(text: str) -> bool:
    """Whether a text can be looked for in a column of numbers."""
    sign, digits = text[:1], text.lstrip("-")
    whole, _, rest = digits.partition(".")
    return sign != "+" and text.isascii() and whole.isdecimal() and (not rest or rest.isdecimal())


def _column_faults(design: Design, table: ExposureTable, source: Source) -> Iterator[Problem]:
    shape = source.shape
    if design.unit_type not in shape.units:
        known = ", ".join(shape.units)
        told = (
            f"The source “{source.ref}” has no column with the ids of {design.unit_type} units; it has them"
            f" for: {known}."
        )
        yield Problem("exposures.source", told)
    named = [
        ("variant_column", table.variant_column),
        ("experiment_column", table.experiment_column),
        ("iteration_column", table.iteration_column),
        *((f"attributes.{place}", name) for place, name in enumerate(table.attributes)),
    ]
    for field, column in named:
        if column and column not in shape.columns:
            known = ", ".join(sorted(shape.columns)) or "none"
            told = f"The source “{source.ref}” declares no column “{column}”; it declares: {known}."
            yield Problem(f"exposures.{field}", told)
    if not table.variant_column:
        yield Problem("exposures.variant_column", "Name the column that says which variant the unit met.")
    yield from _experiment_faults(table, shape)


def _experiment_faults(table: ExposureTable, shape: Shape) -> Iterator[Problem]:
    if bool(table.experiment_column) is not bool(table.experiment):
        told = "Give both the column that names the experiment and its name there, or neither."
        yield Problem("exposures.experiment", told)
        return
    kind = shape.columns.get(table.experiment_column)
    if kind is ColumnType.NUMBER and not is_number(table.experiment):
        told = (
            f"The column “{table.experiment_column}” holds numbers, and “{table.experiment}” is none;"
            " write the experiment's number."
        )
        yield Problem("exposures.experiment", told)
    elif kind is ColumnType.BOOLEAN:
        told = f"The column “{table.experiment_column}” holds true and false; name one that holds keys."
        yield Problem("exposures.experiment_column", told)
    if shape.columns.get(table.iteration_column, ColumnType.NUMBER) is ColumnType.BOOLEAN:
        told = f"The column “{table.iteration_column}” holds true and false, not the number of a run."
        yield Problem("exposures.iteration_column", told)


def _overlap_faults(table: ExposureTable) -> Iterator[Problem]:
    hours = table.overlap_hours
    if hours is not None and not 1 <= hours <= LONGEST_OVERLAP_HOURS:
        told = (
            f"Rows are read again for 1 to {LONGEST_OVERLAP_HOURS} hours; leave it empty to read all of them"
            " each time."
        )
        yield Problem("exposures.overlap_hours", told)


def _variant_faults(design: Design, table: ExposureTable) -> Iterator[Problem]:
    arms = {arm.key for arm in design.arms}
    for value, arm in table.variants.items():
        if arm not in arms:
            told = f"“{value}” stands for “{arm}”, which is none of the variants; choose one of them."
            yield Problem(f"exposures.variants.{value}", told)


def _since_faults(table: ExposureTable, now: datetime) -> Iterator[Problem]:
    if table.since is None:
        return
    if table.since > now:
        yield Problem("exposures.since", "The run outside must have begun already; leave this empty.")
    elif table.since < now - LONGEST_BEFORE:
        told = f"A run may have begun up to {LONGEST_BEFORE.days} days ago; import an older one."
        yield Problem("exposures.since", told)


def _attribute_faults(design: Design, table: ExposureTable) -> Iterator[Problem]:
    wanted = [*design.covariates, *design.breakdowns, *([design.strata] if design.strata else [])]
    for name in dict.fromkeys(wanted):
        if name not in table.attributes:
            told = f"“{name}” is read from exposures; add its column to those of the table of exposures."
            yield Problem("exposures.attributes", told)
