"""Reports over the API: numbers with their intervals, or the reason why there are none, in every format."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from pathlib import Path

import pytest
from calling import Caller, caller
from people import NOW
from scenes import Shop, a_design, a_draft_experiment, a_running_experiment, a_shop, later, launched
from traffic import Visit, visited

from equipoise_server.analysis.actions import refresh
from equipoise_server.analysis.doubts import doubt
from equipoise_server.experiments.actions import Restart, restart
from equipoise_server.experiments.values import Experiment
from equipoise_stats import Interval, Results, analyse, from_document

pytestmark = pytest.mark.django_db
BUTTON = "/projects/shop/experiments/checkout-button"
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def own_disk(tmp_path: Path, settings: pytest.FixtureRequest) -> None:
    settings.DATA_DIRECTORY = tmp_path  # type: ignore[attr-defined]  # pytest-django's settings


@pytest.fixture
def shop() -> Shop:
    return a_shop()


def measured(experiment: Experiment, *, control: int, treatment: int) -> None:
    """So many units meet each arm on the first day, every fifth of them buys; then a look."""
    assert experiment.iteration is not None
    arms = ["control"] * control + ["treatment"] * treatment
    visits = [
        Visit(
            f"u{n}",
            arm,
            NOW + MINUTE,
            (("purchase", None, MINUTE), ("page", 80.0 + n % 7, MINUTE))[n % 5 != 0 :],
        )
        for n, arm in enumerate(arms)
    ]
    visited(experiment.iteration, visits, now=later(1))
    refresh(experiment.iteration.id, later(2))


def a_sequence(shop: Shop) -> Experiment:
    """A running experiment whose first day is judged already: it plans no looks."""
    return a_running_experiment(shop, design=a_design(looks=None))


def asking(shop: Shop) -> Caller:
    return caller(shop.owner)


def test_a_report_shows_every_metric_with_its_intervals(shop: Shop) -> None:
    measured(a_sequence(shop), control=600, treatment=600)
    report = asking(shop).get(f"{BUTTON}/report").json
    results, arms = report["results"], report["arms"]
    assert report["withheld"] is None
    assert isinstance(arms, list)
    assert isinstance(results, dict)
    assert [(arm["arm"], arm["exposed"]) for arm in arms] == [("control", 600), ("treatment", 600)]
    assert results["method"] == "confidence_sequence"
    oec = results["rows"][0]
    assert (oec["metric"], oec["role"], oec["metric_version"]) == ("purchase", "oec", 1)
    assert oec["effect_interval"]["low"] < oec["effect"] < oec["effect_interval"]["high"]


def test_the_export_has_the_same_numbers_as_the_report(shop: Shop) -> None:
    measured(a_sequence(shop), control=600, treatment=600)
    exported = asking(shop).get(f"{BUTTON}/report.csv")
    assert exported.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert exported.headers["Content-Disposition"] == 'attachment; filename="checkout-button-1.csv"'
    rows = list(csv.DictReader(io.StringIO(exported.text)))
    shown = asking(shop).get(f"{BUTTON}/report").json["results"]["rows"]  # type: ignore[index]  # JSON
    assert [(row["metric"], row["arm"]) for row in rows] == [(one["metric"], one["arm"]) for one in shown]
    assert float(rows[0]["effect"]) == shown[0]["effect"]
    assert rows[0]["effect_low"] == str(shown[0]["effect_interval"]["low"])


def numbers_of_metrics(document: object) -> list[str]:
    """Every member that could hold a metric's number, however deep."""
    if isinstance(document, dict):
        inner = [found for value in document.values() for found in numbers_of_metrics(value)]
        return [name for name in document if name in {"rows", "lift", "effect", "control_value"}] + inner
    if isinstance(document, list):
        return [found for value in document for found in numbers_of_metrics(value)]
    return []


