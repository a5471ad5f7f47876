"""Metrics, experiments and layers over the API: the whole life, faults, versions, and no strangers."""

from __future__ import annotations

import pytest
from calling import Caller, caller
from people import NOW, a_member
from scenes import Shop, a_button_flag, a_draft_experiment, a_shop, a_stopped_experiment, found, the_metrics

from equipoise_server.access.values import Role
from equipoise_server.experiments.actions import Archive, archive
from equipoise_server.experiments.values import VerdictState

pytestmark = pytest.mark.django_db
EXPERIMENTS = "/projects/shop/experiments"
BUTTON = f"{EXPERIMENTS}/checkout-button"
METRICS = "/projects/shop/metrics"
CLICKS = {"key": "clicks", "name": "Clicks", "definition": {"kind": "count", "fact": {"event": "click"}}}
DESIGN = {
    "hypothesis": "A green button is easier to see, so more people buy.",
    "arms": [
        {"key": "control", "values": {"checkout-button": "grey"}},
        {"key": "treatment", "values": {"checkout-button": "green"}},
    ],
    "metrics": [
        {"key": "purchase", "role": "oec"},
        {"key": "latency", "role": "guardrail", "margin": {"kind": "relative", "value": 0.02}},
    ],
    "mde_relative": 0.05,
    "baseline": 0.1,
    "daily_units": 2000,
    "planned_days": 14,
    "audience_parts_per_million": 100_000,
}


def a_caller() -> Caller:
    """The shop's admin; the shop has a flag and two metrics."""
    shop = a_shop()
    a_button_flag(shop)
    the_metrics(shop)
    return caller(shop.owner)


def items(asking: Caller, path: str) -> list[dict[str, object]]:
    listed = asking.get(path).json["items"]
    assert isinstance(listed, list)
    return listed


def test_a_metric_is_made_reworded_revised_and_archived() -> None:
    asking = a_caller()
    made = asking.post(METRICS, CLICKS)
    assert (made.status, made.json["version"], made.headers["ETag"]) == (201, 1, '"1"')
    words = {name: value for name, value in CLICKS.items() if name != "key"}
    reworded = asking.put(f"{METRICS}/clicks", words | {"name": "Taps"}, If_Match='"1"')
    assert (reworded.json["version"], reworded.json["name"], reworded.headers["ETag"]) == (1, "Taps", '"2"')
    other = words | {"definition": {"kind": "count", "fact": {"event": "tap"}, "window_seconds": 3600}}
    assert asking.put(f"{METRICS}/clicks", other, If_Match='"2"').json["version"] == 2
    assert asking.put(f"{METRICS}/clicks", other, If_Match='"2"').status == 412
    before = asking.get(f"{METRICS}/clicks?version=1").json["definition"]
    assert isinstance(before, dict)
    assert (before["kind"], before["fact"]["event"], before["window_seconds"]) == (
        "count",
        "click",
        604_800.0,
    )
    assert [one["version"] for one in items(asking, f"{METRICS}/clicks/versions")] == [1, 2]
    assert asking.post(f"{METRICS}/clicks/archive", None).json["archived_at"] is not None
    assert [one["key"] for one in items(asking, METRICS)] == ["latency", "purchase"]
    assert [one["key"] for one in items(asking, f"{METRICS}?archived=true")] == [
        "clicks",
        "latency",
        "purchase",
    ]


def test_every_fault_of_a_metric_comes_back_with_its_field() -> None:
    wrong = {"kind": "ratio", "fact": {"event": ""}, "window_seconds": 0, "cap": 1}
    answer = a_caller().post(METRICS, {"key": "?", "name": "", "definition": wrong, "display": ""})
    assert answer.status == 422
    assert answer.fields == [
        "key", "definition.fact.event", "definition.denominator", "definition.window", "definition.cap",
        "name", "display",
    ]  # fmt: skip
    unknown = {**CLICKS, "definition": {"kind": "median", "fact": {"event": "x"}}}
    assert a_caller_of("bakery").post("/projects/bakery/metrics", unknown).fields == ["definition.kind"]


