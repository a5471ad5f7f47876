"""Sample values of every shape a page must show; for pages rendered without a database."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from equipoise_server.access.values import Environment, Permission, Project
from equipoise_server.analysis.values import (
    ArmCount,
    ComparisonRow,
    Conclusion,
    ExposurePoint,
    Guardrail,
    GuardrailState,
    Interval,
    LiftPoint,
    Method,
    NoteLevel,
    QualityNote,
    Report,
    Results,
    Srm,
    SrmPoint,
    SrmState,
    Withheld,
)
from equipoise_server.dashboard.themes import Theme
from equipoise_server.dashboard.visits import Crumb, Frame
from equipoise_server.experiments.values import (
    Arm,
    BreachAction,
    Design,
    Experiment,
    Iteration,
    MetricRole,
    PlannedMetric,
    Status,
    Verdict,
    VerdictState,
)
from equipoise_server.metrics.values import Direction, Margin, MarginKind

NOW = datetime(2026, 3, 24, 10, 5, tzinfo=UTC)
START = datetime(2026, 3, 3, 9, tzinfo=UTC)
PROJECT_ID = UUID(int=1)
DEVELOPMENT = Environment(UUID(int=2), PROJECT_ID, "development", "Development", False)
PRODUCTION = Environment(UUID(int=3), PROJECT_ID, "production", "Production", True)
SHOP = Project(PROJECT_ID, "shop", "Aster shop", ("user", "account"), "user", (DEVELOPMENT, PRODUCTION))
BLOG = replace(SHOP, id=UUID(int=9), key="blog", name="Journal")

DESIGN = Design(
    hypothesis="A green checkout button is easier to see on phones, so more visitors finish their purchase.",
    eligibility={
        "all": [
            {"attribute": "country", "operator": "in", "values": ["DE", "AT", "CH"]},
            {"attribute": "app_version", "operator": "semver_greater_or_equal", "value": "3.2"},
        ]
    },
    arms=(
        Arm("control", "Grey button", 1, {"checkout-button": "grey"}),
        Arm("green", "Green button", 1, {"checkout-button": "green"}),
    ),
    metrics=(
        PlannedMetric("purchase-rate", MetricRole.OEC, version=2),
        PlannedMetric("revenue-per-visitor", MetricRole.SECONDARY, version=1),
        PlannedMetric("items-per-order", MetricRole.SECONDARY, version=1),
        PlannedMetric(
            "page-load", MetricRole.GUARDRAIL, Margin(MarginKind.RELATIVE, 0.02), BreachAction.STOP, 1
        ),
        PlannedMetric("refund-rate", MetricRole.GUARDRAIL, Margin(MarginKind.RELATIVE, 0.05), version=1),
        PlannedMetric("search-use", MetricRole.DIAGNOSTIC, version=1),
    ),
    slot_share=0.5,
    mde_relative=0.03,
    baseline=0.112,
    daily_units=2400,
    planned_days=28,
)
ITERATION = Iteration(
    id=UUID(int=11),
    experiment_id=UUID(int=10),
    experiment_key="green-button",
    project_id=PROJECT_ID,
    environment_id=PRODUCTION.id,
    number=1,
    design=DESIGN,
    salt="k3v9q2xa",
    gate_salt="",
    layer_key="checkout",
    layer_salt="abcd2345",
    slots=((0, 5000),),
    gate_parts_per_million=1_000_000,
    started_at=START,
    planned_end_at=START + timedelta(days=28),
    stopped_at=None,
    stop_reason="",
    is_imported=False,
)
SENTENCE = (
    "Green button raises purchase rate by 6.1 % (2.9 % to 9.4 %). Both guardrails are within their margins."
)
EXPERIMENT = Experiment(
    id=UUID(int=10),
    project_id=PROJECT_ID,
    key="green-button",
    name="Green checkout button",
    owner="Mira Vogt",
    status=Status.RUNNING,
    design=DESIGN,
    iterations=(ITERATION,),
    verdict=Verdict(VerdictState.WINNING, SENTENCE, NOW - timedelta(minutes=4)),
    decision=None,
    created_at=START - timedelta(days=3),
    version=7,
)


def a_row(  # a sample row has many columns
    metric: str,
    name: str,
    role: MetricRole,
    *,
    values: tuple[float, float],
    interval: tuple[float, float] | None,
    display: str = "percent",
    direction: Direction = Direction.INCREASE,
    conclusion: Conclusion = Conclusion.UNCLEAR,
    guardrail: Guardrail | None = None,
    arm: str = "green",
    reason: str = "",
) -> ComparisonRow:
    """One metric's row with a lift that follows from its values."""
    control, treatment = values
    lift = treatment / control - 1
    bounds = Interval(*interval) if interval else None
    effect = Interval(interval[0] * control, interval[1] * control) if interval else None
    return ComparisonRow(
        metric,
        1,
        name,
        role,
        direction,
        display,
        arm,
        25_118,
        25_046,
        control,
        treatment,
        treatment - control if interval else None,
        effect,
        lift if interval else None,
        bounds,
        0.0004 if conclusion is Conclusion.BETTER else 0.21 if interval else None,
        0.031 if role is MetricRole.SECONDARY and interval else None,
        0.041 if interval else None,
        conclusion,
        reason,
        guardrail,
    )


