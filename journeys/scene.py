"""Sets the scene of a journey by real actions, in a process that shares the server's data directory.

Prints what a test needs to know as JSON: the key of an SDK and a management token.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta

from equipoise_server.access.actions import (
    CreateProject,
    CreateUser,
    GrantRole,
    IssueSdkKey,
    create_project,
    create_user,
    grant_role,
    issue_api_token,
    issue_sdk_key,
)
from equipoise_server.access.reads import actor_of_token, actor_of_user, project_by_key
from equipoise_server.access.values import Actor, KeyKind, Project, Role
from equipoise_server.audit.values import Author
from equipoise_server.experiments.actions import (
    CreateExperiment,
    Launch,
    create_experiment,
    launch,
)
from equipoise_server.experiments.values import Arm, Design, MetricRole, PlannedMetric
from equipoise_server.flags.actions import CreateFlag, create_flag
from equipoise_server.flags.values import FlagType, FlagVariant
from equipoise_server.metrics.actions import CreateMetric, create_metric
from equipoise_server.metrics.values import (
    Aggregate,
    Definition,
    Direction,
    Fact,
    Margin,
    MarginKind,
    MetricKind,
)

PASSWORD = "long enough to pass"
FLAGS = {
    "checkout-button": ("grey", "green"),
    "search-ranking": ("popular", "learned"),
}


def shop(now: datetime) -> dict[str, str]:
    """A project with two flags, three metrics, an admin, a viewer, an SDK key and a token."""
    author = Author("machine", "journey", "journey")
    ada = create_user(
        author, CreateUser("ada@example.com", "Ada", PASSWORD, may_create_projects=True), now=now
    )
    create_user(author, CreateUser("vic@example.com", "Vic", PASSWORD), now=now)
    project = create_project(actor_of_user(ada), CreateProject("shop", "Shop"), now=now)
    admin = actor_of_user(ada)
    grant_role(admin, GrantRole(project.id, "vic@example.com", Role.VIEWER), now=now)
    _catalogue(admin, project, now)
    production = next(e for e in project.environments if e.key == "production")
    key = issue_sdk_key(admin, IssueSdkKey(production.id, KeyKind.SERVER, "journey"), now=now)
    token = issue_api_token(ada, "journey", life=timedelta(days=1), now=now)
    return {"sdk_key": key.secret, "token": token}


def _catalogue(admin: Actor, project: Project, now: datetime) -> None:
    for flag, (control, treatment) in FLAGS.items():
        variants = (FlagVariant(control, control), FlagVariant(treatment, treatment))
        command = CreateFlag(
            project.id, flag, flag.capitalize(), FlagType.STRING, variants, off=control, default=control
        )
        create_flag(admin, command, now=now)
    purchase = Definition(MetricKind.CONVERSION, Fact("purchase"))
    create_metric(
        admin, CreateMetric(project.id, "purchase", "Purchases", purchase, display="percent"), now=now
    )
    revenue = Definition(MetricKind.SUM, Fact("purchase", Aggregate.SUM))
    create_metric(admin, CreateMetric(project.id, "revenue", "Revenue", revenue, display="€"), now=now)
    load = Definition(MetricKind.MEAN, Fact("page_load", Aggregate.SUM))
    create_metric(
        admin,
        CreateMetric(project.id, "page-load", "Page load", load, direction=Direction.DECREASE, display="ms"),
        now=now,
    )


def running(now: datetime) -> dict[str, str]:
    """The shop with `green-button` running for three quarters of two countries, and an unfinished draft."""
    known = shop(now)
    ada = actor_of_token(known["token"], now=now)
    if ada is None:
        raise LookupError("the token was made a moment ago")
    project = project_by_key(ada, "shop")
    production = next(e for e in project.environments if e.key == "production")
    draft = create_experiment(
        ada, CreateExperiment(project.id, "green-button", "Green button", DESIGN), now=now
    )
    launch(ada, Launch(draft.id, production.id, draft.version), now=now)
    unfinished = CreateExperiment(project.id, "draft-without-oec", "Unfinished", Design())
    create_experiment(ada, unfinished, now=now)
    return known


DESIGN = Design(
    hypothesis="A green button stands out, so more visitors go on to pay.",
    eligibility={"attribute": "country", "operator": "in", "values": ["DE", "FR"]},
    arms=(
        Arm("control", "Grey", 1, {"checkout-button": "grey"}),
        Arm("treatment", "Green", 1, {"checkout-button": "green"}),
    ),
    metrics=(
        PlannedMetric("purchase", MetricRole.OEC),
        PlannedMetric("page-load", MetricRole.GUARDRAIL, Margin(MarginKind.RELATIVE, 0.05)),
    ),
    audience_parts_per_million=750_000,
    mde_relative=0.1,
    baseline=0.1,
    daily_units=1_000,
    planned_days=14,
)
SCENES = {"shop": shop, "running": running}

if __name__ == "__main__":
    print(json.dumps(SCENES[sys.argv[1]](datetime.now(UTC))))
