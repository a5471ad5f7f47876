"""Set-ups of tests about health checks; each walks the real actions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from metrics_server import Metrics
from people import NOW
from scenes import Shop, environment_of

from equipoise_server.flags.values import Flag
from equipoise_server.foundation import due_work
from equipoise_server.health import reads
from equipoise_server.health.actions import CreateCheck, create_check
from equipoise_server.health.values import HealthCheck, OnFailure, Plan

BY_VARIANT = {"grey": "grey", "green": "green"}
PLAN = Plan("prometheus", "errors", 0.05, label="variant", variants=BY_VARIANT, failures=2)
WELL = {"grey": 0.01, "green": 0.02}
ILL = {"grey": 0.01, "green": 0.09}


def a_check(shop: Shop, flag: Flag, plan: Plan = PLAN, key: str = "errors") -> HealthCheck:
    """A check of the flag in production."""
    command = CreateCheck(flag.id, environment_of(shop).id, key, f"The {key} of the shop", plan)
    return create_check(shop.owner, command, now=NOW)


def killing(plan: Plan = PLAN) -> Plan:
    """The same, but it kills."""
    return replace(plan, on_failure=OnFailure.KILL)


def rolling_back(plan: Plan = PLAN) -> Plan:
    """The same, but it rolls back."""
    return replace(plan, on_failure=OnFailure.ROLL_BACK)


def work(now: datetime, *kinds: str) -> None:
    """Do what is due of some kinds; of all that health checks lead to, unless said otherwise."""
    wanted = frozenset(kinds or ("health.ask", "flag.killed", "flag.ramp", "experiment.ramp"))
    if not kinds or "health.ask" in kinds:
        due_work.schedule("health.watch", "periodic", due_at=now)
        wanted |= {"health.watch"}
    while (claimed := due_work.claim("worker", now=now, kinds=wanted)) is not None:
        due_work.run(claimed, now=now)
        due_work.finish(claimed, now=now)


def after_looks(metrics: Metrics, check: HealthCheck, *looks: Mapping[str, float | str]) -> HealthCheck:
    """The check after looks at these values, one interval apart."""
    for values in looks:
        metrics.says(values)
        work(next_look(check), "health.ask")
        check = reads.check(check.id)
    return check


def next_look(check: HealthCheck) -> datetime:
    """When it is asked about next."""
    asked_at = check.standing.asked_at
    interval = timedelta(seconds=check.plan.interval_seconds)
    return check.created_at if asked_at is None else asked_at + interval
