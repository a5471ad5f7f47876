"""How a design is written as JSON, strictly both ways: what is unknown or of a wrong type is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from equipoise_server.experiments.json_reading import Json, Reader
from equipoise_server.experiments.values import Arm, BreachAction, Design, MetricRole, PlannedMetric
from equipoise_server.foundation.refusals import Invalid, refuse_all
from equipoise_server.metrics.values import Margin, MarginKind


def design_to_json(design: Design) -> dict[str, object]:
    """The design with every field."""
    written: dict[str, object] = {name: getattr(design, name) for name in _names(Design)}
    written["arms"] = [arm_to_json(arm) for arm in design.arms]
    written["metrics"] = [_planned_metric_to_json(metric) for metric in design.metrics]
    return written


def arm_to_json(arm: Arm) -> dict[str, object]:
    """One arm with every field."""
    written: dict[str, object] = {name: getattr(arm, name) for name in _names(Arm)}
    written["values"] = dict(arm.values)
    return written


def _planned_metric_to_json(metric: PlannedMetric) -> dict[str, object]:
    margin = metric.margin
    return {
        "key": metric.key,
        "role": str(metric.role),
        "margin": None if margin is None else {"kind": str(margin.kind), "value": margin.value},
        "on_breach": str(metric.on_breach),
        "version": metric.version,
    }


def design_from_json(written: Json) -> Design:
    """The design; every fault of its form is listed with its dotted path."""
    reader = Reader(written, "", [])
    reader.allow(_names(Design))
    design = Design(
        hypothesis=reader.text("hypothesis"),
        unit_type=reader.text("unit_type", "user"),
        eligibility=reader.plain_object("eligibility"),
        arms=reader.items("arms", _arm),
        control=reader.text("control", "control"),
        metrics=reader.items("metrics", _planned_metric),
        layer=reader.text("layer"),
        slot_share=reader.number("slot_share", 1.0),
        audience_parts_per_million=reader.integer("audience_parts_per_million", 1_000_000),
        alpha=reader.number("alpha", 0.05),
        power=reader.number("power", 0.8),
        mde_relative=reader.optional_number("mde_relative"),
        baseline=reader.optional_number("baseline"),
        baseline_deviation=reader.optional_number("baseline_deviation"),
        daily_units=reader.optional_integer("daily_units"),
        planned_days=reader.optional_integer("planned_days"),
    )
    refuse_all(Invalid, reader.problems)
    return design


def _arm(reader: Reader) -> Arm:
    reader.allow(_names(Arm))
    return Arm(
        key=reader.text("key"),
        name=reader.text("name"),
        weight=reader.integer("weight", 1),
        values=reader.texts_by_key("values"),
        description=reader.text("description"),
    )


def _planned_metric(reader: Reader) -> PlannedMetric:
    reader.allow(_names(PlannedMetric))
    return PlannedMetric(
        key=reader.text("key"),
        role=reader.word("role", MetricRole, MetricRole.SECONDARY),
        margin=reader.optional("margin", _margin),
        on_breach=reader.word("on_breach", BreachAction, BreachAction.ALERT),
        version=reader.integer("version", 0),
    )


def _margin(reader: Reader) -> Margin:
    reader.allow(("kind", "value"))
    return Margin(reader.word("kind", MarginKind, MarginKind.RELATIVE), reader.number("value", 0.0))


def _names(kind: type[Design | Arm | PlannedMetric]) -> Iterator[str]:
    return (member.name for member in fields(kind))
