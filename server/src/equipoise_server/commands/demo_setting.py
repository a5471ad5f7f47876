"""The demo before anybody visits: people, project, catalogue and flags, made by everybody's actions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from equipoise_server.access.actions import (
    CreateProject,
    CreateUser,
    GrantRole,
    IssueSdkKey,
    create_project,
    create_user,
    grant_role,
    issue_sdk_key,
)
from equipoise_server.access.reads import actor_of_user
from equipoise_server.access.values import Actor, Environment, KeyKind, Project, Role
from equipoise_server.audit.values import Author
from equipoise_server.commands.demo_catalogue import (
    FLAGS,
    GROUPS,
    METRICS,
    RAMP,
    RAMP_STEPS,
    TESTERS,
    PlannedFlag,
)
from equipoise_server.commands.demo_people import ACCOUNTS, ADA, GRACE, PASSWORD, PAT
from equipoise_server.experiments.actions import CreateHoldout, create_holdout
from equipoise_server.experiments.values import HoldoutScope
from equipoise_server.flags.actions import (
    ChangeMembers,
    CreateFlag,
    CreateGroup,
    CreateList,
    ScheduleRamp,
    UpdateFlagSettings,
    change_members,
    create_flag,
    create_group,
    create_list,
    schedule_ramp,
    update_flag_settings,
)
from equipoise_server.flags.reads import flag_by_key
from equipoise_server.flags.values import FlagVariant, RampStep
from equipoise_server.metrics.actions import CreateMetric, create_metric

HELD_PARTS = 50_000
OPERATOR = Author("machine", "demo", "Demo")


@dataclass(frozen=True, slots=True)
class Setting:
    """The shop's project and the people who work in it."""

    project: Project
    production: Environment
    sdk_key: str
    admin: Actor
    engineer: Actor
    experimenter: Actor


def set_up(*, now: datetime) -> Setting:
    """Make everything that was there before the first experiment."""
    people = {account: _hire(account.email, account.name, now=now) for account in ACCOUNTS}
    founder = actor_of_user(people[ADA])
    project = create_project(founder, CreateProject("shop", "Shop", unit_types=("user", "region")), now=now)
    admin = actor_of_user(people[ADA])
    for account in ACCOUNTS:
        grant_role(admin, GrantRole(project.id, account.email, Role(account.role)), now=now)
    production = next(e for e in project.environments if e.key == "production")
    issued = issue_sdk_key(admin, IssueSdkKey(production.id, KeyKind.SERVER, "Shop web server"), now=now)
    setting = Setting(
        project=project,
        production=production,
        sdk_key=issued.secret,
        admin=admin,
        engineer=actor_of_user(people[GRACE]),
        experimenter=actor_of_user(people[PAT]),
    )
    _fill_catalogue(setting, now=now)
    for planned in FLAGS:
        _add_flag(setting, planned, now=now)
    for group in GROUPS:
        command = CreateGroup(project.id, group.key, group.name, group.flags, group.description)
        create_group(setting.engineer, command, now=now)
    _add_testers(setting, now=now)
    _hold_out(setting, now=now)
    return setting


def _hold_out(setting: Setting, *, now: datetime) -> None:
    """A few visitors who are spared whatever is launched from now on, to see what all of it does together."""
    command = CreateHoldout(
        "spared",
        "Spared visitors",
        "user",
        parts_per_million=HELD_PARTS,
        scope=HoldoutScope((setting.project.id,)),
        description="One visitor in twenty keeps the shop as it was, to weigh half a year's work.",
    )
    create_holdout(setting.admin, command, now=now)


def let_rise(setting: Setting, *, now: datetime) -> None:
    """Gift wrapping goes on to everybody, step by step, while the demo runs."""
    flag = flag_by_key(setting.project.id, "gift-wrapping")
    steps = tuple(RampStep(now + timedelta(hours=hours), parts) for hours, parts in RAMP_STEPS)
    reason = "A quarter had it for two weeks without complaints."
    command = ScheduleRamp(flag.id, setting.production.id, RAMP, steps, reason=reason)
    schedule_ramp(setting.engineer, command, now=now)


def _add_testers(setting: Setting, *, now: datetime) -> None:
    """A list of ids, for overrides and rules to name."""
    command = CreateList(setting.project.id, "beta-testers", "Beta testers", "user")
    testers = create_list(setting.engineer, command, now=now)
    reason = "They signed up on the community page."
    change_members(setting.engineer, ChangeMembers(testers.id, "append", reason), TESTERS, now=now)


def _hire(email: str, name: str, *, now: datetime) -> UUID:
    may_create_projects = email == ADA.email
    return create_user(OPERATOR, CreateUser(email, name, PASSWORD, may_create_projects), now=now)


def _fill_catalogue(setting: Setting, *, now: datetime) -> None:
    for planned in METRICS:
        command = CreateMetric(
            project_id=setting.project.id,
            key=planned.key,
            name=planned.name,
            description=planned.description,
            definition=planned.definition,
            direction=planned.direction,
            tier=planned.tier,
            owner=PAT.name,
            display=planned.display,
            default_margin=planned.default_margin,
        )
        create_metric(setting.experimenter, command, now=now)


def _add_flag(setting: Setting, planned: PlannedFlag, *, now: datetime) -> None:
    command = CreateFlag(
        project_id=setting.project.id,
        key=planned.key,
        name=planned.name,
        description=planned.description,
        type=planned.type,
        kind=planned.kind,
        owner=GRACE.name,
        variants=tuple(FlagVariant(key, value) for key, value in planned.values.items()),
        off=planned.off,
        default=planned.default or planned.off,
    )
    flag = create_flag(setting.engineer, command, now=now)
    if planned.rules:
        held = flag.settings[setting.production.key]
        settings = UpdateFlagSettings(
            flag_id=flag.id,
            environment_id=setting.production.id,
            expected_version=held.version,
            off=held.off,
            default=held.default,
            rules=planned.rules,
            reason="Open it to the first customers.",
        )
        update_flag_settings(setting.engineer, settings, now=now)
