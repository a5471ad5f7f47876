"""Clicks and views over the API and in files: presets, shapes, refusals, and what a preview finds of them."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from calling import Caller
from calling import caller as a_caller_for
from django.utils import timezone
from scenes import Shop, a_running_experiment, a_shop
from traffic import Visit, visited

pytestmark = pytest.mark.django_db
METRICS = "/projects/shop/metrics"
FILE = "/projects/shop/metric-file"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CLICK = {"preset": "click_through_1d", "fact": {"event": "banner_clicked"}}
VIEW = {"through": "view", "within_seconds": 6 * 86_400, "fact": {"event": "banner_seen"}}
YAML = """
metrics:
  through:
    name: Click-through purchases
    kind: conversion
    fact: {event: purchase}
    window: 14d
    touches:
      - {preset: view_through_7d, fact: {event: banner_seen}}
      - {through: click, within: 12h, fact: {event: mail_opened, where: {kind: sale}}}
"""


@pytest.fixture
def shop() -> Shop:
    return a_shop()


@pytest.fixture
def caller(shop: Shop) -> Caller:
    return a_caller_for(shop.owner)


def a_body(*touches: object, **definition: object) -> dict[str, object]:
    held = {"kind": "conversion", "fact": {"event": "purchase"}, "touches": touches, **definition}
    return {"key": "through", "name": "Through", "definition": held, "display": "percent"}


def test_a_preset_is_kept_as_what_it_means(caller: Caller) -> None:
    made = caller.post(METRICS, a_body(VIEW, CLICK))
    assert made.status == 201, made.text
    definition = caller.get(f"{METRICS}/through").json["definition"]
    assert isinstance(definition, dict)
    kept = [(one["through"], one["fact"]["event"], one["within_seconds"]) for one in definition["touches"]]
    assert kept == [("click", "banner_clicked", 86_400.0), ("view", "banner_seen", 518_400.0)]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (a_body({**CLICK, "through": "click"}), "leave them out"),
        (
            a_body({"fact": {"event": "x"}, "through": "click"}),
            "or a `preset`: click_through_1d, view_through_7d",
        ),
        (a_body({**CLICK, "preset": "click_through_2d"}), "click_through_1d"),
        (a_body(VIEW, window_seconds=86_400), "widen the window"),
        (a_body(CLICK, kind="retention", delay_seconds=86_400), "use conversion, count"),
    ],
)
def test_a_misuse_is_refused_with_the_way_out(caller: Caller, body: object, told: str) -> None:
    refused = caller.post(METRICS, body)
    assert refused.status == 422
    assert told in refused.text
    assert any("touches" in field for field in refused.fields)


def test_a_file_with_clicks_and_views_is_written_back_the_same(caller: Caller) -> None:
    def steps(text: object) -> list[object]:
        found = caller.post(f"{FILE}/apply", {"yaml": text}).json["steps"]
        assert isinstance(found, list)
        return [one["step"] for one in found]

    assert steps(YAML) == ["create"]
    exported = caller.get(FILE).json["yaml"]
    assert steps(exported) == steps(YAML) == ["keep"]
    assert "within: 12h" in str(exported)
    wrong = caller.post(f"{FILE}/plan", {"yaml": YAML.replace("within: 12h, ", "")})
    assert wrong.fields == ["metrics.through.touches.1"]
    assert "give `through` and `within`" in wrong.text


def test_a_preview_says_how_many_events_follow_what(shop: Shop, caller: Caller) -> None:
    iteration = a_running_experiment(shop).iteration
    assert iteration is not None
    now = timezone.now()
    visits = [
        Visit("clicks", "control", now - 9 * DAY, (
            ("banner_seen", None, HOUR), ("banner_clicked", None, 2 * HOUR),
            ("purchase", 1.0, 3 * HOUR), ("purchase", 1.0, 2 * DAY), ("purchase", 1.0, 8 * DAY),
        )),
        Visit("sees", "treatment", now - 9 * DAY, (("banner_seen", None, HOUR), ("purchase", 1.0, DAY))),
        Visit("neither", "treatment", now - 9 * DAY, (("purchase", 1.0, DAY),)),
    ]  # fmt: skip
    visited(iteration, visits, now=now)
    body = {"definition": a_body(CLICK, VIEW)["definition"], "environment": "production"}
    found = caller.post("/projects/shop/metric-previews", body)
    assert found.status == 200, found.text
    follows = found.json["follows"]
    assert isinstance(follows, list)
    assert [(one["touch"] and one["touch"]["through"], one["events"], one["units"]) for one in follows] == [
        ("click", 1, 1),
        ("view", 2, 2),
        (None, 2, 2),
    ]
    places = [one["place"] for one in json.loads(found.text)["facts"]]
    assert places == ["fact", "touches.0.fact", "touches.1.fact"]
