"""Deciding: what people choose once an experiment is stopped, and what is served after."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from equipoise_server.access.values import Actor
from equipoise_server.audit.actions import change
from equipoise_server.experiments import models, reads
from equipoise_server.experiments.checks import faults_of
from equipoise_server.experiments.evidence_json import decision_to_json
from equipoise_server.experiments.launch_checks import flags_set
from equipoise_server.experiments.locking import held_still, subject_of
from equipoise_server.experiments.moves import DECIDE
from equipoise_server.experiments.running import unpinning
from equipoise_server.experiments.shipping_checks import SHIPPING_CHECKS
from equipoise_server.experiments.starting import release_slots
from equipoise_server.experiments.values import Decision, DecisionKind, Experiment, Iteration
from equipoise_server.flags import reads as flags
from equipoise_server.flags.actions import add_rollout_rule, keep_on, unpin_flags
from equipoise_server.flags.values import Flag, Rollout, Rule
from equipoise_server.foundation.refusals import Conflict, Invalid, Problem, refuse_all
from equipoise_server.foundation.texts import text_problems


@dataclass(frozen=True, slots=True)
class Decide:
    """Ship one treatment, or none. `arm` is only read when shipping."""

    experiment_id: UUID
    kind: DecisionKind
    arm: str = ""
    reason: str = ""


def decide(actor: Actor, command: Decide, *, now: datetime) -> Experiment:
    """Close a stopped experiment. Shipping needs evidence that nothing blocks, and opens a rollout."""
    held = reads.experiment(command.experiment_id)
    actor.require(DECIDE.permission, held.project_id)
    refuse_all(Invalid, _reason_problems(command))
    environment_id = None if held.iteration is None else held.iteration.environment_id
    subject = subject_of(held.id, held.key, held.project_id, environment_id)
    with change(actor.author, "experiment.decide", subject, now=now, reason=command.reason) as entry:
        held = held_still(held)
        DECIDE.refuse_from(held.key, held.status)
        if command.kind is DecisionKind.SHIP:
            refuse_all(Conflict, faults_of(SHIPPING_CHECKS, reads.shipping_facts(held, command.arm)))
        iteration = held.iteration
        assert iteration is not None  # it was stopped, so it had started
        decision = _decision(actor, command, iteration, now=now)
        models.Experiment.objects.filter(pk=held.id).update(
            status=DECIDE.target, decision=decision_to_json(decision), version=held.version + 1
        )
        entry.before = {"status": held.status}
        entry.after = {"status": DECIDE.target, "decision": decision_to_json(decision)}
        if not iteration.is_outside:
            _let_go(actor, held, iteration, now=now)
            entry.touches(iteration.environment_id, *flags_set(iteration.design))
        if command.kind is DecisionKind.SHIP:
            _open_rollouts(actor, iteration, command.arm, now=now)
        elif not iteration.is_outside:
            _keep_control(actor, iteration, now=now)
    return reads.experiment(held.id)


def _reason_problems(command: Decide) -> list[Problem]:
    if not command.reason.strip():
        return [Problem("reason", "Say why: whoever reads this next year will want to know.")]
    return list(text_problems(reason=command.reason))


def _decision(actor: Actor, command: Decide, iteration: Iteration, *, now: datetime) -> Decision:
    arm = command.arm if command.kind is DecisionKind.SHIP else iteration.design.control
    return Decision(command.kind, arm, command.reason, actor.author.name, now)


def _let_go(actor: Actor, experiment: Experiment, iteration: Iteration, *, now: datetime) -> None:
    unpin_flags(actor.author, unpinning(experiment, iteration), now=now)
    release_slots(experiment)


def _open_rollouts(actor: Actor, iteration: Iteration, arm_key: str, *, now: datetime) -> None:
    """Roll the treatment out to those who may have met it; the gate's salt takes it away from nobody."""
    told = f"Shipped by the experiment “{iteration.experiment_key}”"
    for flag_key, variant in _values_of(iteration, arm_key):
        flag = flags.flag_by_key(iteration.project_id, flag_key)
        rule = _rollout_to_the_enrolled(iteration, variant, told)
        add_rollout_rule(actor, flag.id, iteration.environment_id, rule, now=now)


def _keep_control(actor: Actor, iteration: Iteration, *, now: datetime) -> None:
    """Keep whom it enrolled on control, wherever the flag's own rules or default serve something else."""
    told = f"Kept on control by the experiment “{iteration.experiment_key}”"
    for flag_key, variant in _values_of(iteration, iteration.design.control):
        flag = flags.flag_by_key(iteration.project_id, flag_key)
        if flag.archived_at is None and _would_change(flag, iteration.environment_id, variant):
            rule = _rollout_to_the_enrolled(iteration, variant, told)
            keep_on(actor.author, flag.id, iteration.environment_id, rule, now=now)


def _would_change(flag: Flag, environment_id: UUID, control: str) -> bool:
    here = [one for one in flag.settings.values() if one.environment_id == environment_id]
    served = {one.default for one in here}
    served |= {
        rule.serve if rule.rollout is None else rule.rollout.variant for one in here for rule in one.rules
    }
    return bool(here) and served != {control}


def _values_of(iteration: Iteration, arm_key: str) -> list[tuple[str, str]]:
    arm = next(arm for arm in iteration.design.arms if arm.key == arm_key)
    return sorted(arm.values.items())


def _rollout_to_the_enrolled(iteration: Iteration, variant: str, description: str) -> Rule:
    """By the gate's salt and share, so that it takes in everybody whom the gate let in."""
    design = iteration.design
    rollout = Rollout(variant, design.randomised_type, iteration.gate_parts_per_million, iteration.gate_salt)
    return Rule(id="", eligibility=design.eligibility, rollout=rollout, description=description)
