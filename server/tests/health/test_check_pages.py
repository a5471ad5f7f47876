"""Pages of health checks: the small table on the flag's page and on the ramp, the form, trials and looks."""

from __future__ import annotations

import pytest
from dashboard.browsing import PLACE, signed_in
from django.test import Client
from django.utils import timezone
from health_scene import ILL, WELL, a_check, after_looks, work
from metrics_server import Metrics
from people import NOW, a_member
from scenes import Shop, a_button_flag, a_design, a_running_experiment, a_shop, environment_of, later

from equipoise_server.access.values import Role
from equipoise_server.dashboard.pages.health_checks import check_line
from equipoise_server.experiments.actions import Stop, stop
from equipoise_server.experiments.values import GateStep
from equipoise_server.flags.reads import flag_by_key
from equipoise_server.health import models, reads
from equipoise_server.health.values import Comparison, OnFailure, State

pytestmark = pytest.mark.django_db
FLAG = f"{PLACE}/flags/checkout-button"
CHECKS = f"{FLAG}/checks"
TYPED = {
    "name": "Errors", "connection": "prometheus", "query": "errors", "label": "variant",
    "variants": "grey = grey\ngreen = green\n", "comparison": "ratio", "control": "grey", "side": "at_most",
    "bound": "1.5", "window_seconds": "", "reduction": "last", "sample_query": "", "least_sample": "",
    "interval_seconds": "60", "failures": "3", "on_failure": "kill",
}  # fmt: skip


@pytest.fixture
def admin(shop: Shop) -> Client:
    a_button_flag(shop)
    return signed_in(shop.owner)


