"""Pages: whole, labelled, and silent where silence is due."""

from __future__ import annotations

import re
from dataclasses import asdict, replace

import pytest
import scenes
from dashboard import gallery
from dashboard.browsing import PLACE, Page, addresses, signed_in
from django.template.loader import render_to_string
from people import NOW, a_member, a_person

from equipoise_server.access.values import Permission, Role
from equipoise_server.analysis.values import Guardrail, GuardrailState, Report
from equipoise_server.dashboard.pages import experiment as pages
from equipoise_server.dashboard.pages.experiment import ExperimentPage, Shown, Tab
from equipoise_server.dashboard.pages.health import health_tab
from equipoise_server.dashboard.pages.results import ResultsState, results_tab
from equipoise_server.experiments.actions import CreateHoldout, create_holdout
from equipoise_server.experiments.values import Experiment, HoldoutScope, MetricRole, VerdictState
from equipoise_server.flags.actions import KillEnvironment, kill_environment

NAMES = pages.arm_names(gallery.DESIGN)
LOCKED = replace(
    gallery.EXPERIMENT,
    verdict=replace(gallery.EXPERIMENT.verdict, state=VerdictState.WITHHELD_SRM)
    if gallery.EXPERIMENT.verdict
    else None,
)


def _results(experiment: Experiment, report: Report | None) -> ExperimentPage:
    head = pages.experiment_head(
        Shown(experiment, experiment.iteration, report),
        project=gallery.SHOP, permissions=frozenset(Permission), now=gallery.NOW,
    )  # fmt: skip
    tab = results_tab(report, NAMES, has_started=experiment.iteration is not None)
    return ExperimentPage(head, Tab.RESULTS, results=tab)


def _rendered(template: str, page: object) -> Page:
    context = {"page": page, "frame": gallery.a_frame("Experiment"), "csrf_token": "token"}
    return Page(render_to_string(f"dashboard/{template}", context))


def test_a_locked_page_has_no_number_of_any_metric() -> None:
    page = _results(LOCKED, gallery.LOCKED_REPORT)
    assert page.results is not None
    assert page.results.state is ResultsState.LOCKED
    assert page.results.blocks == ()
    shown = _rendered("experiment/results.html", page)
    assert "Results are withheld" in shown.text
    assert "Purchase rate" not in shown.text
    assert not re.search(r"\d\s?%\s(to|and)|[+−]\d", shown.text)
    assert "Restart with fresh units" in shown.text
    assert shown.all("svg") == [svg for svg in shown.all("svg") if svg.get("role") != "img"], "no chart"


def test_a_locked_pages_facts_carry_no_metric_either() -> None:
    page = _results(LOCKED, gallery.LOCKED_REPORT)
    assert "purchase" not in str(asdict(page.results or page)).lower()


def test_a_locked_pages_health_still_shows_the_split() -> None:
    tab = health_tab(gallery.LOCKED_REPORT, NAMES)
    assert [(arm.exposed, arm.expected) for arm in tab.arms] == [(50_000, 49_000), (48_000, 49_000)]
    assert tab.srm_one_in == "less than 1 in a billion"


def test_results_show_the_oec_first_with_its_interval() -> None:
    page = _results(gallery.EXPERIMENT, gallery.REPORT)
    assert page.results is not None
    assert [block.role for block in page.results.blocks] == [
        MetricRole.OEC, MetricRole.SECONDARY, MetricRole.GUARDRAIL, MetricRole.DIAGNOSTIC,
    ]  # fmt: skip
    line = page.results.oec[0]
    assert (line.lift, line.lift_range) == ("+6.1\u00a0%", "+2.9\u00a0% to +9.4\u00a0%")


def test_every_shown_lift_has_its_interval_and_its_units() -> None:
    page = _results(gallery.EXPERIMENT, gallery.REPORT)
    assert page.results is not None
    for block in page.results.blocks:
        for line in block.lines:
            assert bool(line.lift) == bool(line.lift_range)
            assert line.control_units > 0
    text = _rendered("experiment/results.html", page).text
    assert "Data up to 24 Mar 2026, 00:00 UTC; checked 4 minutes ago" in text


