"""The form of a metric: fields to a definition and back. Decides nothing that the metrics room decides."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from math import nan

from equipoise_server.dashboard.forms import Form, Reader, choice, filled
from equipoise_server.dashboard.pages.attributes import attribute_lines, read_attributes
from equipoise_server.dashboard.pages.fact_lines import fact_line, read_fact
from equipoise_server.dashboard.pages.touch_forms import read_touches, touch_fields
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
    Tier,
)

_DAY = timedelta(days=1)
_SUMS = {MetricKind.SUM, MetricKind.MEAN, MetricKind.QUANTILE, MetricKind.EXCEEDANCE}


@dataclass(frozen=True, slots=True)
class MetricTexts:
    """Everything the form says but the key."""

    name: str
    definition: Definition
    direction: Direction
    description: str
    tier: Tier
    owner: str
    display: str
    default_margin: Margin | None
    minimum_units: int


def new_metric_form(owner: str) -> Form:
    """A conversion over a week: what most people need."""
    return filled(
        {
            "kind": MetricKind.CONVERSION, "owner": owner, "tier": Tier.L3, "direction": Direction.INCREASE,
            "window_days": "7", "display": "percent", "minimum_units": "100", **touch_fields(()),
        }
    )  # fmt: skip


def metric_form(metric: Metric) -> Form:
    """A stored metric as fields."""
    definition, margin = metric.definition, metric.default_margin
    fact, denominator = definition.fact, definition.denominator
    factor = 100 if margin is not None and margin.kind is MarginKind.RELATIVE else 1
    return filled(
        {
            "name": metric.name,
            "description": metric.description,
            "owner": metric.owner,
            "tier": metric.tier,
            "direction": metric.direction,
            "kind": definition.kind,
            "event": fact.event,
            "source": fact.source,
            "property": fact.property,
            "aggregate": fact.aggregate,
            "where": attribute_lines(fact.where),
            "denominator_event": denominator.event if denominator else "",
            "denominator_source": denominator.source if denominator else "",
            "denominator_property": denominator.property if denominator else "",
            "denominator_aggregate": denominator.aggregate if denominator else Aggregate.COUNT,
            "window_days": f"{definition.window / _DAY:g}",
            "cap": "" if definition.cap is None else f"{definition.cap:g}",
            **_special_fields(definition),
            "display": metric.display,
            "margin": "" if margin is None else f"{margin.value * factor:g}",
            "minimum_units": str(metric.minimum_units),
            "edition": str(metric.edition),
        }
    )


def _special_fields(definition: Definition) -> dict[str, str]:
    answer, within = definition.answer, definition.within
    return {
        "weights": attribute_lines(definition.fact.weights),
        "delay_days": f"{definition.delay / _DAY:g}" if definition.delay else "",
        "align": definition.align,
        "steps": "\n".join(fact_line(step) for step in definition.steps),
        "over": definition.over,
        "quantile": "" if definition.quantile is None else f"{definition.quantile:g}",
        "threshold": "" if definition.threshold is None else f"{definition.threshold:g}",
        "answer_event": "" if answer is None else fact_line(answer),
        "within_days": "" if within is None else f"{within / _DAY:g}",
        "covariate_days": "" if definition.covariate_days is None else str(definition.covariate_days),
        **touch_fields(definition.touches),
    }


def read_metric(reader: Reader, held: Margin | None = None) -> MetricTexts:
    """What the form says; `held` keeps an absolute margin absolute."""
    form = reader.form
    kind = choice(MetricKind, form.text("kind"), MetricKind.CONVERSION)
    minimum = reader.whole("minimum_units", "The number of units")
    return MetricTexts(
        name=form.text("name"),
        definition=_definition(reader, kind),
        direction=choice(Direction, form.text("direction"), Direction.INCREASE),
        description=form.text("description"),
        tier=choice(Tier, form.text("tier"), Tier.L3),
        owner=form.text("owner"),
        display=form.text("display", "number").strip(),
        default_margin=_margin(reader, held),
        minimum_units=0 if minimum is None else minimum,
    )


def _definition(reader: Reader, kind: MetricKind) -> Definition:
    form = reader.form
    days = reader.number("window_days", "The window")
    delay = reader.number("delay_days", "The delay")
    within = reader.number("within_days", "The time for an answer")
    answer = form.text("answer_event").strip()
    return Definition(
        kind=kind,
        fact=_fact(form, kind),
        denominator=_denominator(form),
        window=timedelta(0) if days is None else _days(days),
        cap=reader.number("cap", "The cap"),
        delay=timedelta(0) if delay is None else _days(delay),
        align=choice(Align, form.text("align"), Align.EXACT),
        steps=tuple(read_fact(line) for line in form.text("steps").splitlines() if line.strip()),
        quantile=reader.number("quantile", "The quantile"),
        over=choice(Spread, form.text("over"), Spread.EVENTS),
        threshold=reader.number("threshold", "The threshold"),
        answer=read_fact(answer) if answer else None,
        within=None if within is None else _days(within),
        covariate_days=reader.whole("covariate_days", "The days before"),
        touches=read_touches(reader),
    )


def _fact(form: Form, kind: MetricKind) -> Fact:
    where, weights = read_attributes(form.text("where")), _weights(form)
    chosen = choice(Aggregate, form.text("aggregate"), Aggregate.COUNT)
    aggregate = Aggregate.SUM if kind in _SUMS else chosen if kind is MetricKind.RATIO else Aggregate.COUNT
    if weights and kind in {MetricKind.SUM, MetricKind.RATIO}:
        aggregate = Aggregate.WEIGHT
    event, name = form.text("event").strip(), form.text("property").strip()
    source = form.text("source").strip()
    return Fact("" if source else event, aggregate, name, where or None, weights or None, source)


def _weights(form: Form) -> dict[str, float]:
    """Texts with their weights; what is no number is refused by the catalogue."""
    read = read_attributes(form.text("weights"))
    return {
        text: float(weight) if isinstance(weight, int | float) and not isinstance(weight, bool) else nan
        for text, weight in read.items()
    }


def _days(days: float) -> timedelta:
    """A length that a timedelta can hold; too long ones are refused by the catalogue."""
    return timedelta(days=min(max(days, -1.0), 10_000.0))


def _denominator(form: Form) -> Fact | None:
    event, source = form.text("denominator_event").strip(), form.text("denominator_source").strip()
    if not event and not source:
        return None
    aggregate = choice(Aggregate, form.text("denominator_aggregate"), Aggregate.COUNT)
    name = form.text("denominator_property").strip()
    return Fact("" if source else event, aggregate, name, source=source)


def _margin(reader: Reader, held: Margin | None) -> Margin | None:
    value = reader.number("margin", "The margin")
    if value is None:
        return None
    if held is not None and held.kind is MarginKind.ABSOLUTE:
        return Margin(MarginKind.ABSOLUTE, value)
    return Margin(MarginKind.RELATIVE, value / 100)