def a_caller_of(project: str) -> Caller:
    return caller(a_shop(project, f"{project}@example.com").owner)


def test_an_experiment_lives_from_draft_to_archive_over_the_api() -> None:
    asking = a_caller()
    draft = asking.post(EXPERIMENTS, {"key": "checkout-button", "name": "Green button"})
    assert (draft.status, draft.json["status"], draft.headers["ETag"]) == (201, "draft", '"1"')
    checks = asking.get(f"{BUTTON}/launch-checks?environment=production").json
    assert checks["passed"] is False
    edited = asking.put(BUTTON, {"name": "Green button", "design": DESIGN}, If_Match='"1"')
    assert edited.headers["ETag"] == '"2"'
    assert asking.get(f"{BUTTON}/launch-checks?environment=production").json["passed"] is True
    running = asking.post(f"{BUTTON}/launch", {"environment": "production"}, If_Match='"2"')
    assert running.json["status"] == "running"
    wider = asking.post(f"{BUTTON}/widen", {"parts_per_million": 500_000, "expected_version": 3})
    assert wider.json["iterations"][0]["gate_parts_per_million"] == 500_000  # type: ignore[index]  # JSON
    again = asking.post(f"{BUTTON}/restart", {"reason": "wrong green", "expected_version": 4})
    assert [one["number"] for one in again.json["iterations"]] == [1, 2]  # type: ignore[attr-defined]  # JSON
    assert asking.post(f"{BUTTON}/stop", {"reason": "enough"}).json["status"] == "stopped"
    decided = asking.post(f"{BUTTON}/decide", {"kind": "do_not_ship", "reason": "no lift"})
    assert decided.json["decision"]["reason"] == "no lift"  # type: ignore[index]  # JSON
    assert asking.post(f"{BUTTON}/archive", {}).json["status"] == "archived"
    assert [one["key"] for one in items(asking, f"{EXPERIMENTS}?status=archived")] == ["checkout-button"]
    assert items(asking, f"{EXPERIMENTS}?status=draft") == []


def test_a_launch_that_must_not_be_lists_everything_that_is_missing() -> None:
    asking = a_caller()
    asking.post(EXPERIMENTS, {"key": "idea", "name": "An idea"})
    answer = asking.post(f"{EXPERIMENTS}/idea/launch", {"environment": "production", "expected_version": 1})
    assert answer.status == 422
    assert answer.fields == ["hypothesis", "arms", "control", "arms", "metrics", "mde_relative"]


def test_a_second_launch_is_a_conflict_and_a_stale_tag_a_failed_precondition() -> None:
    asking = a_caller()
    asking.post(EXPERIMENTS, {"key": "checkout-button", "name": "Green button", "design": DESIGN})
    launch = {"environment": "production"}
    assert asking.post(f"{BUTTON}/launch", launch, If_Match='"7"').status == 412
    assert asking.post(f"{BUTTON}/launch", launch, If_Match='"1"').status == 200
    assert asking.post(f"{BUTTON}/launch", launch, If_Match='"2"').status == 409
    assert asking.post(f"{BUTTON}/launch", launch).fields == ["expected_version"]


def test_a_launch_repeated_under_one_key_starts_once() -> None:
    asking = a_caller()
    asking.post(EXPERIMENTS, {"key": "checkout-button", "name": "Green button", "design": DESIGN})
    launch = {"environment": "production", "expected_version": 1}
    answers = [asking.post(f"{BUTTON}/launch", launch, Idempotency_Key="go") for _ in range(2)]
    assert [(a.status, a.text) for a in answers] == [(200, answers[0].text)] * 2


def test_a_running_design_is_frozen_and_the_problem_names_what() -> None:
    asking = a_caller()
    asking.post(EXPERIMENTS, {"key": "checkout-button", "name": "Green button", "design": DESIGN})
    asking.post(f"{BUTTON}/launch", {"environment": "production", "expected_version": 1})
    edit = {"name": "x", "design": {**DESIGN, "alpha": 0.1, "planned_days": 28}, "expected_version": 2}
    answer = asking.put(BUTTON, edit)
    assert (answer.status, answer.fields) == (409, ["alpha", "planned_days"])


