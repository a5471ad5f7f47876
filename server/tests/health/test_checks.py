"""Health checks are made, revised and deleted by people; each misuse is told at once, with the way out."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from math import inf, nan
from uuid import uuid4

import pytest
from health_scene import ILL, PLAN, WELL, a_check, after_looks, killing, rolling_back, work
from metrics_server import Metrics, a_metrics_server, connected
from people import NOW, a_member
from scenes import Shop, a_button_flag, environment_of, later

from equipoise_server.access.values import Actor, Permission, Role
from equipoise_server.audit.reads import of_subject
from equipoise_server.flags.actions import ArchiveFlag, archive_flag
from equipoise_server.foundation.models import DueWork
from equipoise_server.foundation.refusals import Conflict, Forbidden, Invalid, NotFound
from equipoise_server.health import models, reads
from equipoise_server.health.actions import (
    CreateCheck,
    DeleteCheck,
    ReviseCheck,
    create_check,
    delete_check,
    revise_check,
    try_plan,
)
from equipoise_server.health.asking import KEPT_RESULTS, _keep, ask_due
from equipoise_server.health.check_rules import MOST_CHECKS, Known, plan_problems
from equipoise_server.health.values import Comparison, Finding, Plan, Reduction, Side, State, Why
from equipoise_server.sources.actions import CreateSource, archive_connection, create_source
from equipoise_server.sources.reads import connection_by_key
from equipoise_server.sources.values import Connection, ConnectionKind, Shape

pytestmark = pytest.mark.django_db


def test_a_check_is_kept_as_it_was_described(shop: Shop) -> None:
    plan = replace(
        PLAN, comparison=Comparison.RATIO, control="grey", side=Side.AT_LEAST, window_seconds=300,
        reduction=Reduction.MEAN, sample_query="requests", least_sample=50, bound=1.2,
    )  # fmt: skip
    flag = a_button_flag(shop)
    made = a_check(shop, flag, plan)
    assert reads.check(made.id).plan == plan
    assert reads.checks_of(flag.id, environment_of(shop).id) == (made,)
    assert (made.standing.state, made.standing.why) == (State.UNKNOWN, Why.NOT_ASKED)
    record = of_subject("flag", flag.id)[0]
    assert (record.action, record.changes[0].after["check"]) == ("health_check.create", "errors")  # type: ignore[index]  # an object


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"connection": "elsewhere"}, "connection"),
        ({"query": " "}, "query"),
        ({"query": "x" * 2_001}, "query"),
        ({"query": "up\x00"}, "query"),
        ({"sample_query": "requests"}, "least_sample"),
        ({"least_sample": 5.0}, "sample_query"),
        ({"sample_query": "requests", "least_sample": 0.0}, "least_sample"),
        ({"label": "not a label"}, "label"),
        ({"label": ""}, "label"),
        ({"variants": {}}, "variants"),
        ({"variants": {"grey": "x", "green": "x"}}, "variants"),
        ({"variants": {"blue": "blue"}}, "variants.blue"),
        ({"control": "grey"}, "control"),
        ({"comparison": Comparison.RATIO}, "control"),
        ({"comparison": Comparison.RATIO, "control": "blue"}, "control"),
        ({"comparison": Comparison.DIFFERENCE, "control": "grey", "variants": {"grey": "x"}}, "variants"),
        ({"comparison": Comparison.RATIO, "label": "", "variants": {}}, "comparison"),
        ({"comparison": Comparison.RATIO, "control": "grey", "bound": 0.0}, "bound"),
        ({"bound": nan}, "bound"),
        ({"bound": inf}, "bound"),
        ({"window_seconds": 5}, "window_seconds"),
        ({"window_seconds": 100_000}, "window_seconds"),
        ({"failures": 0}, "failures"),
        ({"failures": 21}, "failures"),
        ({"interval_seconds": 14}, "interval_seconds"),
        ({"interval_seconds": 3_601}, "interval_seconds"),
    ],
)
def test_each_fault_of_a_plan_names_its_field(changes: dict[str, object], field: str) -> None:
    prometheus = Connection(
        uuid4(), uuid4(), "prometheus", ConnectionKind.PROMETHEUS, "https://p.example.com"
    )
    known = Known(("grey", "green"), {"prometheus": prometheus})
    plan = replace(PLAN, **changes)  # type: ignore[arg-type]  # one field each
    assert [problem.field for problem in plan_problems(plan, known)] == [field]
    assert list(plan_problems(PLAN, known)) == []


def test_all_faults_are_told_at_once(shop: Shop) -> None:
    plan = Plan("elsewhere", "", nan, failures=0)
    with pytest.raises(Invalid) as refused:
        create_check(
            shop.owner, CreateCheck(a_button_flag(shop).id, environment_of(shop).id, "A b", "", plan), now=NOW
        )
    assert {p.field for p in refused.value.problems} == {
        "key",
        "name",
        "connection",
        "query",
        "bound",
        "failures",
    }


def test_a_key_is_taken_once_per_flag_and_environment(shop: Shop) -> None:
    flag = a_button_flag(shop)
    a_check(shop, flag)
    with pytest.raises(Conflict, match="already"):
        a_check(shop, flag)
    a_check(shop, a_button_flag(shop, "other"))


def test_a_flag_has_room_for_so_many_checks(shop: Shop) -> None:
    flag = a_button_flag(shop)
    for n in range(MOST_CHECKS):
        a_check(shop, flag, key=f"check-{n}")
    with pytest.raises(Invalid, match=f"at most {MOST_CHECKS}"):
        a_check(shop, flag)


def test_an_archived_flag_and_a_foreign_environment_cannot_be_watched(shop: Shop) -> None:
    flag = a_button_flag(shop)
    with pytest.raises(NotFound):
        create_check(shop.owner, CreateCheck(flag.id, uuid4(), "errors", "Errors", PLAN), now=NOW)
    check = a_check(shop, flag)
    archive_flag(shop.owner, ArchiveFlag(flag.id), now=NOW)
    with pytest.raises(Conflict, match="archived"):
        a_check(shop, flag, key="more")
    work(NOW, "health.ask")
    assert reads.check(check.id).standing.asked_at is None
    assert reads.due_connections(later(0.01)) == ()


def test_another_plan_begins_anew_and_another_name_does_not(shop: Shop, metrics: Metrics) -> None:
    check = after_looks(metrics, a_check(shop, a_button_flag(shop)), ILL)
    renamed = revise_check(shop.owner, ReviseCheck(check.id, 1, "Faults", check.plan), now=NOW)
    assert (renamed.name, renamed.edition, renamed.standing.failures) == ("Faults", 2, 1)
    changed = revise_check(
        shop.owner, ReviseCheck(check.id, 2, "Faults", replace(PLAN, bound=9.0)), now=later(1)
    )
    assert (changed.standing.state, changed.standing.failures, changed.plan.bound) == (State.UNKNOWN, 0, 9.0)
    assert reads.due_connections(later(1)) == ((shop.project.id, "prometheus"),)
    with pytest.raises(Conflict, match="meanwhile"):
        revise_check(shop.owner, ReviseCheck(check.id, 2, "Faults", PLAN), now=later(1))


def test_a_deleted_check_is_gone_with_its_results_and_stays_in_the_history(
    shop: Shop, metrics: Metrics
) -> None:
    flag = a_button_flag(shop)
    check = after_looks(metrics, a_check(shop, flag), WELL)
    delete_check(shop.owner, DeleteCheck(check.id, "It is enough."), now=NOW)
    assert models.HealthResult.objects.count() == 0
    with pytest.raises(NotFound):
        reads.check(check.id)
    with pytest.raises(NotFound, match="errors"):
        reads.check_by_key(flag.id, environment_of(shop).id, "errors")
    assert of_subject("flag", flag.id)[0].action == "health_check.delete"


def test_who_may_not_edit_flags_may_not_watch_them(shop: Shop) -> None:
    flag = a_button_flag(shop)
    check = a_check(shop, flag)
    viewer = a_member(shop.owner, shop.project, Role.VIEWER)
    with pytest.raises(Forbidden):
        create_check(viewer, CreateCheck(flag.id, environment_of(shop).id, "more", "More", PLAN), now=NOW)
    with pytest.raises(Forbidden):
        revise_check(viewer, ReviseCheck(check.id, 1, "Errors", PLAN), now=NOW)
    with pytest.raises(Forbidden):
        delete_check(viewer, DeleteCheck(check.id), now=NOW)
    with pytest.raises(Forbidden):
        try_plan(viewer, flag, PLAN, now=NOW)


@pytest.mark.parametrize("plan", [killing(), rolling_back()])
def test_who_may_not_kill_lets_no_check_kill_or_roll_back(shop: Shop, plan: Plan) -> None:
    flag = a_button_flag(shop)
    editing = frozenset({Permission.PROJECT_READ, Permission.FLAG_EDIT})
    editor = Actor(shop.owner.author, {shop.project.id: editing})
    command = CreateCheck(flag.id, environment_of(shop).id, "errors", "Errors", plan)
    with pytest.raises(Forbidden, match=r"flag\.kill"):
        create_check(editor, command, now=NOW)
    holding = create_check(editor, replace(command, plan=PLAN), now=NOW)
    with pytest.raises(Forbidden, match=r"flag\.kill"):
        revise_check(editor, ReviseCheck(holding.id, 1, "Errors", plan), now=NOW)


def test_a_faulty_plan_is_not_tried(shop: Shop, metrics: Metrics) -> None:
    with pytest.raises(Invalid):
        try_plan(shop.owner, a_button_flag(shop), replace(PLAN, bound=nan), now=NOW)
    assert metrics.asked == []


def test_a_plan_is_tried_without_leaving_a_trace(shop: Shop, metrics: Metrics) -> None:
    flag = a_button_flag(shop)
    metrics.says(ILL)
    found = try_plan(shop.owner, flag, killing(), now=NOW)
    assert (found.state, [one.value for one in found.readings]) == (State.FAILING, [0.01, 0.09])
    assert models.HealthCheck.objects.count() == models.HealthResult.objects.count() == 0


def test_looks_are_an_interval_apart_and_the_oldest_go(
    shop: Shop, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("equipoise_server.health.asking.KEPT_RESULTS", 2)
    check = after_looks(metrics, a_check(shop, a_button_flag(shop)), WELL, ILL, WELL)
    ats = [result.at for result in reads.results_of(check.id)]
    assert ats == [NOW + timedelta(minutes=2), NOW + timedelta(minutes=1)]
    assert KEPT_RESULTS > 2
    count = len(metrics.asked)
    work(NOW + timedelta(minutes=2, seconds=59), "health.ask")
    assert len(metrics.asked) == count


def test_the_sample_is_asked_for_beside_the_value(shop: Shop, metrics: Metrics) -> None:
    plan = replace(PLAN, sample_query="requests", least_sample=100)
    metrics.says({"grey": 150, "green": 20}, query="requests")
    check = after_looks(metrics, a_check(shop, a_button_flag(shop), plan), WELL)
    assert (check.standing.state, check.standing.why) == (State.UNKNOWN, Why.TOO_FEW)
    assert [one.sample for one in reads.results_of(check.id)[0].finding.readings] == [150, 20]


def test_a_prometheus_that_is_away_is_asked_once_for_all_its_checks(shop: Shop) -> None:
    with a_metrics_server() as gone:
        connected(shop, gone, "gone")
    flag = a_button_flag(shop)
    checks = [a_check(shop, flag, replace(PLAN, connection="gone"), f"check-{n}") for n in range(3)]
    work(NOW, "health.ask")
    standings = [reads.check(check.id).standing for check in checks]
    assert {(one.state, one.why) for one in standings} == {(State.UNKNOWN, Why.UNREACHABLE)}
    assert {one.since for one in standings} == {NOW}
    assert DueWork.objects.filter(kind="health.ask", outcome="done").count() == 1
    work(NOW + timedelta(minutes=1), "health.ask")
    assert {reads.check(check.id).standing.since for check in checks} == {NOW}


def test_one_that_hangs_holds_up_no_other_and_the_rest_goes_first_next_time(
    shop: Shop, metrics: Metrics
) -> None:
    flag = a_button_flag(shop)
    heavy = a_check(shop, flag, replace(PLAN, query="heavy"), "a-heavy")
    light = a_check(shop, flag, replace(PLAN, query="light"), "b-light")
    metrics.answer(503, b'{"status": "error", "error": "timed out"}', query="heavy")
    metrics.says(WELL, query="light")
    for _ in range(2):
        ask_due(shop.project.id, "prometheus", now=NOW)
    seen = [one["query"] for one in metrics.asked]
    assert sorted(seen) == ["heavy", "light"]
    assert reads.check(heavy.id).standing.why is Why.TIMED_OUT
    assert reads.check(light.id).standing.state is State.PASSING


def test_a_check_that_changed_while_prometheus_was_asked_keeps_nothing_of_the_answer(shop: Shop) -> None:
    asked_about = a_check(shop, a_button_flag(shop))
    revise_check(shop.owner, ReviseCheck(asked_about.id, 1, "Errors", replace(PLAN, bound=9.0)), now=NOW)
    _keep(asked_about, Finding(State.FAILING), now=NOW)
    assert reads.results_of(asked_about.id) == ()
    assert reads.check(asked_about.id).standing.failures == 0


def test_a_connection_is_kept_while_a_check_uses_it(shop: Shop) -> None:
    check = a_check(shop, a_button_flag(shop))
    connection = connection_by_key(shop.project.id, "prometheus")
    with pytest.raises(Conflict, match="the health check “errors” of “checkout-button”"):
        archive_connection(shop.owner, connection.id, now=NOW)
    delete_check(shop.owner, DeleteCheck(check.id), now=NOW)
    archive_connection(shop.owner, connection.id, now=NOW)
    with pytest.raises(Invalid, match="no Prometheus connection"):
        a_check(shop, a_button_flag(shop, "other"))


def test_no_source_of_metrics_reads_from_a_prometheus(shop: Shop) -> None:
    shape = Shape("prometheus", {"user": "u"}, "t", {}, table="orders")
    with pytest.raises(Invalid) as refused:
        create_source(shop.owner, CreateSource(shop.project.id, "orders", "Orders", shape), now=NOW)
    assert [problem.field for problem in refused.value.problems] == ["connection"]
    assert "health checks" in refused.value.problems[0].message