ROWS = (
    a_row(
        "purchase-rate",
        "Purchase rate",
        MetricRole.OEC,
        values=(0.112, 0.1188),
        interval=(0.029, 0.094),
        conclusion=Conclusion.BETTER,
    ),
    a_row(
        "revenue-per-visitor",
        "Revenue per visitor",
        MetricRole.SECONDARY,
        values=(8.41, 8.79),
        interval=(0.002, 0.088),
        display="€",
        conclusion=Conclusion.BETTER,
    ),
    a_row(
        "items-per-order",
        "Items per order",
        MetricRole.SECONDARY,
        values=(2.31, 2.29),
        interval=(-0.031, 0.014),
        display="number",
    ),
    a_row(
        "page-load",
        "Page load time",
        MetricRole.GUARDRAIL,
        values=(812.0, 815.0),
        interval=(-0.006, 0.013),
        display="ms",
        direction=Direction.DECREASE,
        guardrail=Guardrail(GuardrailState.PASS, "2 % of control", 0.02, None, False),
    ),
    a_row(
        "refund-rate",
        "Refund rate",
        MetricRole.GUARDRAIL,
        values=(0.021, 0.0212),
        interval=(-0.045, 0.068),
        direction=Direction.DECREASE,
        guardrail=Guardrail(GuardrailState.UNCLEAR, "5 % of control", 0.05, None, False),
    ),
    a_row(
        "search-use",
        "Used the search",
        MetricRole.DIAGNOSTIC,
        values=(0.331, 0.322),
        interval=(-0.049, -0.006),
        conclusion=Conclusion.WORSE,
    ),
)


def _days(count: int) -> list[datetime]:
    return [START + timedelta(days=place) for place in range(count)]


def lift_points(arm: str = "green", lift: float = 0.061, days: int = 21) -> tuple[LiftPoint, ...]:
    """A lift that settles while its interval narrows."""
    chance = random.Random(arm)
    points = []
    for place, day in enumerate(_days(days)):
        half = 0.145 / (place + 1) ** 0.5
        middle = lift + chance.gauss(0, half / 4)
        points.append(LiftPoint(day.date(), arm, middle, Interval(middle - half, middle + half)))
    return tuple(points)


def exposure_points(
    arms: tuple[str, ...] = ("control", "green"), days: int = 21
) -> tuple[ExposurePoint, ...]:
    """Units that grow with weekends."""
    points = []
    for number, arm in enumerate(arms):
        total = 0
        for day in _days(days):
            total += 1290 - 260 * (day.weekday() >= 5) - 6 * number
            points.append(ExposurePoint(day.date(), arm, total))
    return tuple(points)


def srm_history(last: float, count: int = 40) -> tuple[SrmPoint, ...]:
    """p-values that end at `last`."""
    chance = random.Random(4)
    first = 0.6
    return tuple(
        SrmPoint(
            START + timedelta(hours=12 * place),
            max(min(first * (last / first) ** (place / (count - 1)) * chance.uniform(0.6, 1.5), 1.0), 1e-12),
        )
        for place in range(count)
    )


REPORT = Report(
    iteration_id=ITERATION.id,
    computed_at=NOW - timedelta(minutes=4),
    verdict=VerdictState.WINNING,
    sentence=SENTENCE,
    arms=(
        ArmCount("control", "Grey button", 25_118, 0.5, 11),
        ArmCount("green", "Green button", 25_046, 0.5, 9),
    ),
    exposures_over_time=exposure_points(),
    srm=Srm(SrmState.PASS, 0.748, srm_history(0.748)),
    notes=(
        QualityNote(
            "largest_unit",
            NoteLevel.WARN,
            "One unit carries 1.8 % of revenue",
            "Unit u-88213 alone holds 1.8 % of revenue per visitor. Without it the lift is +3.9 %.",
        ),
        QualityNote("weeks", NoteLevel.INFO, "Three full weeks", "Every weekday is covered three times."),
    ),
    results=Results(Method.CONFIDENCE_SEQUENCE, NOW.replace(hour=0, minute=0), ROWS, lift_points()),
    withheld=None,
)
LOCKED_REPORT = replace(
    REPORT,
    verdict=VerdictState.WITHHELD_SRM,
    sentence="Results are withheld: the variants did not get the shares of users that were planned.",
    arms=(
        ArmCount("control", "Grey button", 50_000, 0.5, 11),
        ArmCount("green", "Green button", 48_000, 0.5, 9),
    ),
    srm=Srm(SrmState.LOCKED, 1.7e-10, srm_history(1.7e-10)),
    results=None,
    withheld=Withheld(
        "Results are withheld: sample mismatch",
        "The plan gives both variants the same share, but one of them lost users on the way. Whatever "
        "removed them also changes every metric, so no number from this run can be trusted.",
        (
            "Is the exposure sent in both variants, at the same place in the code?",
            "Does one variant crash, redirect or load more slowly before the exposure is sent?",
            "Is a bot filter or a cache treating the variants differently?",
        ),
    ),
)


def a_frame(
    title: str,
    section: str = "experiments",
    *,
    crumbs: tuple[tuple[str, str], ...] = (),
    theme: Theme = Theme.SYSTEM,
    permissions: frozenset[Permission] = frozenset(Permission),
) -> Frame:
    """The frame of a sample page."""
    return Frame(
        title=title,
        section=section,
        crumbs=tuple(Crumb(*crumb) for crumb in crumbs),
        person="Mira Vogt",
        project=SHOP,
        environment=PRODUCTION,
        projects=(SHOP, BLOG),
        permissions=frozenset(str(permission) for permission in permissions),
        notices=(),
        theme=theme,
        path="/p/shop/production",
        now=NOW,
    )