def test_a_broken_result_cannot_be_shipped_over_the_api() -> None:
    shop = a_shop()
    found(a_stopped_experiment(shop), VerdictState.WITHHELD_SRM, "A guardrail failed.")
    asking = caller(shop.owner)
    checks = asking.get(f"{BUTTON}/shipping-checks?arm=treatment").json
    assert checks["passed"] is False
    answer = asking.post(f"{BUTTON}/decide", {"kind": "ship", "arm": "treatment", "reason": "I like it"})
    assert answer.status == 409
    assert len(answer.fields) == 2
    assert asking.get(BUTTON).json["status"] == "stopped"


def test_layers_show_who_holds_which_slots() -> None:
    asking = a_caller()
    half = {**DESIGN, "layer": "checkout", "slot_share": 0.5}
    asking.post(EXPERIMENTS, {"key": "checkout-button", "name": "Green button", "design": half})
    asking.post(f"{BUTTON}/launch", {"environment": "production", "expected_version": 1})
    [layer] = items(asking, "/projects/shop/environments/production/layers")
    assert (layer["key"], layer["free_slots"]) == ("checkout", 5_000)
    assert layer["taken"] == [{"first": 0, "end": 5_000, "experiment": "checkout-button"}]
    assert items(asking, "/projects/shop/environments/development/layers") == []


def test_what_is_not_there_or_not_known_is_a_problem() -> None:
    asking = a_caller()
    assert asking.get(f"{EXPERIMENTS}/nothing").status == 404
    assert asking.get(f"{METRICS}/purchase?version=9").status == 404
    assert asking.post(EXPERIMENTS, {"key": "a", "name": "A", "design": {"colour": 1}}).fields == [
        "design.colour"
    ]
    asking.post(EXPERIMENTS, {"key": "idea", "name": "An idea"})
    assert asking.get(f"{EXPERIMENTS}/idea/launch-checks?environment=moon").status == 404


CHANGES = [
    ("post", METRICS, CLICKS),
    ("put", f"{METRICS}/purchase", {**CLICKS, "expected_version": 1}),
    ("post", f"{METRICS}/purchase/archive", None),
    ("post", EXPERIMENTS, {"key": "idea", "name": "An idea"}),
    ("put", BUTTON, {"name": "x", "design": {}, "expected_version": 1}),
    ("post", f"{BUTTON}/launch", {"environment": "production", "expected_version": 1}),
    ("post", f"{BUTTON}/widen", {"parts_per_million": 1, "expected_version": 1}),
    ("post", f"{BUTTON}/metrics", {"metric": "purchase", "expected_version": 1}),
    ("post", f"{BUTTON}/stop", {}),
    ("post", f"{BUTTON}/restart", {"expected_version": 1}),
    ("post", f"{BUTTON}/decide", {"kind": "ship", "reason": "x"}),
    ("post", f"{BUTTON}/archive", {}),
]


@pytest.mark.parametrize(("verb", "path", "body"), CHANGES)
def test_a_viewer_changes_nothing_and_another_projects_admin_finds_nothing(
    verb: str, path: str, body: dict[str, object] | None
) -> None:
    shop = a_shop()
    a_draft_experiment(shop)
    viewer, stranger = caller(a_member(shop.owner, shop.project, Role.VIEWER)), a_caller_of("bakery")
    sent = {k: v for k, v in body.items() if k != "key"} if body and verb == "put" else body
    assert viewer.call(verb.upper(), path, sent).status == 403
    assert stranger.call(verb.upper(), path, sent).status == 404
    own = stranger.call(verb.upper(), path.replace("/shop/", "/bakery/"), sent)
    assert own.status == (201 if path in {METRICS, EXPERIMENTS} else 404)


def test_an_archived_experiment_stays_readable() -> None:
    shop: Shop = a_shop()
    draft = a_draft_experiment(shop)
    archive(shop.owner, Archive(draft.id), now=NOW)
    assert caller(shop.owner).get(BUTTON).json["status"] == "archived"
