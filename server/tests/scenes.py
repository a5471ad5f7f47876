"""One-line set-ups of the server's tests; each walks the real actions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from people import NOW, a_project, an_admin

from equipoise_server.access.values import Actor, Environment, Project
from equipoise_server.experiments.actions import (
    CreateExperiment,
    Launch,
    Stop,
    create_experiment,
    launch,
    record_verdict,
    stop,
)
from equipoise_server.experiments.reads import experiment as experiment_with_id
from equipoise_server.experiments.values import (
    Arm,
    BreachAction,
    Design,
    Experiment,
    MetricRole,
    PlannedMetric,
    Verdict,
    VerdictState,
)
from equipoise_server.flags.actions import CreateFlag, UpdateFlagSettings, create_flag
from equipoise_server.flags.reads import flags_of
from equipoise_server.flags.values import Flag, FlagSettings, FlagType, FlagVariant
from equipoise_server.metrics.actions import CreateMetric, create_metric
from equipoise_server.metrics.reads import metrics_of
from equipoise_server.metrics.values import (
    Aggregate,
    Definition,
    Direction,
    Fact,
    Margin,
    MarginKind,
    Metric,
    MetricKind,
)

PURCHASE = Definition(MetricKind.CONVERSION, Fact("purchase"))
CATALOGUE = (
    ("purchase", PURCHASE, None),
    (
        "latency",
        Definition(MetricKind.MEAN, Fact("page", Aggregate.SUM)),
        Margin(MarginKind.RELATIVE, 0.05),
    ),
)


@dataclass(frozen=True, slots=True)
class Shop:
    """A project with the environments development and production, and its admin."""

    owner: Actor
    project: Project


def a_shop(key: str = "shop", email: str = "ada@example.com") -> Shop:
    """A shop's project and its admin."""
    return Shop(*a_project(an_admin(email), key))


def a_button_flag(shop: Shop, key: str = "checkout-button") -> Flag:
    """The flag of the shop's button: grey, until somebody makes it green."""
    variants = (FlagVariant("grey", "grey"), FlagVariant("green", "green"))
    command = CreateFlag(shop.project.id, key, "Checkout button", FlagType.STRING, variants, "grey", "grey")
    return create_flag(shop.owner, command, now=NOW)


def settings_of(flag: Flag, environment: str = "production") -> FlagSettings:
    """The flag's settings in production."""
    return flag.settings[environment]


def updated(flag: Flag, environment: str) -> UpdateFlagSettings:
    """The command that leaves a flag's settings as they are: replace what should change."""
    settings = flag.settings[environment]
    return UpdateFlagSettings(
        flag.id, settings.environment_id, settings.version, settings.off, settings.default,
        settings.overrides, settings.rules, prerequisites=settings.prerequisites,
    )  # fmt: skip


def later(days: float) -> datetime:
    """An instant some days after the cast met."""
    return NOW + timedelta(days=days)


def a_metric(
    shop: Shop,
    key: str = "purchase",
    definition: Definition = PURCHASE,
    *,
    margin: Margin | None = None,
    direction: Direction = Direction.INCREASE,
) -> Metric:
    """A metric of the catalogue: the share of units that buy, unless said otherwise."""
    command = CreateMetric(
        shop.project.id, key, key.capitalize(), definition, direction, default_margin=margin
    )
    return create_metric(shop.owner, command, now=NOW)


def the_metrics(shop: Shop) -> None:
    """The metrics that `a_design` names, unless they are there."""
    known = {metric.key for metric in metrics_of(shop.project.id)}
    for key, definition, margin in CATALOGUE:
        if key not in known:
            a_metric(shop, key, definition, margin=margin)


def a_design(flag: str = "checkout-button", **changes: Any) -> Design:
    """A sound plan for a flag with the variants grey and green, except for what is changed."""
    design = Design(
        hypothesis="A green button is easier to see, so more people buy.",
        arms=(Arm("control", "Grey", 1, {flag: "grey"}), Arm("treatment", "Green", 1, {flag: "green"})),
        metrics=(
            PlannedMetric("purchase", MetricRole.OEC),
            PlannedMetric("latency", MetricRole.GUARDRAIL, on_breach=BreachAction.STOP),
        ),
        mde_relative=0.05, baseline=0.1, daily_units=2_000, planned_days=14,
    )  # fmt: skip
    return replace(design, **changes)


def a_draft_experiment(
    shop: Shop, key: str = "checkout-button", design: Design | None = None, *, flag: str = ""
) -> Experiment:
    """A sound draft with its metrics and its flag, whose key is the experiment's unless given."""
    the_metrics(shop)
    flag_key = flag or key
    if flag_key not in {held.key for held in flags_of(shop.project.id)}:
        a_button_flag(shop, flag_key)
    command = CreateExperiment(shop.project.id, key, key.capitalize(), design or a_design(flag_key))
    return create_experiment(shop.owner, command, now=NOW)


def launched(shop: Shop, draft: Experiment, environment: str = "production") -> Experiment:
    """The draft, running."""
    command = Launch(draft.id, environment_of(shop, environment).id, draft.version)
    return launch(shop.owner, command, now=NOW)


def a_running_experiment(
    shop: Shop, key: str = "checkout-button", design: Design | None = None, *, flag: str = ""
) -> Experiment:
    """An experiment that runs in production since the cast met."""
    return launched(shop, a_draft_experiment(shop, key, design, flag=flag))


def a_stopped_experiment(
    shop: Shop, key: str = "checkout-button", design: Design | None = None, *, flag: str = ""
) -> Experiment:
    """An experiment that was stopped after 14 days and waits for a decision."""
    running = a_running_experiment(shop, key, design, flag=flag)
    return stop(shop.owner, Stop(running.id, "It has run long enough."), now=later(14))


def environment_of(shop: Shop, key: str = "production") -> Environment:
    """An environment of the shop."""
    found = shop.project.environment(key)
    assert found is not None
    return found


def found(experiment: Experiment, state: VerdictState = VerdictState.WINNING, *blocks: str) -> Experiment:
    """The experiment after analysis has found something about it."""
    assert experiment.iteration is not None
    verdict = Verdict(state, f"It is {state}.", later(14), blocks)
    record_verdict(experiment.iteration.id, verdict, now=later(14))
    return experiment_with_id(experiment.id)
