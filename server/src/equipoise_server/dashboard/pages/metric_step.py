"""The wizard's metrics: one or several that decide, guardrails with margins and bounds, and the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from equipoise_server.dashboard.forms import Form, Reader, choice
from equipoise_server.experiments.values import BreachAction, Design, MetricRole, PlannedMetric
from equipoise_server.metrics.values import Margin, MarginKind

Texts = Mapping[str, str | Sequence[str]]
USUAL_WEIGHT = "50"


def metrics_texts(design: Design) -> Texts:
    """The step's fields from the draft."""
    deciding = [planned for planned in design.metrics if planned.role is MetricRole.OEC]
    texts: dict[str, str | Sequence[str]] = {
        "oec": deciding[0].key if deciding else "",
        "oec.weight": _number(deciding[0].weight if deciding else None, 100),
        "secondary": _keys(design, MetricRole.SECONDARY),
        "diagnostic": _keys(design, MetricRole.DIAGNOSTIC),
    }
    for place, planned in enumerate(deciding[1:]):
        texts |= {f"part.{place}.key": planned.key, f"part.{place}.weight": _number(planned.weight, 100)}
    guardrails = [planned for planned in design.metrics if planned.role is MetricRole.GUARDRAIL]
    for place, planned in enumerate(guardrails):
        texts |= _guardrail_texts(f"guardrail.{place}", planned)
    return texts


def _keys(design: Design, role: MetricRole) -> tuple[str, ...]:
    return tuple(planned.key for planned in design.metrics if planned.role is role)


def _guardrail_texts(at: str, planned: PlannedMetric) -> dict[str, str]:
    kind = MarginKind.RELATIVE if planned.margin is None else planned.margin.kind
    return {
        f"{at}.key": planned.key,
        f"{at}.margin": _margin_text(planned.margin),
        f"{at}.kind": kind,
        f"{at}.on_breach": planned.on_breach,
        f"{at}.bound": _number(planned.bound, 1),
        f"{at}.alarm": _margin_text(planned.alarm_margin),
        f"{at}.baseline": _number(planned.baseline, 1),
        f"{at}.deviation": _number(planned.deviation, 1),
    }


def guardrail_count(form: Form) -> int:
    """How many guardrail lines to show: the filled ones and an empty one."""
    return _filled(form, "guardrail") + 1


def part_count(form: Form) -> int:
    """How many further deciding metrics to show: the filled ones and an empty one."""
    return _filled(form, "part") + 1


def _filled(form: Form, kind: str) -> int:
    return sum(1 for place in _places(form, kind) if form.text(f"{kind}.{place}.key"))


def _places(form: Form, kind: str) -> list[str]:
    found = {
        name.split(".")[1]
        for name in form.values
        if name.startswith(f"{kind}.") and name.endswith(".key") and name.count(".") == 2  # noqa: PLR2004  # kind.place.key
    }
    return sorted((place for place in found if place.isdecimal()), key=int)


def read_metrics(reader: Reader, design: Design) -> Design:
    """The draft with the metrics that were chosen."""
    form = reader.form
    secondary = [PlannedMetric(key, MetricRole.SECONDARY) for key in form.all("secondary")]
    diagnostic = [PlannedMetric(key, MetricRole.DIAGNOSTIC) for key in form.all("diagnostic")]
    guardrails = [_read_guardrail(reader, f"guardrail.{place}") for place in _places(form, "guardrail")]
    chosen = [planned for planned in guardrails if planned is not None]
    return replace(design, metrics=(*_read_deciding(reader), *secondary, *chosen, *diagnostic))


def _read_deciding(reader: Reader) -> list[PlannedMetric]:
    """One metric without a weight, or several with one each."""
    form = reader.form
    further = [
        (form.text(f"part.{place}.key"), reader.number(f"part.{place}.weight", "The weight"))
        for place in _places(form, "part")
        if form.text(f"part.{place}.key")
    ]
    if not form.text("oec"):
        return [PlannedMetric(key, MetricRole.OEC, weight=_share(weight)) for key, weight in further]
    if not further:
        return [PlannedMetric(form.text("oec"), MetricRole.OEC)]
    first = (form.text("oec"), reader.number("oec.weight", "The weight"))
    return [PlannedMetric(key, MetricRole.OEC, weight=_share(weight)) for key, weight in (first, *further)]


def _share(weight: float | None) -> float | None:
    return None if weight is None else weight / 100


def _read_guardrail(reader: Reader, at: str) -> PlannedMetric | None:
    key = reader.form.text(f"{at}.key")
    value = reader.number(f"{at}.margin", "The margin")
    if not key:
        return None
    kind = choice(MarginKind, reader.form.text(f"{at}.kind"), MarginKind.RELATIVE)
    return PlannedMetric(
        key,
        MetricRole.GUARDRAIL,
        _margin(kind, value),
        choice(BreachAction, reader.form.text(f"{at}.on_breach"), BreachAction.ALERT),
        bound=reader.number(f"{at}.bound", "The bound"),
        alarm_margin=_margin(kind, reader.number(f"{at}.alarm", "The alarm's margin")),
        baseline=reader.number(f"{at}.baseline", "Today's value"),
        deviation=reader.number(f"{at}.deviation", "The deviation"),
    )


def _margin(kind: MarginKind, value: float | None) -> Margin | None:
    if value is None:
        return None
    return Margin(kind, value / 100 if kind is MarginKind.RELATIVE else value)


def _margin_text(margin: Margin | None) -> str:
    if margin is None:
        return ""
    return _number(margin.value, 100 if margin.kind is MarginKind.RELATIVE else 1)


def _number(value: float | None, factor: int) -> str:
    return "" if value is None else f"{value * factor:.10g}"