def test_results_can_be_taken_along_as_csv_and_withheld_ones_cannot() -> None:
    files = [
        [link["href"] for link in _rendered("experiment/results.html", _results(one, report)).all("a")
         if "download" in link]
        for one, report in ((gallery.EXPERIMENT, gallery.REPORT), (LOCKED, gallery.LOCKED_REPORT))
    ]  # fmt: skip
    key = gallery.EXPERIMENT.key
    assert files == [[f"/api/v1/projects/shop/experiments/{key}/report.csv"], []]


def test_without_an_interval_a_reason_stands_where_numbers_would() -> None:
    early = gallery.a_row(
        "purchase-rate", "Purchase rate", MetricRole.OEC, values=(0.1, 0.11), interval=None,
        reason="Too early: fewer than 100 units in an arm.",
    )  # fmt: skip
    assert gallery.REPORT.results is not None
    report = replace(
        gallery.REPORT, results=replace(gallery.REPORT.results, rows=(early,), lift_over_time=())
    )
    page = _results(gallery.EXPERIMENT, report)
    assert page.results is not None
    assert page.results.oec[0].lift == ""
    assert "Too early: fewer than 100 units" in _rendered("experiment/results.html", page).text


@pytest.mark.parametrize(
    ("report", "has_started", "state"),
    [
        (None, False, ResultsState.NOT_STARTED),
        (None, True, ResultsState.COMPUTING),
        (gallery.LOCKED_REPORT, True, ResultsState.LOCKED),
        (replace(gallery.LOCKED_REPORT, verdict=VerdictState.NO_DATA), True, ResultsState.WAITING),
        (gallery.REPORT, True, ResultsState.SHOWN),
    ],
)
def test_results_have_five_faces(report: Report | None, has_started: bool, state: ResultsState) -> None:
    tab = results_tab(report, NAMES, has_started=has_started)
    assert tab.state is state
    started = gallery.EXPERIMENT if has_started else replace(gallery.EXPERIMENT, iterations=())
    page = replace(_results(started, report), results=tab)
    assert len(_rendered("experiment/results.html", page).all("h1")) == 1


@pytest.mark.django_db
def test_every_page_has_one_heading_a_title_and_named_fields() -> None:
    shop = scenes.a_shop()
    holdout = CreateHoldout("global", "Global", "user", 20_000, HoldoutScope())
    create_holdout(shop.owner, holdout, now=NOW)
    scenes.a_running_experiment(shop)
    scenes.a_draft_experiment(shop, "draft")
    client = signed_in(shop.owner)
    read = 0
    for address in addresses():
        for each in {
            address,
            address.replace("/experiments/checkout-button/edit", "/experiments/draft/edit"),
        }:
            answer = client.get(each)
            if answer.status_code in {405, 302}:
                continue
            page = Page(answer.text)
            if page.all("html") == []:
                continue
            read += 1
            assert len(page.all("h1")) == 1, each
            assert page.nameless_fields() == [], each
            assert page.all("main"), each
            ids = [a["id"] for _, a in page.tags if "id" in a]
            assert len(ids) == len(set(ids)), each
    assert read >= 25


@pytest.mark.django_db
def test_a_new_project_is_led_to_its_first_experiment() -> None:
    shop = scenes.a_shop()
    page = Page(signed_in(shop.owner).get(PLACE).text)
    assert "Your first experiment" in page.text
    assert "Create a flag" in page.text


@pytest.mark.django_db
def test_home_names_what_waits_for_somebody() -> None:
    shop = scenes.a_shop()
    scenes.found(scenes.a_running_experiment(shop), VerdictState.WITHHELD_SRM)
    scenes.a_draft_experiment(shop, "later")
    page = Page(signed_in(shop.owner).get(PLACE).text)
    assert "Results withheld" in page.text
    assert page.text.index("Results withheld") < page.text.index("Later")


