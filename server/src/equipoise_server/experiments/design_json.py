"""How a design is written as JSON, strictly both ways: what is unknown or of a wrong type is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from enum import StrEnum

from equipoise_server.experiments.exposure_json import exposures_to_json, read_exposures
from equipoise_server.experiments.json_reading import Json, Reader
from equipoise_server.experiments.timing_json import (
    ramp_to_json,
    read_gate_step,
    read_switchback,
    switchback_to_json,
)
from equipoise_server.experiments.traffic_json import read_traffic, traffic_to_json
from equipoise_server.experiments.values import (
    Arm,
    BreachAction,
    Design,
    Looks,
    MetricRole,
    PlannedMetric,
    Spending,
    Spillover,
)
from equipoise_server.foundation.refusals import Invalid, refuse_all
from equipoise_server.metrics.values import Margin, MarginKind


def design_to_json(design: Design) -> dict[str, object]:
    """The design with every field."""
    written: dict[str, object] = {name: getattr(design, name) for name in _names(Design)}
    written["arms"] = [arm_to_json(arm) for arm in design.arms]
    written["metrics"] = [_planned_metric_to_json(metric) for metric in design.metrics]
    written["looks"] = None if design.looks is None else _plain(design.looks)
    written["covariates"] = list(design.covariates)
    written["breakdowns"] = list(design.breakdowns)
    written["ramp"] = ramp_to_json(design.ramp)
    written["switchback"] = switchback_to_json(design.switchback)
    written["spillover"] = str(design.spillover)
    written["traffic"] = traffic_to_json(design.traffic)
    written["exposures"] = exposures_to_json(design.exposures)
    return written


def arm_to_json(arm: Arm) -> dict[str, object]:
    """One arm with every field."""
    written: dict[str, object] = {name: getattr(arm, name) for name in _names(Arm)}
    written["values"] = dict(arm.values)
    return written


def _planned_metric_to_json(metric: PlannedMetric) -> dict[str, object]:
    written = _plain(metric)
    written["margin"] = _margin_to_json(metric.margin)
    written["alarm_margin"] = _margin_to_json(metric.alarm_margin)
    return written


def _margin_to_json(margin: Margin | None) -> dict[str, object] | None:
    return None if margin is None else {"kind": str(margin.kind), "value": margin.value}


def _plain(value: Looks | PlannedMetric) -> dict[str, object]:
    """The fields, words as texts."""
    held = ((name, getattr(value, name)) for name in _names(type(value)))
    return {name: str(member) if isinstance(member, StrEnum) else member for name, member in held}


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
        looks=reader.optional("looks", _looks) if "looks" in written else Looks(),
        covariates=reader.texts("covariates"),
        strata=reader.text("strata"),
        breakdowns=reader.texts("breakdowns"),
        expected_reduction=reader.number("expected_reduction", 0.0),
        cluster_size=reader.optional_number("cluster_size"),
        cluster_correlation=reader.optional_number("cluster_correlation"),
        cluster_type=reader.text("cluster_type"),
        cluster_count=reader.optional_integer("cluster_count"),
        switchback=reader.optional("switchback", read_switchback),
        ramp=reader.items("ramp", read_gate_step),
        surface=reader.text("surface"),
        only_differing=reader.truth("only_differing", default=False),
        spillover=reader.word("spillover", Spillover, Spillover.NOT_SAID),
        traffic=read_traffic(reader),
        exposures=reader.optional("exposures", read_exposures),
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
        weight=reader.optional_number("weight"),
        bound=reader.optional_number("bound"),
        alarm_margin=reader.optional("alarm_margin", _margin),
        baseline=reader.optional_number("baseline"),
        deviation=reader.optional_number("deviation"),
    )


def _looks(reader: Reader) -> Looks:
    reader.allow(_names(Looks))
    return Looks(
        count=reader.optional_integer("count"),
        spending=reader.word("spending", Spending, Spending.OBRIEN_FLEMING),
        gamma=reader.number("gamma", -4.0),
    )


def _margin(reader: Reader) -> Margin:
    reader.allow(("kind", "value"))
    return Margin(reader.word("kind", MarginKind, MarginKind.RELATIVE), reader.number("value", 0.0))


def _names(kind: type[Design | Arm | PlannedMetric | Looks]) -> Iterator[str]:
    return (member.name for member in fields(kind))
