"""Metrics as people write them in YAML: read strictly with every fault at once, written back the same."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any, Self
from uuid import UUID

import yaml
from ninja import Field
from pydantic import ValidationError, model_validator

from equipoise_server.api.metrics import FactBody, refuse_unless_one_of_two
from equipoise_server.api.reading import Strict
from equipoise_server.foundation.refusals import Invalid, Problem
from equipoise_server.metrics.actions import CreateMetric
from equipoise_server.metrics.reads import definition_to_json, fact_to_json
from equipoise_server.metrics.values import (
    Aggregate,
    Align,
    Definition,
    Direction,
    Fact,
    Margin,
    MarginKind,
    Metric,
    MetricKind,
    Spread,
    Through,
    Tier,
    Touch,
    TouchPreset,
    in_order,
    preset_touch,
)

LARGEST_FILE = 500_000
_SPAN = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(d|h|m|s)")
_UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0}
_SUMS = {MetricKind.SUM, MetricKind.MEAN, MetricKind.QUANTILE, MetricKind.EXCEEDANCE}
Span = Field("7d", pattern=rf"^{_SPAN.pattern}$", description="A length such as 7d, 12h, 30m or 90s.")
MaybeSpan = Field(None, pattern=rf"^{_SPAN.pattern}$", description="A length such as 7d, 12h, 30m or 90s.")


class MarginEntry(Strict):
    """How much worse than control is still acceptable: one of the two."""

    relative: float | None = None
    absolute: float | None = None


class FactEntry(FactBody):
    """Which events count, and what of them adds up; by default what the kind needs."""

    aggregate: Aggregate | None = None  # type: ignore[assignment]  # filled by kind


class TouchEntry(Strict):
    """A click or a view that the metric's events must follow: by a preset, or by both other members."""

    fact: FactEntry
    preset: TouchPreset | None = None
    through: Through | None = None
    within: str | None = MaybeSpan

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Self:
        refuse_unless_one_of_two(self.preset, self.through, within=("within", self.within))
        return self


class MetricEntry(Strict):
    """One metric. What only some kinds have is refused for all others."""

    name: str
    kind: MetricKind
    fact: FactEntry
    denominator: FactEntry | None = None
    steps: list[FactEntry] = Field(default_factory=list)
    answer: FactEntry | None = None
    within: str | None = MaybeSpan
    window: str = Span
    delay: str | None = MaybeSpan
    align: Align = Align.EXACT
    cap: float | None = None
    quantile: float | None = None
    over: Spread = Spread.EVENTS
    threshold: float | None = None
    covariate_days: int | None = Field(None, ge=-1_000, le=1_000)
    touches: list[TouchEntry] = Field(default_factory=list)
    direction: Direction = Direction.INCREASE
    description: str = ""
    tier: Tier = Tier.L3
    owner: str = ""
    display: str = "number"
    margin: MarginEntry | None = None
    minimum_units: int = Field(100, le=2**31 - 1)


class MetricFile(Strict):
    """A file of metrics, by key. Metrics that it does not name stay as they are."""

    metrics: dict[str, MetricEntry]


def file_schema() -> dict[str, Any]:
    """The JSON Schema of a file, made from the types."""
    return MetricFile.model_json_schema()


def read_file(text: str, project_id: UUID) -> list[CreateMetric]:
    """The entries of a file; every fault is refused by its place."""
    try:
        found = MetricFile.model_validate(_parsed(text))
    except ValidationError as faults:
        raise Invalid(*(_problem(one) for one in faults.errors())) from None
    return [_command(key, entry, project_id) for key, entry in found.metrics.items()]


def write_file(metrics: tuple[Metric, ...]) -> str:
    """The metrics as a file that reads back the same."""
    return yaml.safe_dump(
        {"metrics": {metric.key: _written(metric) for metric in metrics}}, sort_keys=False, allow_unicode=True
    )


