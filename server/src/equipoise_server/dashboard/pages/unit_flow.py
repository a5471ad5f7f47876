"""How far units came and whom the traffic filter left out, as the Health tab shows them: counts alone."""

from __future__ import annotations

from dataclasses import dataclass

from equipoise_server.analysis.values import Funnel, FunnelStep, Report, Traffic
from equipoise_server.dashboard import words

ODD_BELOW = 0.001
_STEPS = {
    "assigned": ("Assigned", "Slots and gate let them in. Computed again from the ids that sent any event."),
    "exposed": ("Exposed", "They met their variant."),
    "triggered": ("Triggered", "Another variant would have looked different to them."),
}


@dataclass(frozen=True, slots=True)
class StepLine:
    """One step: units per arm, the share of the step before that came along, and what is odd about it."""

    name: str
    means: str
    counts: tuple[str, ...]
    kept: tuple[str, ...]
    p_value: str
    lost_p_value: str
    is_uneven: bool
    loses_unevenly: bool


@dataclass(frozen=True, slots=True)
class FunnelCard:
    """The funnel; `told` says what it is computed from."""

    arms: tuple[str, ...]
    eligible: str
    steps: tuple[StepLine, ...]
    told: str
    elsewhere: str


@dataclass(frozen=True, slots=True)
class FilterLine:
    """What one rule took away."""

    name: str
    counts: tuple[str, ...]
    p_value: str
    is_odd: bool
    is_about_behaviour: bool


@dataclass(frozen=True, slots=True)
class TrafficCard:
    """The split before and after the filter, and its rules."""

    version: int
    arms: tuple[str, ...]
    before: tuple[str, ...]
    before_p_value: str
    after: tuple[str, ...]
    after_p_value: str
    rules: tuple[FilterLine, ...]
    is_odd: bool


def funnel_card(report: Report) -> FunnelCard | None:
    """The funnel of a report; None while there is none."""
    found = report.funnel
    if found is None or not found.steps:
        return None
    before: tuple[int, ...] | None = None
    lines = []
    for step in found.steps:
        lines.append(_step_line(step, before))
        before = step.counts
    return FunnelCard(
        arms=tuple(arm.name for arm in report.arms),
        eligible="" if found.reason else words.whole(found.eligible),
        steps=tuple(lines),
        told=_told(found),
        elsewhere=words.whole(found.elsewhere) if found.elsewhere and not found.reason else "",
    )


def _told(found: Funnel) -> str:
    if found.reason:
        return f"Who was assigned is not known: {found.reason}."
    if found.share < 1:
        return f"Of one unit in {round(1 / found.share)} that sent any event while it ran."
    return "Of all units that sent any event while it ran."


def _step_line(step: FunnelStep, before: tuple[int, ...] | None) -> StepLine:
    name, means = _STEPS[step.name]
    kept = () if before is None else tuple(_share(n, of) for n, of in zip(step.counts, before, strict=True))
    return StepLine(
        name=name,
        means=means,
        counts=tuple(map(words.whole, step.counts)),
        kept=kept,
        p_value=words.p_value(step.p_value),
        lost_p_value="" if step.lost_p_value is None else words.p_value(step.lost_p_value),
        is_uneven=_is_odd(step.p_value),
        loses_unevenly=_is_odd(step.lost_p_value),
    )


def _share(n: int, of: int) -> str:
    return words.percent(n / of) if of else words.UNKNOWN


def traffic_card(report: Report) -> TrafficCard | None:
    """What the traffic filter did; None where none held at the start."""
    found: Traffic | None = report.traffic
    if found is None:
        return None
    return TrafficCard(
        version=found.version,
        arms=tuple(arm.name for arm in report.arms),
        before=tuple(map(words.whole, found.before)),
        before_p_value=words.p_value(found.before_p_value),
        after=tuple(map(words.whole, found.after)),
        after_p_value=words.p_value(found.after_p_value),
        rules=tuple(
            FilterLine(
                rule.name,
                tuple(map(words.whole, rule.counts)),
                words.p_value(rule.p_value),
                _is_odd(rule.p_value),
                rule.is_about_behaviour,
            )
            for rule in found.rules
        ),
        is_odd=_is_odd(found.p_value),
    )


def _is_odd(p_value: float | None) -> bool:
    return p_value is not None and p_value < ODD_BELOW
