"""The fields of a table of exposures, for units that are assigned outside. Decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from equipoise_server.dashboard.forms import Form, Reader
from equipoise_server.experiments.values import Arm, Design, ExposureTable
from equipoise_server.foundation.refusals import Problem
from equipoise_server.sources.values import Source

WHOLE = 1_000_000
PREFIX = "outside."


def outside_texts(table: ExposureTable | None) -> dict[str, str]:
    """The fields, filled from the draft."""
    held = table or ExposureTable("", "")
    since = "" if held.since is None else f"{held.since.astimezone(UTC):%Y-%m-%dT%H:%M}"
    texts = {
        "source": held.source,
        "variant_column": held.variant_column,
        "experiment_column": held.experiment_column,
        "experiment": held.experiment,
        "iteration_column": held.iteration_column,
        "attributes": ", ".join(held.attributes),
        "since": since,
        "overlap_hours": "" if held.overlap_hours is None else str(held.overlap_hours),
    }
    return {f"{PREFIX}{name}": text for name, text in texts.items()}


def read_outside(reader: Reader, design: Design) -> Design:
    """The draft with what was typed; what only the one who assigns could do is taken out of it."""
    form = reader.form
    listed = (name.strip() for name in form.text(f"{PREFIX}attributes").split(","))
    table = ExposureTable(
        source=form.text(f"{PREFIX}source"),
        variant_column=form.text(f"{PREFIX}variant_column").strip(),
        variants={} if design.exposures is None else design.exposures.variants,
        experiment_column=form.text(f"{PREFIX}experiment_column").strip(),
        experiment=form.text(f"{PREFIX}experiment").strip(),
        iteration_column=form.text(f"{PREFIX}iteration_column").strip(),
        attributes=tuple(name for name in listed if name),
        since=_read_since(reader),
        overlap_hours=reader.whole(f"{PREFIX}overlap_hours", "The hours"),
    )
    return replace(
        design, exposures=table, unit_type=form.text("unit_type", design.unit_type), eligibility=None,
        audience_parts_per_million=WHOLE, ramp=(), layer="", slot_share=1.0, surface="", cluster_type="",
        cluster_count=None, switchback=None, only_differing=False,
        arms=tuple(replace(arm, values={}) for arm in design.arms),
    )  # fmt: skip


def value_texts_of(design: Design) -> dict[str, str]:
    """By the place of an arm, the values of the table that stand for it."""
    if design.exposures is None:
        return {}
    by_value = design.exposures.arms_by_value(tuple(arm.key for arm in design.arms))
    return {
        f"arm.{place}.outside": ", ".join(value for value, key in by_value.items() if key == arm.key)
        for place, arm in enumerate(design.arms)
    }


def with_values(design: Design, arms: Sequence[Arm], form: Form) -> Design:
    """The draft whose table says which values stand for which arm."""
    if design.exposures is None:
        return design
    variants: dict[str, str] = {}
    for place, arm in enumerate(arms):
        listed = (value.strip() for value in form.text(f"arm.{place}.outside", arm.key).split(","))
        variants |= {value: arm.key for value in listed if value}
    return replace(design, exposures=replace(design.exposures, variants=variants))


def source_options(sources: Sequence[Source], unit_type: str) -> list[tuple[str, str]]:
    """The sources that know the units."""
    fitting = [one for one in sources if unit_type in one.shape.units]
    return [("", "choose one"), *((one.key, f"{one.name} ({one.key})") for one in fitting)]


def declared_columns(sources: Sequence[Source], key: str) -> list[str]:
    """What the chosen source declares."""
    return [name for one in sources if one.key == key.partition("@")[0] for name in sorted(one.shape.columns)]


def _read_since(reader: Reader) -> datetime | None:
    typed = reader.form.text(f"{PREFIX}since").strip()
    if not typed:
        return None
    try:
        return datetime.fromisoformat(typed).replace(tzinfo=UTC)
    except ValueError:
        told = "Write when it began as day and time in UTC, such as 2026-03-02T06:00, or leave it empty."
        reader.problems.append(Problem("exposures.since", told))
        return None
