"""Prepares flags of every type by real actions, in a process that shares the server's data directory.

Prints the keys of SDKs and a management token as JSON.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from equipoise_server.access.actions import (
    CreateProject,
    CreateUser,
    IssueSdkKey,
    create_project,
    create_user,
    issue_api_token,
    issue_sdk_key,
)
from equipoise_server.access.reads import actor_of_user
from equipoise_server.access.values import Actor, KeyKind, Project
from equipoise_server.audit.values import Author
from equipoise_server.experiments.actions import (
    CreateExperiment,
    Launch,
    create_experiment,
    launch,
)
from equipoise_server.experiments.values import Arm, Design, MetricRole, PlannedMetric
from equipoise_server.flags.actions import (
    ChangeMembers,
    CreateFlag,
    CreateList,
    KillFlag,
    UpdateFlagSettings,
    change_members,
    create_flag,
    create_list,
    kill_flag,
    update_flag_settings,
)
from equipoise_server.flags.values import Flag, FlagType, FlagValue, FlagVariant, Rule
from equipoise_server.metrics.actions import CreateMetric, create_metric
from equipoise_server.metrics.values import Definition, Fact, MetricKind

FLAGS: dict[str, tuple[FlagType, dict[str, FlagValue]]] = {
    "yes": (FlagType.BOOLEAN, {"on": True, "off": False}),
    "text": (FlagType.STRING, {"hello": "hello", "nothing": ""}),
    "whole": (FlagType.NUMBER, {"three": 3, "four": 4}),
    "decimal": (FlagType.NUMBER, {"one": 1.0, "more": 2.5}),
    "object": (FlagType.OBJECT, {"full": {"colour": "white", "sizes": [1, 2]}, "empty": {}}),
    "killed": (FlagType.BOOLEAN, {"on": True, "off": False}),
    "changing": (FlagType.BOOLEAN, {"on": True, "off": False}),
    "changing-page": (FlagType.BOOLEAN, {"on": True, "off": False}),
    "listed": (FlagType.STRING, {"stranger": "stranger", "member": "member"}),
    "button": (FlagType.STRING, {"grey": "#888", "green": "#0a0"}),
}
DESIGN = Design(
    hypothesis="A green button stands out, so more visitors go on to pay.",
    arms=(
        Arm("control", "Grey", 1, {"button": "grey"}),
        Arm("treatment", "Green", 1, {"button": "green"}),
    ),
    metrics=(PlannedMetric("purchase", MetricRole.OEC),),
    mde_relative=0.1,
    baseline=0.1,
    daily_units=1_000,
    planned_days=14,
)


def main(now: datetime) -> dict[str, str]:
    """Make everything; the first variant of each flag is its default, the last one is off."""
    ada = create_user(
        Author("machine", "scene", "scene"),
        CreateUser("ada@example.com", "Ada", "long enough to pass", may_create_projects=True),
        now=now,
    )
    project = create_project(actor_of_user(ada), CreateProject("shop", "Shop"), now=now)
    admin = actor_of_user(ada)
    production = next(e for e in project.environments if e.key == "production")
    for key, (kind, values) in FLAGS.items():
        variants = tuple(FlagVariant(variant, value) for variant, value in values.items())
        names = list(values)
        command = CreateFlag(project.id, key, key, kind, variants, off=names[-1], default=names[0])
        flag = create_flag(admin, command, now=now)
        if key == "killed":
            kill_flag(admin, KillFlag(flag.id, production.id, "for the tests"), now=now)
        if key == "listed":
            _serve_members(admin, flag, production.id, now)
    _run_experiment(admin, project, now)
    secrets = {
        kind.value: issue_sdk_key(admin, IssueSdkKey(production.id, kind, "scene"), now=now).secret
        for kind in (KeyKind.SERVER, KeyKind.CLIENT)
    }
    token = issue_api_token(ada, "scene", life=timedelta(days=1), now=now)
    return {"server_key": secrets["server"], "client_key": secrets["client"], "token": token}


def _serve_members(admin: Actor, flag: Flag, environment_id: UUID, now: datetime) -> None:
    """Every other unit is in a list that is too long to be kept by name."""
    listed = create_list(admin, CreateList(flag.project_id, "even", "Even", "user"), now=now)
    units = [f"unit-{number}" for number in range(0, 4_000, 2)]
    change_members(admin, ChangeMembers(listed.id, "replace"), units, now=now)
    rules = (Rule("members", {"segment": "even"}, serve="member"),)
    version = flag.settings["production"].version
    command = UpdateFlagSettings(
        flag.id, environment_id, version, flag.variants[-1].key, flag.variants[0].key
    )
    update_flag_settings(admin, replace(command, rules=rules), now=now)


def _run_experiment(admin: Actor, project: Project, now: datetime) -> None:
    purchase = Definition(MetricKind.CONVERSION, Fact("purchase"))
    create_metric(
        admin, CreateMetric(project.id, "purchase", "Purchases", purchase, display="percent"), now=now
    )
    production = next(e for e in project.environments if e.key == "production")
    draft = create_experiment(admin, CreateExperiment(project.id, "button", "Button", DESIGN), now=now)
    launch(admin, Launch(draft.id, production.id, draft.version), now=now)


if __name__ == "__main__":
    print(json.dumps(main(datetime.now(UTC))))
