"""Health checks over the API: made, tried, watched, revised and deleted."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from calling import Caller, caller
from django.utils import timezone
from health_scene import ILL, WELL, work
from metrics_server import Metrics
from people import a_member, an_outsider
from scenes import Shop, a_button_flag

from equipoise_server.access.values import Role

pytestmark = pytest.mark.django_db
PLACE = "/projects/shop/flags/checkout-button/environments/production"
CHECKS = f"{PLACE}/health-checks"
PLAN = {
    "connection": "prometheus", "query": "errors", "bound": 0.05, "label": "variant",
    "variants": {"grey": "grey", "green": "green"}, "failures": 2,
}  # fmt: skip
ERRORS = {"key": "errors", "name": "Errors of the checkout", "plan": PLAN}


@pytest.fixture
def admin(shop: Shop) -> Caller:
    a_button_flag(shop)
    return caller(shop.owner)


def a_list(asking: Caller, path: str) -> list[dict[str, object]]:
    return list(json.loads(asking.get(path).text)["items"])


def test_a_check_is_made_watched_revised_and_deleted(admin: Caller, metrics: Metrics) -> None:
    made = admin.post(CHECKS, ERRORS)
    assert (made.status, made.headers["ETag"]) == (201, '"1"'), made.text
    assert made.json["standing"]["why"] == "not_asked"  # type: ignore[index,call-overload]  # an object
    metrics.says(ILL)
    work(timezone.now(), "health.ask")
    (seen,) = a_list(admin, CHECKS)
    assert seen["standing"]["state"] == "failing"  # type: ignore[index,call-overload]  # an object
    (result,) = a_list(admin, f"{CHECKS}/errors/results")
    assert [one["value"] for one in result["finding"]["readings"]] == [0.01, 0.09]  # type: ignore[index,call-overload]  # an object
    edit = {"name": "Errors", "plan": {**PLAN, "bound": 0.5}}
    revised = admin.put(f"{CHECKS}/errors", edit, If_Match='"1"')
    assert (revised.status, revised.json["edition"]) == (200, 2)
    assert admin.put(f"{CHECKS}/errors", edit, If_Match='"1"').status == 412
    assert admin.get(f"{CHECKS}/errors").json["name"] == "Errors"
    assert admin.post(f"{CHECKS}/errors/delete", {}).status == 204
    assert admin.get(f"{CHECKS}/errors").status == 404


def test_a_plan_and_a_check_are_tried_and_leave_no_trace(admin: Caller, metrics: Metrics) -> None:
    metrics.says(ILL)
    tried = admin.post(f"{PLACE}/health-check-trials", {"plan": PLAN})
    assert (tried.status, tried.json["state"]) == (200, "failing")
    admin.post(CHECKS, ERRORS)
    metrics.says({"grey": 0.01})
    again = admin.post(f"{CHECKS}/errors/test", {})
    assert (again.json["state"], again.json["why"]) == ("unknown", "no_data")
    assert a_list(admin, f"{CHECKS}/errors/results") == []


def test_every_fault_is_told_at_once_by_its_field(admin: Caller) -> None:
    refused = admin.post(CHECKS, {"key": "A b", "name": "", "plan": {**PLAN, "failures": 0, "label": ""}})
    assert (refused.status, refused.fields) == (422, ["key", "name", "label", "failures"])


def test_what_nobody_asked_about_for_long_is_told_as_unknown(admin: Caller, metrics: Metrics) -> None:
    admin.post(CHECKS, ERRORS)
    metrics.says(WELL)
    work(timezone.now() - timedelta(hours=1), "health.ask")
    work(timezone.now(), "health.ask")
    assert admin.get(f"{CHECKS}/errors").json["standing"]["state"] == "passing"  # type: ignore[index,call-overload]  # an object


def test_a_viewer_looks_and_an_outsider_finds_nothing(admin: Caller, shop: Shop) -> None:
    admin.post(CHECKS, ERRORS)
    viewer = caller(a_member(shop.owner, shop.project, Role.VIEWER))
    assert viewer.get(f"{CHECKS}/errors").status == 200
    assert viewer.post(f"{CHECKS}/errors/test", {}).status == 403
    assert viewer.post(CHECKS, {**ERRORS, "key": "more"}).status == 403
    assert caller(an_outsider()).get(CHECKS).status == 404
