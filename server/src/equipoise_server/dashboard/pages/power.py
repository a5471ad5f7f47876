"""The power panel beside the plan: what it can find, what looking costs, and what guardrails may block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from markupsafe import Markup

from equipoise_server.analysis.reads import KnownMetric, SwitchbackPower
from equipoise_server.analysis.values import (
    GuardrailPower,
    GuardrailQuestion,
    PowerAnswer,
    PowerQuestion,
    WeekMde,
)
from equipoise_server.dashboard import words
from equipoise_server.dashboard.charts import PlanPoint, mde_by_week
from equipoise_server.dashboard.charts.values import Canvas
from equipoise_server.dashboard.pages.figures import Figure, Table
from equipoise_server.experiments.values import Design, MetricRole, PlannedMetric
from equipoise_server.metrics.values import Metric

_PANEL = Canvas(340, 240)
DAY = timedelta(days=1)
LIKELY_BLOCKED = 0.2
"""Above this chance a plan rather tests the guardrail than the change."""


@dataclass(frozen=True, slots=True)
class GuardrailChance:
    """How likely a change that does no harm fails a guardrail for want of units."""

    name: str
    says: str
    is_likely: bool


@dataclass(frozen=True, slots=True)
class PowerPanel:
    """What the plan can find; `missing` says what to fill in first."""

    missing: str = ""
    units_per_arm: str = ""
    days_needed: int | None = None
    is_long_enough: bool | None = None
    """Whether the planned days suffice; None when none are planned."""
    figure: Figure | None = None
    looking: str = ""
    guardrails: tuple[GuardrailChance, ...] = ()
    decided_by: str = ""
    all_pass: str = ""
    clusters: str = ""
    smallest: str = ""
    """Of a switchback: the smallest lift that its planned days can find; units do not count there."""
    unknown: str = ""
    """Why that cannot be told."""


def power_question(
    design: Design, oec: Metric, catalogue: Mapping[str, Metric], known: Mapping[str, KnownMetric]
) -> PowerQuestion:
    """What the draft asks; guardrails without a typed value are taken as the last experiment found them."""
    share = design.slot_share * design.audience_parts_per_million / 1_000_000
    control_first = sorted(design.arms, key=lambda arm: arm.key != design.control)
    planned = [one for one in design.metrics if one.role is MetricRole.GUARDRAIL and one.key in catalogue]
    windows = [catalogue[one.key].definition.window / DAY for one in design.metrics if one.key in catalogue]
    is_open = design.planned_days is None
    return PowerQuestion(
        kind=oec.definition.kind,
        baseline=design.baseline,
        deviation=design.baseline_deviation,
        mde_relative=design.mde_relative,
        alpha=design.alpha,
        power=design.power,
        weights=tuple(max(arm.weight, 1) for arm in control_first),
        daily_units=None if design.daily_units is None else round(design.daily_units * share),
        planned_days=design.planned_days,
        looks=None if is_open else design.looks,
        reduction=design.expected_reduction if 0 <= design.expected_reduction < 1 else 0.0,
        guardrails=tuple(_guardrail_question(one, catalogue[one.key], known.get(one.key)) for one in planned),
        cluster_size=design.cluster_size if design.cluster_type else None,
        cluster_correlation=design.cluster_correlation,
        window_days=max(windows, default=0.0),
    )


def _guardrail_question(
    planned: PlannedMetric, metric: Metric, known: KnownMetric | None
) -> GuardrailQuestion:
    baseline = planned.baseline if planned.baseline is not None or known is None else known.value
    deviation = planned.deviation if planned.deviation is not None or known is None else known.deviation
    margin = planned.margin or metric.default_margin
    return GuardrailQuestion(metric.name, metric.definition.kind, baseline, deviation, margin)


def power_panel(design: Design, answer: PowerAnswer) -> PowerPanel:
    """The panel of an answered power question."""
    if answer.missing:
        return PowerPanel(missing=" and ".join(answer.missing))
    days = answer.recommended_days
    return PowerPanel(
        units_per_arm="" if answer.units_per_arm is None else words.whole(answer.units_per_arm),
        days_needed=days,
        is_long_enough=None if design.planned_days is None or days is None else design.planned_days >= days,
        figure=_figure(design, answer.by_week),
        looking=_looking(design, answer.inflation),
        guardrails=tuple(map(_chance, answer.guardrails)),
        decided_by=answer.decided_by,
        all_pass=words.percent(answer.all_pass, 0)
        if answer.all_pass is not None and answer.guardrails
        else "",
        clusters="" if answer.clusters is None else words.whole(answer.clusters),
    )


def switchback_panel(design: Design, found: SwitchbackPower) -> PowerPanel:
    """The panel of a switchback, whose windows are the observations."""
    if found.mde_relative is None or design.switchback is None:
        return PowerPanel(unknown=found.reason)
    needed = found.days_needed
    past = words.counted(found.past_days, "day")
    return PowerPanel(
        smallest=words.percent(found.mde_relative),
        days_needed=needed,
        is_long_enough=None if needed is None else design.switchback.days >= needed,
        figure=_figure(design, found.by_week),
        looking="Windows of regions are what is compared: a longer run or more regions find less, more units"
        f" do not. Read from drawing the schedule again and again over the last {past}.",
    )


def _figure(design: Design, by_week: Sequence[WeekMde]) -> Figure | None:
    points = [PlanPoint(week.week, week.mde_relative) for week in by_week if week.mde_relative]
    if not points:
        return None
    days = design.planned_days if design.switchback is None else design.switchback.days
    planned_weeks = None if days is None else days / 7
    rows = tuple((words.counted(p.weeks, "week"), words.percent(p.mde, 2)) for p in points)
    title = "Smallest lift you can find, by weeks of running"

    def draw(canvas: Canvas) -> Markup:
        return mde_by_week(points, canvas, wanted=design.mde_relative, planned_weeks=planned_weeks)

    return Figure(title, draw(_PANEL), draw(_PANEL), table=Table(("Running for", "Smallest lift"), rows))


def _looking(design: Design, inflation: float) -> str:
    """What it costs to look before the end."""
    more = words.percent(inflation - 1, 0)
    if design.planned_days is None or design.looks is None:
        return f"Reading it at any time takes {more} more units than one look at a planned end."
    if design.looks.count == 1:
        return "One look at the end takes the fewest units, and nothing can be said before it."
    return f"Looking before the end takes {more} more units than one look at the end, and may end it early."


def _chance(one: GuardrailPower) -> GuardrailChance:
    if one.blocked is None:
        return GuardrailChance(one.name, f"cannot be told: say {one.missing} (step Metrics)", is_likely=False)
    is_likely = one.blocked > LIKELY_BLOCKED
    needed = "" if one.units_per_arm is None else f"; {words.whole(one.units_per_arm)} units an arm would do"
    ending = needed if is_likely else ""
    return GuardrailChance(one.name, f"{words.percent(one.blocked, 0)}{ending}", is_likely)


def known_words(catalogue: Mapping[str, Metric], known: Mapping[str, KnownMetric]) -> dict[str, str]:
    """By metric, what it was in the newest experiment that measured it, for people to type or correct."""
    return {
        key: f"{words.measure(one.value, catalogue[key].display)} in “{one.experiment}”"
        + (f", deviation {words.plain(one.deviation)}" if one.deviation is not None else "")
        for key, one in known.items()
        if key in catalogue
    }


def missing_before_power(oec: Metric | None, design: Design) -> str:
    """What earlier steps must say before the power can be computed."""
    missing = [] if oec is not None else ["the deciding metric (step Metrics)"]
    if len(design.arms) < 2:  # noqa: PLR2004  # a comparison needs two
        missing.append("two variants (step Variants)")
    return " and ".join(missing)