def test_a_withheld_report_has_no_metric_number_in_any_format(shop: Shop) -> None:
    measured(a_running_experiment(shop), control=900, treatment=600)
    report = asking(shop).get(f"{BUTTON}/report")
    assert report.json["results"] is None
    assert report.json["withheld"]["what_to_check"]  # type: ignore[index]  # JSON
    assert numbers_of_metrics(json.loads(report.text)) == []
    exported = asking(shop).get(f"{BUTTON}/report.csv")
    assert (exported.status, exported.json["code"]) == (409, "conflict")
    decided = asking(shop).get(f"{BUTTON}/shipping-checks?arm=treatment").json
    assert decided["passed"] is False
    history = asking(shop).get(f"{BUTTON}/history").json["items"]
    assert [one["verdict"] for one in history] == ["withheld_srm"]  # type: ignore[attr-defined]  # JSON
    assert numbers_of_metrics(history) == []


def test_a_report_whose_state_is_in_doubt_has_no_metric_number_in_any_format(shop: Shop) -> None:
    experiment = a_sequence(shop)
    measured(experiment, control=600, treatment=600)
    assert experiment.iteration is not None
    told = "in sums moved by news: latency:denominator, purchase:before, units"
    doubt(experiment.iteration.id, told, now=later(2.5))
    report = asking(shop).get(f"{BUTTON}/report").json
    assert report["verdict"] == "withheld_state"
    assert (
        "raw events say: they differ in “Latency” (what it is divided by), “Purchase” (before the exposure)"
        " and the number of units."
    ) in str(report["withheld"])
    assert "do not say" not in str(report["withheld"])
    assert "differs from the raw events" in str(report["withheld"])
    assert numbers_of_metrics(report) == []
    assert asking(shop).get(f"{BUTTON}/report.csv").status == 409


def test_a_metric_that_a_running_experiment_is_given_late_has_its_whole_history(shop: Shop) -> None:
    experiment = a_sequence(shop)
    measured(experiment, control=600, treatment=600)
    spent = {"kind": "sum", "fact": {"event": "page", "aggregate": "sum"}}
    made = asking(shop).post(
        "/projects/shop/metrics",
        {"key": "loading", "name": "Loading", "definition": spent, "direction": "decrease"},
    )
    assert made.status == 201, made.json
    added = asking(shop).post(
        f"{BUTTON}/metrics", {"metric": "loading", "expected_version": experiment.version}
    )
    assert added.status == 200, added.json
    assert experiment.iteration is not None
    refresh(experiment.iteration.id, later(3))
    results = asking(shop).get(f"{BUTTON}/report").json["results"]
    row = next(one for one in results["rows"] if one["metric"] == "loading")  # type: ignore[index]  # JSON
    assert (row["role"], row["metric_version"]) == ("diagnostic", 1)
    assert row["control_value"] == pytest.approx(sum(80.0 + n % 7 for n in range(600)) / 600)
    assert row["treatment_value"] == pytest.approx(sum(80.0 + n % 7 for n in range(600, 1200)) / 600)


def test_a_metric_that_cannot_be_added_is_refused_with_the_way_out(shop: Shop) -> None:
    experiment = a_sequence(shop)
    path, version = f"{BUTTON}/metrics", experiment.version
    again = asking(shop).post(path, {"metric": "purchase", "expected_version": version})
    assert (again.status, again.fields) == (422, ["metric"])
    unknown = asking(shop).post(path, {"metric": "nothing", "expected_version": version})
    assert (unknown.status, unknown.fields) == (422, ["metric"])
    assert asking(shop).post(path, {"metric": "purchase", "expected_version": version - 1}).status == 409
    asking(shop).post(f"{BUTTON}/stop", {"reason": "enough"})
    stopped = asking(shop).post(path, {"metric": "latency", "expected_version": version + 1})
    assert stopped.status == 409


def test_an_experiment_that_nobody_has_analysed_has_no_report_and_says_so(shop: Shop) -> None:
    a_draft_experiment(shop)
    answer = asking(shop).get(f"{BUTTON}/report")
    assert (answer.status, answer.fields) == (404, ["iteration"])
    a_running_experiment(shop, "banner")
    fresh = asking(shop).get("/projects/shop/experiments/banner/report")
    assert (fresh.status, fresh.fields) == (404, ["report"])
    assert asking(shop).get("/projects/shop/experiments/banner/report?iteration=7").fields == ["iteration"]


