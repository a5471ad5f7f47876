"""Designs beyond the plain split over the API: planned, previewed, ramped; layers and holdouts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from calling import Caller, caller
from scenes import Shop, a_button_flag, a_shop, the_metrics

pytestmark = pytest.mark.django_db
EXPERIMENTS = "/projects/shop/experiments"
BUTTON = f"{EXPERIMENTS}/checkout-button"
HOLDOUTS = "/projects/shop/holdouts"
LAYERS = "/projects/shop/environments/production/layers"
DESIGN: dict[str, object] = {
    "hypothesis": "A green button is easier to see, so more people buy.",
    "arms": [
        {"key": "control", "values": {"checkout-button": "grey"}},
        {"key": "treatment", "values": {"checkout-button": "green"}},
    ],
    "metrics": [{"key": "purchase", "role": "oec"}],
    "mde_relative": 0.05,
}
HOLDOUT = {"key": "global", "name": "Global", "unit_type": "user", "parts_per_million": 50_000}


@pytest.fixture
def asking() -> Caller:
    shop: Shop = a_shop()
    a_button_flag(shop)
    the_metrics(shop)
    return caller(shop.owner)


def planned(asking: Caller, **changes: object) -> int:
    """A draft of the design; its version."""
    body = {"key": "checkout-button", "name": "Button", "design": {**DESIGN, **changes}}
    made = asking.post(EXPERIMENTS, body)
    assert made.status == 201, made.text
    return cast(int, made.json["version"])


def launched(asking: Caller, **changes: object) -> dict[str, object]:
    version = planned(asking, **changes)
    reply = asking.post(f"{BUTTON}/launch", {"environment": "production", "expected_version": version})
    assert reply.status == 200, reply.text
    runs = reply.json["iterations"]
    assert isinstance(runs, list)
    return cast(dict[str, object], runs[-1])


def test_a_design_is_read_as_it_was_written(asking: Caller) -> None:
    starts_at = (datetime.now(UTC) + timedelta(days=3)).replace(microsecond=0)
    parts = {
        "cluster_type": "account", "cluster_count": 50, "surface": "checkout", "only_differing": True,
        "spillover": "social", "ramp": [{"after_hours": 24, "parts_per_million": 500_000}],
        "switchback": {
            "regions": ["north", "south"], "window_minutes": 60, "days": 14, "burn_in_minutes": 5,
            "pairing": "weeks", "starts_at": starts_at.isoformat().replace("+00:00", "Z"),
        },
    }  # fmt: skip
    planned(asking, **parts)
    design = asking.get(BUTTON).json["design"]
    assert isinstance(design, dict)
    assert {name: design[name] for name in parts} == parts


def test_a_launched_switchback_shows_its_schedule(asking: Caller) -> None:
    regions = ["north", "south", "east", "west"]
    run = launched(asking, unit_type="account", switchback={"regions": regions, "days": 14})
    schedule = run["schedule"]
    assert isinstance(schedule, dict)
    assert sorted(schedule["rows"]) == sorted(regions)
    assert {len(row) for row in schedule["rows"].values()} == {14 * 12}
    assert run["planned_end_at"] is not None


def test_a_ramp_is_paused_and_resumed(asking: Caller) -> None:
    ramp = [{"after_hours": 24, "parts_per_million": 500_000}]
    launched(asking, audience_parts_per_million=10_000, ramp=ramp)
    paused = asking.post(f"{BUTTON}/ramp/pause", {"reason": "errors"})
    assert paused.json["iterations"][-1]["ramp_paused_at"] is not None  # type: ignore[index]  # a list
    assert asking.post(f"{BUTTON}/ramp/pause", {"reason": "again"}).status == 409
    assert asking.post(f"{BUTTON}/ramp/resume", {"reason": "fine"}).status == 200


def test_a_draft_tells_who_would_get_what(asking: Caller) -> None:
    asking.post(HOLDOUTS, HOLDOUT)
    planned(
        asking, audience_parts_per_million=500_000, eligibility={"attribute": "vip", "operator": "is_set"}
    )
    preview = asking.get(f"{BUTTON}/preview/production").json
    arms = cast(dict[str, int], preview["arms"])
    assert sum(arms.values()) + cast(int, preview["held"]) + cast(int, preview["outside"]) == 5_000
    assert arms["control"] == pytest.approx(1_187, rel=0.15)
    assert preview["held"] == pytest.approx(250, rel=0.3)
    assert preview["holdouts"] == [
        {"holdout_key": "global", "flag_key": "checkout-button", "baseline": "grey", "reason": ""}
    ]


def test_a_draft_that_cannot_run_tells_what_it_lacks(asking: Caller) -> None:
    planned(asking, arms=[])
    preview = asking.get(f"{BUTTON}/preview/production").json
    assert preview["units"] == 0
    assert preview["missing"]
    assert asking.post(f"{BUTTON}/preview/production/explain", {}).text == "[]"


def test_one_unit_of_a_draft_is_explained(asking: Caller) -> None:
    planned(asking, eligibility={"attribute": "country", "operator": "equals", "value": "DE"})
    context = {"units": {"user": "u1"}, "attributes": {"country": "FR"}}
    told = asking.post(f"{BUTTON}/preview/production/explain", context).text
    assert '"finding": "not_eligible"' in told.replace('":"', '": "')
    context["attributes"]["country"] = "DE"
    assert "enrolled" in asking.post(f"{BUTTON}/preview/production/explain", context).text


def test_a_draft_tells_how_large_its_audience_is(asking: Caller) -> None:
    planned(asking, eligibility={"attribute": "country", "operator": "equals", "value": "DE"})
    size = asking.get(f"{BUTTON}/preview/production/audience").json
    assert (size["units_per_day"], size["units"], size["eligible"]) == (None, 0, 0)
    assert "no user was exposed" in str(size["reason"])
    assert asking.get(f"{BUTTON}/preview/nowhere/audience").status == 404


def test_a_draft_tells_what_its_switchback_could_find(asking: Caller) -> None:
    regions = ["north", "south", "east", "west"]
    planned(asking, switchback={"regions": regions, "days": 14})
    told = asking.get(f"{BUTTON}/preview/production/switchback-power").json
    assert (told["mde_relative"], told["days_needed"], told["by_week"], told["past_days"]) == (
        None,
        None,
        [],
        0,
    )
    assert "no “purchase” of the last 28 days came from" in str(told["reason"])


def test_nothing_can_be_found_without_a_metric_that_decides(asking: Caller) -> None:
    planned(asking, metrics=[], switchback={"regions": ["north", "south"], "days": 14})
    refused = asking.get(f"{BUTTON}/preview/production/switchback-power")
    assert (refused.status, refused.fields) == (422, ["metrics"])


def test_layers_are_made_and_nested(asking: Caller) -> None:
    made = asking.post(LAYERS, {"key": "outer", "name": "Outer", "unit_type": "user"})
    assert (made.status, made.json["free_slots"]) == (201, 10_000)
    inner = {"key": "inner", "name": "Inner", "unit_type": "user", "inside": "outer", "share": 0.25}
    assert asking.post(LAYERS, inner).json["domain"] == [[0, 2_500]]
    outer = next(one for one in asking.get(LAYERS).json["items"] if one["key"] == "outer")  # type: ignore[attr-defined]  # a list
    assert outer["domains"] == [{"first": 0, "end": 2_500, "layer": "inner"}]
    refused = asking.post(LAYERS, {"key": "outer", "name": "", "unit_type": "city"})
    assert refused.fields == ["key", "name", "unit_type"]


def test_a_holdout_lives_for_its_seasons(asking: Caller) -> None:
    made = asking.post(HOLDOUTS, HOLDOUT | {"months": 12})
    assert (made.status, made.headers["ETag"], made.json["covered"]) == (201, '"1"', [])
    launched(asking)
    covered = asking.get(f"{HOLDOUTS}/global").json["covered"]
    assert [one["baseline"] for one in covered] == ["grey"]  # type: ignore[attr-defined]  # a list
    release = {"environment": "production", "unit": "u1", "variants": {"checkout-button": "green"}}
    assert asking.post(f"{HOLDOUTS}/global/release", release).status == 200
    season = asking.post(f"{HOLDOUTS}/global/seasons", {"expected_version": 1})
    assert [one["number"] for one in season.json["seasons"]] == [1, 2]  # type: ignore[attr-defined]  # a list
    assert asking.post(f"{HOLDOUTS}/global/seasons", {"expected_version": 1}).status == 409
    assert asking.post(f"{HOLDOUTS}/global/close", {"reason": "over"}).json["closed_at"] is not None
    listed = asking.get(HOLDOUTS).json["items"]
    assert [one["key"] for one in listed] == ["global"]  # type: ignore[attr-defined]  # a list


def test_a_holdout_may_name_its_projects(asking: Caller) -> None:
    everywhere = asking.post(HOLDOUTS, HOLDOUT | {"projects": []})
    here = asking.post(HOLDOUTS, HOLDOUT | {"key": "here", "projects": ["shop"]})
    assert (everywhere.json["all_projects"], here.json["all_projects"]) == (True, False)
    assert asking.post(HOLDOUTS, HOLDOUT | {"key": "no", "projects": ["nowhere"]}).status == 404