class _PlainLoader(yaml.SafeLoader):
    """YAML without anchors: a few lines of them could stand for gigabytes."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """A node, unless it repeats another."""
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("anchors and aliases are not read here; write it out")
        return super().compose_node(parent, index)


def _parsed(text: str) -> object:
    if len(text) > LARGEST_FILE:
        raise Invalid(Problem("", f"A file has at most {LARGEST_FILE:,} characters; split it."))
    try:
        return yaml.load(text, _PlainLoader)  # noqa: S506  # a safe loader
    except (yaml.YAMLError, ValueError, RecursionError) as fault:
        told = " ".join(str(fault).split())
        raise Invalid(Problem("", f"This is no YAML that can be read: {told}.")) from None


def _problem(fault: Any) -> Problem:
    place = ".".join(str(part) for part in fault["loc"])
    is_length = fault["type"] == "string_pattern_mismatch"  # no other text has a pattern
    told = "Write a length such as 7d, 12h, 30m or 90s" if is_length else fault["msg"]
    return Problem(place, f"“{place or 'the file'}”: {told}.")


def _command(key: str, entry: MetricEntry, project_id: UUID) -> CreateMetric:
    return CreateMetric(
        project_id, key, entry.name, _definition(entry), entry.direction, entry.description, entry.tier,
        entry.owner, entry.display, _margin(key, entry.margin), entry.minimum_units,
    )  # fmt: skip


def _definition(entry: MetricEntry) -> Definition:
    usual = Aggregate.SUM if entry.kind in _SUMS else Aggregate.COUNT
    return Definition(
        kind=entry.kind,
        fact=_fact(entry.fact, usual),
        denominator=None if entry.denominator is None else _fact(entry.denominator, Aggregate.COUNT),
        window=_length(entry.window),
        cap=entry.cap,
        delay=timedelta(0) if entry.delay is None else _length(entry.delay),
        align=entry.align,
        steps=tuple(_fact(step, Aggregate.COUNT) for step in entry.steps),
        quantile=entry.quantile,
        over=entry.over,
        threshold=entry.threshold,
        answer=None if entry.answer is None else _fact(entry.answer, Aggregate.COUNT),
        within=None if entry.within is None else _length(entry.within),
        covariate_days=entry.covariate_days,
        touches=in_order(_touch(one) for one in entry.touches),
    )


def _touch(entry: TouchEntry) -> Touch:
    fact = _fact(entry.fact, Aggregate.COUNT)
    if entry.preset is not None:
        return preset_touch(entry.preset, fact)
    return Touch(entry.through or Through.CLICK, fact, _length(entry.within or "0s"))


def _fact(entry: FactEntry, usual: Aggregate) -> Fact:
    aggregate = entry.aggregate or (Aggregate.WEIGHT if entry.weights else usual)
    return Fact(
        entry.event, aggregate, entry.property, entry.where or None, entry.weights or None, entry.source
    )


def _margin(key: str, entry: MarginEntry | None) -> Margin | None:
    if entry is None:
        return None
    if (entry.relative is None) == (entry.absolute is None):
        told = f"“{key}”: a margin is either relative or absolute; give one of the two."
        raise Invalid(Problem(f"metrics.{key}.margin", told))
    if entry.relative is not None:
        return Margin(MarginKind.RELATIVE, entry.relative)
    return Margin(MarginKind.ABSOLUTE, entry.absolute or 0.0)


def _length(written: str) -> timedelta:
    found = _SPAN.fullmatch(written)
    assert found is not None, "the pattern was checked"
    return timedelta(seconds=min(float(found[1]) * _UNITS[found[2]], 1e9))


def _span_text(seconds: float) -> str:
    for unit, size in _UNITS.items():
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:g}s"


def _touch_written(touch: Touch) -> dict[str, object]:
    return {
        "through": str(touch.through),
        "fact": fact_to_json(touch.fact),
        "within": _span_text(touch.within.total_seconds()),
    }


def _written(metric: Metric) -> dict[str, object]:
    """Only what is not as it would be read anyway."""
    said = definition_to_json(metric.definition)
    lengths = {"window": "window_seconds", "delay": "delay_seconds", "within": "within_seconds"}
    entry: dict[str, object] = {"name": metric.name, "kind": str(metric.definition.kind)}
    entry |= {name: said[name] for name in ("fact", "denominator", "steps", "answer") if said.get(name)}
    entry |= {name: _span_text(float(str(said[key]))) for name, key in lengths.items() if key in said}
    entry |= (
        {"touches": [_touch_written(one) for one in metric.definition.touches]} if "touches" in said else {}
    )
    plain = ("align", "cap", "quantile", "over", "threshold", "covariate_days")
    entry |= {name: said[name] for name in plain if said.get(name) is not None}
    entry |= {"direction": str(metric.direction), "tier": str(metric.tier), "display": metric.display}
    entry |= {name: getattr(metric, name) for name in ("description", "owner") if getattr(metric, name)}
    if metric.default_margin is not None:
        entry["margin"] = {str(metric.default_margin.kind): metric.default_margin.value}
    return entry | {"minimum_units": metric.minimum_units}
