"""What automation does by itself, through the same audited actions as people."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from equipoise_server.access.reads import automation_actor
from equipoise_server.analysis.values import Report
from equipoise_server.audit import reads as audit
from equipoise_server.automation.decide import kill_instant, reaction_to
from equipoise_server.automation.values import NOTHING, Reaction, ReactionKind
from equipoise_server.experiments import reads as experiments
from equipoise_server.experiments.actions import Stop, stop
from equipoise_server.experiments.values import Experiment, Status, StopCause
from equipoise_server.flags import reads as flags
from equipoise_server.flags.values import Flag, Group

GUARDRAIL_WATCH = "guardrail watch"
KILL_SWITCH = "kill switch"


def react(iteration_id: UUID, report: Report, *, now: datetime) -> Reaction:
    """Act on a fresh report. Doing it again does nothing more."""
    iteration = experiments.iteration(iteration_id)
    if iteration.stopped_at is not None:
        return NOTHING
    reaction = reaction_to(iteration.design, report)
    if reaction.kind is ReactionKind.STOP:
        command = Stop(iteration.experiment_id, reaction.reason, StopCause.GUARDRAIL)
        stop(automation_actor(GUARDRAIL_WATCH), command, now=now)
    return reaction


def stop_after_kill(flag_id: UUID, environment_id: UUID, *, now: datetime) -> tuple[Experiment, ...]:
    """Stop what ran on a flag when its environment was killed, it or a flag that it waits for, or a group
    of theirs. An un-kill resumes nothing."""
    flag = flags.flag(flag_id)
    sources = flags.needs_graph(environment_id).silencing(flag.key)
    switches = tuple(flags.flag_by_key(flag.project_id, key) for key in sources)
    named = {key for switch in switches for key in switch.groups}
    groups = tuple(group for group in flags.groups_of(flag.project_id) if group.key in named)
    return tuple(
        stopped
        for experiment in experiments.experiments_setting(flag.key, environment_id)
        if (stopped := _stopped(experiment, flag.key, (switches, groups), now)) is not None
    )


def _stopped(
    experiment: Experiment,
    flag_key: str,
    switches: tuple[tuple[Flag, ...], tuple[Group, ...]],
    now: datetime,
) -> Experiment | None:
    iteration = experiment.iteration
    if experiment.status is not Status.RUNNING or iteration is None:
        return None
    environment_id = iteration.environment_id
    switched, groups = switches
    subjects = [("environment", environment_id), *(("flag", one.id) for one in switched)]
    subjects += [("group", one.id) for one in groups]
    records = tuple(record for kind, its_id in subjects for record in audit.of_subject(kind, its_id))
    at = kill_instant(iteration, records, _killed_at(switched, groups, environment_id))
    if at is None:
        return None
    reason = f"“{flag_key}”, which it sets, was killed, or a flag that it needs was."
    command = Stop(experiment.id, reason, StopCause.KILL, at)
    return stop(automation_actor(KILL_SWITCH), command, now=now)


def _killed_at(
    switched: tuple[Flag, ...], groups: tuple[Group, ...], environment_id: UUID
) -> datetime | None:
    settings = [
        one for flag in switched for one in flag.settings.values() if one.environment_id == environment_id
    ]
    instants = [one.killed_at for one in settings if one.killed_at is not None]
    instants += [group.killed[environment_id] for group in groups if environment_id in group.killed]
    environment = flags.environment_kill(environment_id)
    return min(instants if environment is None else [*instants, environment], default=None)
