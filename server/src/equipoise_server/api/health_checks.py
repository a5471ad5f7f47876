"""Health checks of flags: what a Prometheus says about variants, to promote and kill, never to decide."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Field, Query, Router, Schema, Status

from equipoise_server.api.authentication import actor_of
from equipoise_server.api.flags import SETTINGS, settings_named
from equipoise_server.api.projects import Reason
from equipoise_server.api.reading import Page, PageQuery, Strict, etag, expected_version, page_of
from equipoise_server.flags.values import Flag
from equipoise_server.health import actions
from equipoise_server.health import reads as health
from equipoise_server.health.values import (
    Comparison,
    Finding,
    HealthCheck,
    OnFailure,
    Plan,
    Reduction,
    Result,
    Side,
    State,
    Why,
)

router = Router(tags=["health checks"])
CHECKS = SETTINGS + "/health-checks"
CHECK = CHECKS + "/{check}"
MOST_RESULTS = 500


class PlanBody(Strict):
    """What is asked of a Prometheus, and how its answer is judged."""

    connection: str = Field(description="The key of a connection of the kind prometheus.")
    query: str = Field(description="PromQL with one value per variant, or one about the whole flag.")
    bound: float
    side: Side = Side.AT_MOST
    comparison: Comparison = Comparison.VALUE
    label: str = Field(
        "", description="The label that says which variant a series is about; empty: no variants."
    )
    variants: dict[str, str] = Field(default_factory=dict, description="Variant → its value of the label.")
    control: str = Field("", description="For ratios and differences.")
    window_seconds: int | None = Field(
        None, description="A range query over so long; null asks for one instant."
    )
    reduction: Reduction = Reduction.LAST
    sample_query: str = Field("", description="How much stands behind each value; empty does not ask.")
    least_sample: float | None = None
    failures: int = Field(3, description="So many in a row, without an unknown between them, are acted on.")
    on_failure: OnFailure = OnFailure.HOLD
    interval_seconds: int = 60

    def plan(self) -> Plan:
        """As the rooms know it."""
        return Plan(**dict(self))


class NewCheck(Strict):
    """A check to add."""

    key: str
    name: str
    plan: PlanBody


class CheckEdit(Strict):
    """The whole check as it shall be. Another plan begins anew."""

    name: str
    plan: PlanBody
    expected_version: int | None = Field(None, description="The `edition` you read, unless If-Match is sent.")


class Trial(Strict):
    """A plan to try; nothing is kept."""

    plan: PlanBody


class PlanShape(Schema):
    """What is asked, and how the answer is judged."""

    connection: str
    query: str
    bound: float
    side: Side
    comparison: Comparison
    label: str
    variants: dict[str, str]
    control: str
    window_seconds: int | None
    reduction: Reduction
    sample_query: str
    least_sample: float | None
    failures: int
    on_failure: OnFailure
    interval_seconds: int


class StandingShape(Schema):
    """Where a check stands now; `why` and `told` say what is unknown, and the way out."""

    state: State
    since: datetime | None
    asked_at: datetime | None
    failures: int
    acted_at: datetime | None
    why: Why | None
    told: str


class CheckShape(Schema):
    """A named check of one flag in one environment. For promotion and kill, never for decisions."""

    id: UUID
    key: str
    name: str
    plan: PlanShape
    standing: StandingShape
    edition: int
    created_at: datetime


class ReadingShape(Schema):
    """What was found about one variant, or about the whole flag (an empty variant)."""

    variant: str
    state: State
    value: float | None
    compared: float | None
    sample: float | None
    why: Why | None
    told: str


class FindingShape(Schema):
    """One look: the state of the whole, and each reading."""

    state: State
    why: Why | None
    told: str
    readings: list[ReadingShape]


class ResultShape(Schema):
    """A look that was kept."""

    at: datetime
    finding: FindingShape


class ResultsShape(Schema):
    """The last looks, newest first."""

    items: list[ResultShape]


class Limit(Schema):
    """How many results, the newest first."""

    limit: int = Field(health.SHOWN_RESULTS, ge=1, le=MOST_RESULTS)


@router.get(CHECKS, response=Page[CheckShape])
def list_health_checks(
    request: HttpRequest, project: str, flag: str, environment: str, page: Query[PageQuery]
) -> dict[str, object]:
    """The health checks of a flag in an environment, by key, and where they stand."""
    found, settings = settings_named(request, project, flag, environment)
    shown = [_shown(check) for check in health.checks_of(found.id, settings.environment_id)]
    return page_of(shown, page, lambda check: str(check["key"]))


@router.post(CHECKS, response={201: CheckShape})
def create_health_check(
    request: HttpRequest, response: HttpResponse, project: str, flag: str, environment: str, *, body: NewCheck
) -> Status[dict[str, object]]:
    """Watch a flag: its ramps, and those of experiments that set it, rise only while every check passes."""
    found, settings = settings_named(request, project, flag, environment)
    command = actions.CreateCheck(found.id, settings.environment_id, body.key, body.name, body.plan.plan())
    made = actions.create_check(actor_of(request), command, now=timezone.now())
    response["ETag"] = etag(made.edition)
    return Status(201, _shown(made))


@router.post(SETTINGS + "/health-check-trials", response=FindingShape)
def try_health_check(request: HttpRequest, project: str, flag: str, environment: str, body: Trial) -> Finding:
    """Ask once and show what each variant got. Nothing is kept, and nothing follows."""
    found, _ = settings_named(request, project, flag, environment)
    return actions.try_plan(actor_of(request), found, body.plan.plan(), now=timezone.now())


@router.get(CHECK, response=CheckShape)
def get_health_check(
    request: HttpRequest, response: HttpResponse, project: str, flag: str, environment: str, *, check: str
) -> dict[str, object]:
    """One check and where it stands."""
    _, found = _named(request, project, flag, environment, check)
    response["ETag"] = etag(found.edition)
    return _shown(found)


@router.put(CHECK, response=CheckShape)
def revise_health_check(
    request: HttpRequest,
    response: HttpResponse,
    project: str,
    flag: str,
    environment: str,
    *,
    check: str,
    body: CheckEdit,
) -> dict[str, object]:
    """Ask or judge otherwise. Another plan begins anew; until it was asked about, ramps wait."""
    _, found = _named(request, project, flag, environment, check)
    version = expected_version(request, body.expected_version)
    command = actions.ReviseCheck(found.id, version, body.name, body.plan.plan())
    revised = actions.revise_check(actor_of(request), command, now=timezone.now())
    response["ETag"] = etag(revised.edition)
    return _shown(revised)


@router.post(CHECK + "/delete", response={204: None})
def delete_health_check(
    request: HttpRequest, project: str, flag: str, environment: str, check: str, *, body: Reason
) -> Status[None]:
    """Watch no more. Its results go, too; what it did stays in the audit."""
    _, found = _named(request, project, flag, environment, check)
    actions.delete_check(actor_of(request), actions.DeleteCheck(found.id, body.reason), now=timezone.now())
    return Status(204, None)


@router.post(CHECK + "/test", response=FindingShape)
def test_health_check(request: HttpRequest, project: str, flag: str, environment: str, check: str) -> Finding:
    """Ask now and show what each variant got. Nothing is kept, and nothing follows."""
    place, found = _named(request, project, flag, environment, check)
    return actions.try_plan(actor_of(request), place, found.plan, now=timezone.now())


@router.get(CHECK + "/results", response=ResultsShape)
def list_health_results(
    request: HttpRequest, project: str, flag: str, environment: str, check: str, *, page: Query[Limit]
) -> dict[str, tuple[Result, ...]]:
    """The last looks of a check, newest first."""
    _, found = _named(request, project, flag, environment, check)
    return {"items": health.results_of(found.id, limit=page.limit)}


def _named(
    request: HttpRequest, project: str, flag: str, environment: str, check: str
) -> tuple[Flag, HealthCheck]:
    found, settings = settings_named(request, project, flag, environment)
    return found, health.check_by_key(found.id, settings.environment_id, check)


def _shown(check: HealthCheck) -> dict[str, object]:
    """The check as it stands now: what nobody has asked about for too long is unknown."""
    return {
        "id": check.id, "key": check.key, "name": check.name, "plan": check.plan,
        "standing": check.standing_at(timezone.now()), "edition": check.edition,
        "created_at": check.created_at,
    }  # fmt: skip
