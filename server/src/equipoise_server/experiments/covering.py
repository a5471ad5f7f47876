"""Which holdouts cover a flag that starts to change, and why not; done inside the change that starts it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from equipoise_server.access import reads as access
from equipoise_server.access.values import Environment, Project
from equipoise_server.audit.values import Author
from equipoise_server.experiments import holdout_rows
from equipoise_server.experiments.values import Covering, Design, Holdout, HoldoutScope
from equipoise_server.flags import reads as flags
from equipoise_server.flags.actions import CoverFlag, cover_flag
from equipoise_server.flags.values import Flag, Rule


@dataclass(frozen=True, slots=True)
class Starting:
    """What starts to change: a flag in one environment, from a baseline, by an experiment or a rollout."""

    flag: Flag
    environment: Environment
    baseline: str
    experiment_id: UUID | None = None
    """None for a rollout."""


def is_in_scope(scope: HoldoutScope, project_id: UUID, environment_key: str, flag_key: str) -> bool:
    """Whether a holdout may cover a flag of a project in an environment."""
    return (
        (not scope.projects or project_id in scope.projects)
        and (not scope.environments or environment_key in scope.environments)
        and (not scope.flags or flag_key in scope.flags)
    )


def coverings_of(
    starting: Starting, project: Project, holdouts: Sequence[Holdout], taken: Mapping[str, str]
) -> Iterator[Covering]:
    """What each holdout in scope does to a flag. `taken`: unit type → the holdout that is over it. Pure."""
    taken = dict(taken)
    flag, environment = starting.flag, starting.environment
    for holdout in holdouts:
        if not holdout.is_open or holdout.unit_type not in project.unit_types:
            continue
        if not is_in_scope(holdout.scope, project.id, environment.key, flag.key):
            continue
        reason = _reason_against(starting, taken.get(holdout.unit_type, ""), holdout.key)
        if not reason:
            taken[holdout.unit_type] = holdout.key
        baseline = "" if reason else starting.baseline
        yield Covering(holdout.key, holdout.name, flag.key, baseline, reason)


def _reason_against(starting: Starting, taken_by: str, holdout_key: str) -> str:
    flag = starting.flag
    settings = flag.settings[starting.environment.key]
    if taken_by:
        return "it covers the flag already" if taken_by == holdout_key else f"“{taken_by}” covers it already"
    if any(pin.experiment_id != starting.experiment_id for pin in settings.pins):
        return "an experiment on the flag started before the season reached it, and keeps its units"
    if any(_serves(rule) != starting.baseline for rule in settings.rules):
        return "the flag has older rules, and held units would lose what these give them"
    return ""


def _serves(rule: Rule) -> str:
    return rule.serve if rule.rollout is None else rule.rollout.variant


def coverings(project: Project, starting: Sequence[Starting]) -> tuple[Covering, ...]:
    """What the open holdouts would do to the flags that start to change."""
    holdouts = holdout_rows.open_holdouts()
    found: list[Covering] = []
    for one in starting:
        over = flags.holdouts_over(one.environment.id, frozenset([one.flag.key]))
        taken = {held.unit_type: held.holdout_key for held in over}
        found += coverings_of(one, project, holdouts, taken)
    return tuple(found)


def starting_of(
    design: Design, environment: Environment, known: Mapping[str, Flag], experiment_id: UUID
) -> tuple[Starting, ...]:
    """The flags that an experiment makes change, each from its control."""
    control = next((arm for arm in design.arms if arm.key == design.control), None)
    if control is None:
        return ()
    return tuple(
        Starting(known[key], environment, variant, experiment_id)
        for key, variant in sorted(control.values.items())
        if key in known and environment.key in known[key].settings
    )


def cover(author: Author, project: Project, starting: Sequence[Starting], *, now: datetime) -> None:
    """Let the open holdouts cover what starts to change. Called inside the change that starts it."""
    holdouts = {holdout.key: holdout for holdout in holdout_rows.open_holdouts()}
    by_flag = {one.flag.key: one for one in starting}
    for covering in coverings(project, starting):
        if covering.reason:
            continue
        holdout, one = holdouts[covering.holdout_key], by_flag[covering.flag_key]
        command = CoverFlag(
            one.flag.id, one.environment.id, holdout.id, holdout.key, holdout.unit_type, covering.baseline
        )
        cover_flag(author, command, now=now)


def cover_rollout(author: Author, before: Flag, environment_id: UUID, now: datetime) -> None:
    """Let the open holdouts cover a flag on which a rollout starts: from the default it had before."""
    project = access.project(before.project_id)
    environment = access.environment(environment_id)
    starting = Starting(before, environment, before.settings[environment.key].default)
    cover(author, project, [starting], now=now)