def page(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_check_is_added_by_the_form_and_shown_on_the_flags_page(admin: Client, shop: Shop) -> None:
    assert "Add a check" in page(admin, FLAG)
    assert 'value="prometheus"' in page(admin, f"{CHECKS}/new")
    answer = admin.post(f"{CHECKS}/new", {**TYPED, "do": "save"})
    assert (answer.status_code, answer["Location"]) == (302, f"{CHECKS}/errors")
    (check,) = reads.checks_of(flag_by_key(shop.project.id, "checkout-button").id, environment_of(shop).id)
    assert (check.plan.comparison, check.plan.control) == (Comparison.RATIO, "grey")
    assert (check.plan.on_failure, check.plan.bound) == (OnFailure.KILL, 1.5)
    shown = page(admin, FLAG)
    assert "at most 1.5 times “grey”" in shown
    assert "kills after 3\u00a0failures in a row" in shown
    assert "Nobody has asked yet" in shown


def test_a_trial_shows_what_each_variant_got_and_keeps_nothing(
    admin: Client, shop: Shop, metrics: Metrics
) -> None:
    metrics.says({"grey": 0.02, "green": 0.05})
    answer = admin.post(f"{CHECKS}/new", {**TYPED, "do": "test"})
    shown = answer.content.decode()
    assert answer.status_code == 200
    assert "What it would find now" in shown
    assert "0.05" in shown
    assert ">2.5<" in shown
    assert "Failing" in shown
    assert models.HealthCheck.objects.count() == 0
    metrics.answer(400, b'{"status": "error", "error": "parse error: <script>"}')
    shown = admin.post(f"{CHECKS}/new", {**TYPED, "do": "test"}).content.decode()
    assert "Prometheus does not take the query: parse error: &lt;script&gt;" in shown


@pytest.mark.parametrize("do", ["save", "test"])
def test_every_fault_is_shown_with_what_was_typed(admin: Client, do: str) -> None:
    wrong = {"variants": "green\nblue = blue", "bound": "", "failures": "many", "query": "errors(", "do": do}
    answer = admin.post(f"{CHECKS}/new", {**TYPED, **wrong})
    shown = answer.content.decode()
    assert answer.status_code == 422
    for said in (
        "write it like green = green",
        "Say where the bound is",
        "must be a whole number",
        "errors(",
    ):
        assert said in shown
    assert (
        "has no variant “blue”"
        in admin.post(
            f"{CHECKS}/new", {**TYPED, "variants": "grey = grey\nblue = blue", "do": do}
        ).content.decode()
    )


def test_a_check_shows_its_last_looks_and_is_revised_and_deleted(
    admin: Client, shop: Shop, metrics: Metrics
) -> None:
    flag = flag_by_key(shop.project.id, "checkout-button")
    after_looks(metrics, a_check(shop, flag), WELL, ILL, {"grey": 0.01})
    shown = page(admin, f"{CHECKS}/errors")
    for said in (
        "Last looks",
        "0.09",
        "No series has variant=“green”; there is “grey”.",
        "Failing",
        "Passing",
    ):
        assert said in shown
    metrics.says(ILL)
    assert (
        "What it would find now"
        in admin.post(f"{CHECKS}/errors", {**TYPED, "do": "test", "edition": "1"}).content.decode()
    )
    saved = admin.post(f"{CHECKS}/errors", {**TYPED, "do": "save", "edition": "1"})
    assert saved.status_code == 302
    assert admin.post(f"{CHECKS}/errors", {**TYPED, "do": "save", "edition": "1"}).status_code == 409
    assert admin.post(f"{CHECKS}/errors", {**TYPED, "bound": "x", "edition": "2"}).status_code == 422
    assert admin.post(f"{CHECKS}/errors/delete", {"reason": "Enough"}).status_code == 302
    assert admin.get(f"{CHECKS}/errors").status_code == 404
    assert "deleted a health check of" in page(admin, FLAG)


def test_a_viewer_reads_checks_and_changes_none(admin: Client, shop: Shop) -> None:
    a_check(shop, flag_by_key(shop.project.id, "checkout-button"))
    viewer = signed_in(a_member(shop.owner, shop.project, Role.VIEWER))
    shown = page(viewer, f"{CHECKS}/errors")
    assert "Test now" not in shown
    assert "Add a check" not in page(viewer, FLAG)
    assert viewer.get(f"{CHECKS}/new").status_code == 403
    assert viewer.post(f"{CHECKS}/errors", {**TYPED, "do": "test"}).status_code == 403
    viewer.post(f"{CHECKS}/errors/delete", {})
    assert models.HealthCheck.objects.count() == 1


def test_without_a_prometheus_the_form_says_who_connects_one(shop: Shop) -> None:
    bare = a_shop("bakery", "bea@example.com")
    a_button_flag(bare)
    client = signed_in(bare.owner)
    assert "There is no Prometheus yet" in page(
        client, "/p/bakery/production/flags/checkout-button/checks/new"
    )


def test_a_held_ramp_says_since_when_and_why(shop: Shop, metrics: Metrics) -> None:
    design = a_design(
        audience_parts_per_million=10_000, ramp=(GateStep(24, 100_000), GateStep(48, 1_000_000))
    )
    a_running_experiment(shop, design=design)
    a_check(shop, flag_by_key(shop.project.id, "checkout-button"))
    metrics.says(ILL)
    work(later(1), "health.ask")
    work(later(1), "experiment.ramp")
    shown = page(signed_in(shop.owner), f"{PLACE}/experiments/checkout-button/design")
    assert "until every health check passes" in shown
    assert "“green” is at 0.09, and it shall be at most 0.05" in shown
    assert "after the hold" in shown
    assert "The errors of the shop" in shown
    assert "no result reads them" in shown


def test_an_experiment_shows_the_health_checks_of_its_flags_while_it_runs(
    shop: Shop, metrics: Metrics
) -> None:
    running = a_running_experiment(shop)
    tab = f"{PLACE}/experiments/checkout-button/health"
    assert "Health checks of its flags" not in page(signed_in(shop.owner), tab)
    after_looks(metrics, a_check(shop, flag_by_key(shop.project.id, "checkout-button")), WELL)
    shown = page(signed_in(shop.owner), tab)
    assert "Health checks of its flags" in shown
    assert "The errors of the shop" in shown
    stop(shop.owner, Stop(running.id, "It has run long enough."), now=later(14))
    assert "The errors of the shop" not in page(signed_in(shop.owner), tab)


def test_a_prometheus_is_connected_by_the_form_and_offered_to_no_source(shop: Shop) -> None:
    admin = signed_in(shop.owner)
    typed = {"key": "second", "kind": "prometheus", "location": "http://localhost:9090", "password_from": ""}
    answer = admin.post(f"{PLACE}/sources/connections", typed, follow=True)
    shown = answer.content.decode()
    assert "Add health checks to flags." in shown
    assert "Prometheus, for health checks" in shown
    assert "second (" not in page(admin, f"{PLACE}/sources/new")


def test_what_was_found_before_nobody_asked_is_not_shown_as_now(shop: Shop, metrics: Metrics) -> None:
    check = after_looks(metrics, a_check(shop, a_button_flag(shop)), WELL)
    (last,) = reads.results_of(check.id)
    assert [one.value for one in check_line(check, last, NOW).readings] == ["0.01", "0.02"]
    stale = check_line(check, last, timezone.now())
    assert (stale.state, stale.readings) == ("Unknown", ())
    assert check.standing.state is State.PASSING