@pytest.mark.django_db
def test_an_unknown_address_is_said_in_words() -> None:
    answer = signed_in(scenes.a_shop().owner).get("/p/shop/production/experiments/none")
    assert answer.status_code == 404
    assert "There is no experiment “none” in this project." in answer.text


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("address", "status"), [("/flags/none", 404), ("/nowhere", 404), ("/flags/new", 403), ("/import", 403)]
)
def test_a_refusal_inside_a_project_keeps_the_way_to_everything_else(address: str, status: int) -> None:
    shop = scenes.a_shop()
    answer = signed_in(a_member(shop.owner, shop.project, Role.VIEWER)).get(f"{PLACE}{address}")
    assert answer.status_code == status
    ways = {link.get("href") for link in Page(answer.text).all("a")}
    assert {PLACE, f"{PLACE}/flags", f"{PLACE}/experiments"} <= ways


@pytest.mark.django_db
def test_a_refusal_names_no_project_to_a_stranger() -> None:
    shop = scenes.a_shop()
    answer = signed_in(a_person("eve@example.com")).get(f"{PLACE}/nowhere")
    assert answer.status_code == 404
    assert shop.project.name not in Page(answer.text).text


@pytest.mark.django_db
def test_home_asks_nobody_for_what_they_may_not_do() -> None:
    shop = scenes.a_shop()
    scenes.a_draft_experiment(shop, "later")
    edits = f"{PLACE}/experiments/later/edit/review"
    assert edits in {link.get("href") for link in Page(signed_in(shop.owner).get(PLACE).text).all("a")}
    viewer = Page(signed_in(a_member(shop.owner, shop.project, Role.VIEWER)).get(PLACE).text)
    assert edits not in {link.get("href") for link in viewer.all("a")}


@pytest.mark.django_db
def test_a_breached_guardrail_says_what_to_do_about_it() -> None:
    shop = scenes.a_shop()
    scenes.found(scenes.a_running_experiment(shop), VerdictState.GUARDRAIL_BREACHED)
    address = f"{PLACE}/experiments/checkout-button"
    told = Page(signed_in(shop.owner).get(address).text).text
    assert "Stop the experiment, unless the harm is known" in told
    viewer = signed_in(a_member(shop.owner, shop.project, Role.VIEWER))
    assert "Whoever runs experiments should stop it" in Page(viewer.get(address).text).text


@pytest.mark.django_db
def test_a_text_that_is_no_number_is_marked_in_its_own_field() -> None:
    client = signed_in(scenes.a_shop().owner)
    page = Page(client.post(f"{PLACE}/metrics/new", {"name": "Visits", "cap": "many"}).text)
    assert [each["name"] for each in page.all("input") if each.get("aria-invalid") == "true"] == ["cap"]


def test_differences_drawn_on_the_lift_axis_are_said_to_be() -> None:
    results = gallery.REPORT.results
    assert results is not None
    in_points = Guardrail(GuardrailState.PASS, "0.1 pp", None, 0.001, False)
    rows = tuple(replace(row, guardrail=in_points) if row.guardrail else row for row in results.rows)
    report = replace(gallery.REPORT, results=replace(results, rows=rows))
    said = "drawn as a share of control"
    assert said in _rendered("experiment/results.html", _results(gallery.EXPERIMENT, report)).text
    plain = _rendered("experiment/results.html", _results(gallery.EXPERIMENT, gallery.REPORT))
    assert said not in plain.text


@pytest.mark.django_db
def test_a_record_leads_to_what_it_is_about_and_names_an_environment_once() -> None:
    shop = scenes.a_shop()
    scenes.a_button_flag(shop)
    environment = shop.project.environments[-1]
    kill_environment(shop.owner, KillEnvironment(environment.id, "Fire"), now=NOW)
    page = Page(signed_in(shop.owner).get(f"{PLACE}/activity").text)
    assert f"{PLACE}/flags/checkout-button" in {link.get("href") for link in page.all("a")}
    assert f"{environment.name} in {environment.name}" not in page.text
