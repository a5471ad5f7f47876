"""The traffic filter of a project: which units leave every analysis, exposures and outcomes alike."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Field, Query, Router, Schema

from equipoise_server.analysis import actions, reads
from equipoise_server.analysis.values import Operator, TrafficFilter, TrafficRule, TrafficTest
from equipoise_server.api.authentication import actor_of
from equipoise_server.api.reading import (
    Page,
    PageQuery,
    Strict,
    etag,
    expected_version,
    page_of,
    project_of,
)

router = Router(tags=["traffic"])
FILTER = "/projects/{project}/traffic-filter"


class TrafficRuleShape(Schema):
    """Units that it holds for are left out; `most` belongs to tests of events, the rest to attributes."""

    key: str
    name: str
    test: TrafficTest
    attribute: str
    operator: Operator
    values: list[str]
    most: int | None
    is_about_behaviour: bool


class TrafficFilterShape(Schema):
    """One version of the rules. An experiment keeps the version that held when it started."""

    version: int
    rules: list[TrafficRuleShape]
    created_at: datetime | None
    author: str
    reason: str


class TrafficRuleBody(Strict):
    """A rule. `attribute` reads the first exposure's attributes; the other tests count events."""

    key: str
    name: str
    test: TrafficTest
    attribute: str = ""
    operator: Operator = Field(Operator.IS, description="All but `is` ignore case.")
    values: list[str] = Field([], description="Any of them; booleans are “true” and “false”.")
    most: int | None = Field(None, description="A unit with more than this is left out.")

    def rule(self) -> TrafficRule:
        """In the room's words."""
        return TrafficRule(
            self.key, self.name, self.test, self.attribute, self.operator, tuple(self.values), self.most
        )


class TrafficFilterBody(Strict):
    """All rules as they shall be, for experiments that start from now on; none leave nobody out."""

    rules: list[TrafficRuleBody]
    reason: str = ""
    expected_version: int | None = Field(None, description="Unless If-Match is sent; 0 for the first.")


@router.get(FILTER, response=TrafficFilterShape)
def get_traffic_filter(request: HttpRequest, response: HttpResponse, project: str) -> dict[str, object]:
    """The newest rules that say who leaves every analysis; version 0 while there are none."""
    found = reads.traffic_filter(project_of(request, project).id)
    response["ETag"] = etag(0 if found is None else found.version)
    return _shape(found)


@router.get(FILTER + "/versions", response=Page[TrafficFilterShape])
def list_traffic_filters(request: HttpRequest, project: str, page: Query[PageQuery]) -> dict[str, object]:
    """All versions of the traffic filter, the oldest first."""
    versions = tuple(reversed(reads.traffic_filters(project_of(request, project).id)))
    return page_of(versions, page, lambda one: f"{one.version:09}")


@router.put(FILTER, response=TrafficFilterShape)
def set_traffic_filter(
    request: HttpRequest, response: HttpResponse, project: str, body: TrafficFilterBody
) -> dict[str, object]:
    """Set who leaves the analysis of experiments that start from now on."""
    place = project_of(request, project)
    command = actions.SetTrafficFilter(
        place.id,
        expected_version(request, body.expected_version),
        tuple(rule.rule() for rule in body.rules),
        body.reason,
    )
    made = actions.set_traffic_filter(actor_of(request), command, now=timezone.now())
    response["ETag"] = etag(made.version)
    return _shape(made)


def _shape(held: TrafficFilter | None) -> dict[str, object]:
    if held is None:
        return {"version": 0, "rules": [], "created_at": None, "author": "", "reason": ""}
    return {
        "version": held.version, "rules": held.rules, "created_at": held.created_at,
        "author": held.author, "reason": held.reason,
    }  # fmt: skip
