"""The traffic filter over the API, and what a report tells of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from calling import caller
from django.utils import timezone
from people import a_member
from scenes import a_design, a_draft_experiment, a_shop, environment_of
from traffic import Visit, visited

from equipoise_server.access.values import Role
from equipoise_server.analysis.actions import refresh
from equipoise_server.experiments.actions import Launch, launch
from equipoise_server.experiments.reads import experiment_by_key

pytestmark = pytest.mark.django_db
FILTER = "/projects/shop/traffic-filter"
INTERNAL = {"key": "internal", "name": "colleagues", "test": "attribute", "attribute": "internal",
            "values": ["true"]}  # fmt: skip
HOUR = timedelta(hours=1)


def test_a_filter_is_read_set_and_kept_by_version() -> None:
    asking = caller(a_shop().owner)
    nothing = asking.get(FILTER)
    assert (nothing.json["version"], nothing.json["rules"]) == (0, [])
    made = asking.put(FILTER, {"rules": [INTERNAL], "reason": "Ours"}, If_Match=nothing.headers["ETag"])
    assert made.status == 200, made.text
    assert made.headers["ETag"] == '"1"'
    (rule,) = asking.get(FILTER).json["rules"]  # type: ignore[misc]  # a list
    assert rule == INTERNAL | {"operator": "is", "most": None, "is_about_behaviour": False}
    stale = asking.put(FILTER, {"rules": [], "expected_version": 0})
    assert stale.status == 409
    emptied = asking.put(FILTER, {"rules": [], "expected_version": 1})
    assert emptied.json["version"] == 2
    versions = asking.get(f"{FILTER}/versions").json["items"]
    assert isinstance(versions, list)
    assert [one["version"] for one in versions] == [1, 2]


def test_every_fault_of_a_filter_names_its_field() -> None:
    asking = caller(a_shop().owner)
    refused = asking.put(FILTER, {"rules": [{**INTERNAL, "values": [], "most": 4}], "expected_version": 0})
    assert refused.status == 422
    assert refused.fields == ["rules.0.values", "rules.0.most"]


def test_whoever_may_only_read_cannot_set_it() -> None:
    shop = a_shop()
    viewer = caller(a_member(shop.owner, shop.project, Role.VIEWER))
    assert viewer.put(FILTER, {"rules": [], "expected_version": 0}).status == 403
    assert viewer.get(FILTER).status == 200


def test_a_report_tells_the_split_before_and_after_and_the_funnel() -> None:
    shop, now = a_shop(), timezone.now()
    caller(shop.owner).put(FILTER, {"rules": [INTERNAL], "expected_version": 0})
    draft = a_draft_experiment(shop, design=a_design(looks=None))
    command = Launch(draft.id, environment_of(shop).id, draft.version)
    iteration = launch(shop.owner, command, now=timezone.now()).iteration
    assert iteration is not None
    visits = [
        Visit(f"u{n}", ("control", "treatment")[n % 2], iteration.started_at + HOUR,
              (("page", 90.0 + n % 7, HOUR),), attributes={"internal": n < 40})
        for n in range(600)
    ]  # fmt: skip
    visited(iteration, visits, now=now + 3 * HOUR)
    refresh(iteration.id, now + timedelta(days=2))
    report = caller(shop.owner).get("/projects/shop/experiments/checkout-button/report").json
    traffic, funnel = report["traffic"], report["funnel"]
    assert isinstance(traffic, dict)
    assert isinstance(funnel, dict)
    assert (traffic["version"], traffic["before"], traffic["after"]) == (1, [300, 300], [280, 280])
    assert traffic["rules"] == [
        {
            "rule": "internal",
            "name": "colleagues",
            "counts": [20, 20],
            "p_value": 1.0,
            "is_about_behaviour": False,
        }
    ]
    assert [step["name"] for step in funnel["steps"]] == ["exposed"]
    assert "somebody else assigns" in funnel["reason"]


def test_a_designs_own_filter_is_written_read_checked_and_reported() -> None:
    shop = a_shop()
    draft = a_draft_experiment(shop, design=a_design(looks=None))
    asking, place = caller(shop.owner), "/projects/shop/experiments/checkout-button"
    written = asking.get(place).json["design"]
    assert isinstance(written, dict)
    assert written["traffic"] is None
    for metric in written["metrics"]:
        del metric["version"]  # is frozen at the start, and nobody's to choose

    def edited(traffic: object, version: int) -> int:
        design = {**written, "traffic": traffic}
        made = asking.put(place, {"name": "Button", "design": design, "expected_version": version})
        assert made.status == 200, made.text
        assert made.json["design"]["traffic"] == (  # type: ignore[index]  # an object
            [{**rule, "operator": "is", "most": None, "is_about_behaviour": False} for rule in traffic]
            if isinstance(traffic, list)
            else traffic
        )
        return int(str(made.json["version"]))

    version = edited([{**INTERNAL, "values": []}], draft.version)
    refused = asking.post(f"{place}/launch", {"environment": "production", "expected_version": version})
    assert refused.fields == ["traffic.0.values"]
    version = edited([], version)
    version = edited([INTERNAL], version)
    body = {"environment": "production", "expected_version": version}
    assert asking.post(f"{place}/launch", body).status == 200
    iteration = experiment_by_key(shop.project.id, "checkout-button").iteration
    assert iteration is not None
    visits = [
        Visit(f"u{n}", ("control", "treatment")[n % 2], iteration.started_at + HOUR,
              attributes={"internal": n < 40})
        for n in range(200)
    ]  # fmt: skip
    visited(iteration, visits, now=iteration.started_at + 3 * HOUR)
    refresh(iteration.id, iteration.started_at + timedelta(days=2))
    traffic = asking.get(f"{place}/report").json["traffic"]
    assert isinstance(traffic, dict)
    assert (traffic["version"], traffic["before"], traffic["after"]) == (0, [100, 100], [80, 80])
