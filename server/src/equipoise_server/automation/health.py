"""What automation does when a health check has failed often enough in a row: once, audited with evidence."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.db import transaction

from equipoise_server.access.reads import automation_actor
from equipoise_server.access.values import Actor
from equipoise_server.audit.actions import change
from equipoise_server.audit.values import Subject
from equipoise_server.automation.values import NOTHING, Reaction, ReactionKind
from equipoise_server.experiments import reads as experiments
from equipoise_server.experiments.actions import Stop, stop
from equipoise_server.experiments.values import Status, StopCause
from equipoise_server.flags import reads as flags
from equipoise_server.flags.actions import ChangeRamp, KillFlag, kill_flag, roll_back_ramp
from equipoise_server.flags.values import RampState
from equipoise_server.foundation.refusals import Refusal
from equipoise_server.health import reads as health
from equipoise_server.health.actions import take_on
from equipoise_server.health.values import HealthCheck, OnFailure

HEALTH_WATCH = "health watch"


def react_to_health(check: HealthCheck, *, now: datetime) -> Reaction:
    """Act on a row of failures as the check says. Doing it again does nothing more; unknown does nothing."""
    if check.plan.on_failure is OnFailure.HOLD or not check.is_breached:
        return NOTHING
    times = f"{check.standing.failures} times in a row"
    reason = f"The health check “{check.key}” failed {times}: {health.failure_words(check)}"
    actor = automation_actor(HEALTH_WATCH)
    kind = ReactionKind(check.plan.on_failure)
    subject = Subject("flag", check.flag_id, check.flag_key, check.project_id, check.environment_id)
    with transaction.atomic():
        if not take_on(check, now=now):
            return NOTHING
        with change(actor.author, f"automation.{kind}", subject, now=now, reason=reason) as entry:
            if kind is ReactionKind.KILL:
                kill_flag(actor, KillFlag(check.flag_id, check.environment_id, reason), now=now)
                entry.after = _evidence(check)
            else:
                left = [*_stop_experiments(actor, check, reason, now), *_roll_back(actor, check, reason, now)]
                entry.after = {**_evidence(check), **({"not_done": left} if left else {})}
    return Reaction(kind, reason)


def _stop_experiments(actor: Actor, check: HealthCheck, reason: str, now: datetime) -> Iterator[str]:
    """Stop what runs on the flag; says what could not be stopped."""
    for one in experiments.experiments_setting(check.flag_key, check.environment_id):
        if one.status is not Status.RUNNING:
            continue
        try:
            stop(actor, Stop(one.id, reason, StopCause.HEALTH), now=now)
        except Refusal as refusal:
            yield f"{one.key}: {refusal}"


def _roll_back(actor: Actor, check: HealthCheck, reason: str, now: datetime) -> Iterator[str]:
    """Put the shares back; says what could not be, which the failing check holds where it is."""
    for ramp in flags.ramps_of(check.flag_id, check.environment_id):
        if ramp.state is RampState.ENDED:
            continue
        try:
            roll_back_ramp(actor, ChangeRamp(ramp.id, reason), now=now)
        except Refusal as refusal:
            yield f"{ramp.rule_id}: {refusal}"


def _evidence(check: HealthCheck) -> dict[str, object]:
    last = next(iter(health.results_of(check.id, limit=1)), None)
    return {
        "check": check.key,
        "query": check.plan.query,
        "shall_be": health.bound_words(check.plan),
        "failures": check.standing.failures,
        "at": None if last is None else last.at.isoformat(),
        "values": {} if last is None else dict(health.values_words(last.finding)),
    }