def test_the_report_of_an_earlier_iteration_stays_readable(shop: Shop) -> None:
    experiment = a_sequence(shop)
    measured(experiment, control=600, treatment=600)
    restart(shop.owner, Restart(experiment.id, experiment.version), now=later(3))
    assert asking(shop).get(f"{BUTTON}/report").status == 404
    assert asking(shop).get(f"{BUTTON}/report?iteration=1").status == 200
    history = asking(shop).get(f"{BUTTON}/history").json["items"]
    assert [(one["iteration"]["number"], one["verdict"]) for one in history] == [  # type: ignore[attr-defined]  # JSON
        (1, "running"), (2, None),
    ]  # fmt: skip


def test_a_name_that_a_spreadsheet_would_run_is_exported_as_text(shop: Shop) -> None:
    draft = a_draft_experiment(shop, design=a_design(looks=None))
    named = {"name": "=HYPERLINK(1)", "definition": {"kind": "conversion", "fact": {"event": "purchase"}}}
    assert asking(shop).put("/projects/shop/metrics/purchase", named, If_Match='"1"').status == 200
    measured(launched(shop, draft), control=600, treatment=600)
    rows = list(csv.DictReader(io.StringIO(asking(shop).get(f"{BUTTON}/report.csv").text)))
    assert rows[0]["name"] == "'=HYPERLINK(1)"


def test_the_power_plan_answers_or_says_what_is_missing(shop: Shop) -> None:
    asked = {"kind": "conversion", "baseline": 0.1, "mde_relative": 0.05, "daily_units": 2000}
    answer = asking(shop).post("/projects/shop/power", asked).json
    assert answer["missing"] == []
    # Fleiss 1981, two proportions without continuity correction: 57,763 an arm.
    assert abs(answer["units_per_arm"] - 57_763) < 600  # type: ignore[operator]  # JSON
    assert answer["recommended_days"] == 63
    assert len(answer["by_week"]) == 8  # type: ignore[arg-type]  # JSON
    empty = asking(shop).post("/projects/shop/power", {"kind": "sum"}).json
    assert empty["units_per_arm"] is None
    assert len(empty["missing"]) == 2  # type: ignore[arg-type]  # JSON


def test_the_power_plan_knows_looks_covariates_and_guardrails(shop: Shop) -> None:
    guardrail = {"name": "latency", "kind": "mean", "baseline": 100, "deviation": 40,
                 "margin": {"kind": "relative", "value": 0.02}}  # fmt: skip
    asked = {
        "kind": "conversion", "baseline": 0.1, "mde_relative": 0.05, "daily_units": 2000, "planned_days": 63,
        "looks": {"count": 9, "spending": "pocock"}, "guardrails": [guardrail],
    }  # fmt: skip
    answer = asking(shop).post("/projects/shop/power", asked).json
    assert answer["inflation"] > 1.1  # type: ignore[operator]  # JSON
    assert answer["guardrails"][0]["blocked"] < 0.05  # type: ignore[index,operator]  # JSON
    assert 0.5 < answer["all_pass"] < 1  # type: ignore[operator]  # JSON


def test_exported_moments_give_the_same_report_in_a_notebook(shop: Shop) -> None:
    measured(a_sequence(shop), control=600, treatment=600)
    exported = asking(shop).get(f"{BUTTON}/moments.json")
    assert exported.headers["Content-Disposition"] == 'attachment; filename="checkout-button-1-moments.json"'
    found = analyse(*from_document(json.loads(exported.text)))
    assert isinstance(found, Results)
    shown = asking(shop).get(f"{BUTTON}/report").json["results"]["rows"]  # type: ignore[index]  # JSON
    oec = found.of("purchase", "treatment")
    assert isinstance(oec.effect, Interval)
    assert (oec.effect.value, oec.p_value) == (shown[0]["effect"], shown[0]["p_value"])
    assert oec.effect.lower == shown[0]["effect_interval"]["low"]


def test_moments_are_withheld_with_the_results(shop: Shop) -> None:
    measured(a_running_experiment(shop), control=900, treatment=600)
    refused = asking(shop).get(f"{BUTTON}/moments.json")
    assert (refused.status, refused.json["code"]) == (409, "conflict")
    assert numbers_of_metrics(refused.json) == []
