"""Certification of metrics, and what a project asks of the metrics that decide."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Field, Router, Schema

from equipoise_server.api.authentication import actor_of
from equipoise_server.api.metrics import METRIC, MetricShape
from equipoise_server.api.reading import Strict, etag, expected_version, project_of
from equipoise_server.metrics import reads as metrics
from equipoise_server.metrics.actions import (
    CertifyMetric,
    SetCatalogueRules,
    WithdrawCertification,
    certify_metric,
    set_catalogue_rules,
    withdraw_certification,
)
from equipoise_server.metrics.values import CatalogueRules, Metric

router = Router(tags=["metrics"])
RULES = "/projects/{project}/metric-rules"


class CertifyBody(Strict):
    """What was looked at before vouching for the newest version."""

    note: str
    expected_version: int | None = Field(None, description="The `edition` you read, unless If-Match is sent.")


class WithdrawBody(Strict):
    """Why the version is a draft again."""

    reason: str


class RulesBody(Strict):
    """What the project asks of its metrics."""

    requires_certified_oec: bool


class RulesShape(Schema):
    """What the project asks of its metrics."""

    requires_certified_oec: bool


@router.post(METRIC + "/certify", response=MetricShape)
def certify_newest_version(
    request: HttpRequest, response: HttpResponse, project: str, metric: str, body: CertifyBody
) -> Metric:
    """Vouch for the newest version. Its author cannot."""
    found = metrics.metric_by_key(project_of(request, project).id, metric)
    command = CertifyMetric(found.id, expected_version(request, body.expected_version), body.note)
    certified = certify_metric(actor_of(request), command, now=timezone.now())
    response["ETag"] = etag(certified.edition)
    return certified


@router.post(METRIC + "/withdraw-certification", response=MetricShape)
def withdraw_metric_certification(
    request: HttpRequest, project: str, metric: str, body: WithdrawBody
) -> Metric:
    """Make the newest version a draft again."""
    found = metrics.metric_by_key(project_of(request, project).id, metric)
    command = WithdrawCertification(found.id, body.reason)
    return withdraw_certification(actor_of(request), command, now=timezone.now())


@router.get(RULES, response=RulesShape)
def get_metric_rules(request: HttpRequest, project: str) -> CatalogueRules:
    """What the project asks of its metrics."""
    return metrics.rules_of(project_of(request, project).id)


@router.put(RULES, response=RulesShape)
def put_metric_rules(request: HttpRequest, project: str, body: RulesBody) -> CatalogueRules:
    """Say whether experiments may start with an OEC that nobody has certified."""
    command = SetCatalogueRules(project_of(request, project).id, body.requires_certified_oec)
    return set_catalogue_rules(actor_of(request), command, now=timezone.now())
