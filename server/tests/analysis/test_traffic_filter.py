"""The traffic filter: its rules are checked all at once, versions are kept, and every reading obeys them."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

import pytest
from people import NOW, a_member
from scenes import Shop, a_design, a_draft_experiment, a_running_experiment, a_shop, environment_of
from traffic import Visit, visited

from equipoise_server.access.values import Role
from equipoise_server.analysis.actions import SetTrafficFilter, refresh, set_traffic_filter
from equipoise_server.analysis.reads import traffic_filter, traffic_filters
from equipoise_server.analysis.values import Operator, Report, SrmState, TrafficRule, TrafficTest
from equipoise_server.audit.models import AuditRecord
from equipoise_server.experiments.actions import EditDesign, Launch, edit_design, launch
from equipoise_server.experiments.reads import launch_checks
from equipoise_server.experiments.values import Iteration
from equipoise_server.foundation.refusals import Conflict, Forbidden, Invalid

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
COLLEAGUES = TrafficRule(
    "colleagues", "colleagues", TrafficTest.ATTRIBUTE, "email", Operator.ENDS, ("@example.com",)
)
BUSY = TrafficRule("busy", "over 50 events an hour", TrafficTest.EVENTS_PER_HOUR, most=50)


def filtered(shop: Shop, *rules: TrafficRule, version: int = 0) -> None:
    set_traffic_filter(shop.owner, SetTrafficFilter(shop.project.id, version, rules, "Bots"), now=NOW)


def running(shop: Shop, **changes: object) -> Iteration:
    iteration = a_running_experiment(shop, design=a_design(looks=None, **changes)).iteration
    assert iteration is not None
    return iteration


def shopper(number: int, dice: random.Random, email: str = "someone@shop.test") -> Visit:
    did = [("page", dice.gauss(100, 10), HOUR)]
    if dice.random() < 0.2:
        did.append(("purchase", None, HOUR))  # type: ignore[arg-type]  # a purchase has no value
    arm = ("control", "treatment")[number % 2]
    return Visit(
        f"u{number}", arm, NOW + HOUR, tuple(did), attributes={"email": email, "os": f"os{number % 3}"}
    )


def reported(iteration: Iteration, visits: list[Visit]) -> Report:
    visited(iteration, visits, now=NOW + DAY)
    return refresh(iteration.id, NOW + 2 * DAY)


def test_every_fault_of_the_rules_is_told_with_its_field() -> None:
    shop = a_shop()
    rules = (
        TrafficRule("Bad key", "", TrafficTest.ATTRIBUTE),
        TrafficRule("same", "a", TrafficTest.EVENTS_PER_HOUR),
        TrafficRule("same", "b", TrafficTest.HOURS_PER_DAY, most=24),
        TrafficRule("mixed", "c", TrafficTest.EVENTS_PER_DAY, "email", values=("x",), most=0),
        TrafficRule("limited", "d", TrafficTest.ATTRIBUTE, "email", values=("x", ""), most=3),
    )
    with pytest.raises(Invalid) as refused:
        filtered(shop, *rules)
    assert [problem.field for problem in refused.value.problems] == [
        "rules", "rules.0.key", "rules.0.name", "rules.0.attribute", "rules.0.values", "rules.1.most",
        "rules.2.most", "rules.3.attribute", "rules.3.most", "rules.4.values", "rules.4.most",
    ]  # fmt: skip
    assert traffic_filter(shop.project.id) is None


def test_more_rules_or_values_than_anybody_reads_are_refused() -> None:
    shop = a_shop()
    many = tuple(TrafficRule(f"r{n}", "r", TrafficTest.EVENTS_PER_DAY, most=n + 1) for n in range(21))
    values = TrafficRule("v", "v", TrafficTest.ATTRIBUTE, "id", values=tuple(f"{n}" for n in range(101)))
    with pytest.raises(Invalid) as refused:
        filtered(shop, *many[:20], values)
    assert [problem.field for problem in refused.value.problems] == ["rules", "rules.20.values"]


def test_each_change_is_a_version_with_its_author_and_a_record() -> None:
    shop = a_shop()
    filtered(shop, BUSY)
    filtered(shop, BUSY, COLLEAGUES, version=1)
    assert [(one.version, len(one.rules), one.author) for one in traffic_filters(shop.project.id)] == [
        (2, 2, "Ada"), (1, 1, "Ada"),
    ]  # fmt: skip
    with pytest.raises(Conflict):
        filtered(shop, version=1)
    told = AuditRecord.objects.filter(action="traffic_filter.set").order_by("pk").last()
    assert told is not None
    assert told.reason == "Bots"
    viewer = a_member(shop.owner, shop.project, Role.VIEWER)
    with pytest.raises(Forbidden):
        set_traffic_filter(viewer, SetTrafficFilter(shop.project.id, 2, ()), now=NOW)


def test_whoever_is_left_out_is_in_no_reading() -> None:
    shop = a_shop()
    filtered(shop, COLLEAGUES)
    iteration, dice = running(shop, breakdowns=("os",), strata="os"), random.Random(3)
    visits = [shopper(n, dice, "pat@example.COM" if n % 20 < 2 else "a@b.test") for n in range(3_000)]
    report = reported(iteration, visits)
    assert sum(arm.exposed for arm in report.arms) == 2_700
    assert report.exposures_over_time[-1].units + report.exposures_over_time[-2].units == 2_700
    assert report.results is not None
    row = report.results.rows[0]
    assert row.control_units + row.treatment_units == 2_700
    for table in report.results.further.segments:
        assert sum(line.control_units + line.treatment_units for line in table.lines) == 2_700
    assert report.funnel is not None
    assert sum(report.funnel.steps[0].counts) == 2_700


def test_a_broken_split_that_bots_make_is_fine_without_them_and_told() -> None:
    shop = a_shop()
    filtered(shop, COLLEAGUES)
    iteration, dice = running(shop), random.Random(4)
    visits = [shopper(n, dice) for n in range(3_000)]
    visits += [shopper(10_001 + 2 * n, dice, "qa@example.com") for n in range(400)]
    report = reported(iteration, visits)
    traffic = report.traffic
    assert traffic is not None
    assert (traffic.before, traffic.after) == ((1_500, 1_900), (1_500, 1_500))
    assert traffic.before_p_value is not None
    assert traffic.before_p_value < 1e-6
    assert traffic.after_p_value == 1.0
    assert report.srm.state is SrmState.PASS
    notes = {note.key: note for note in report.notes}
    assert "only after the traffic filter" in notes["split_before_filter"].title
    assert "known before the variant" in notes["bot_share"].message


def test_a_filter_that_breaks_the_split_locks_it() -> None:
    shop = a_shop()
    filtered(shop, BUSY)
    iteration, dice = running(shop), random.Random(5)
    clicks = tuple(("click", None, HOUR + timedelta(seconds=n)) for n in range(60))
    visits = [shopper(n, dice) for n in range(2_000)]
    visits = [
        Visit(one.unit, one.arm, one.at, (*one.did, *clicks))
        if one.arm == "treatment" and dice.random() < 0.3
        else one
        for one in visits
    ]
    report = reported(iteration, visits)
    assert report.results is None
    assert report.srm.state in {SrmState.ALERTED, SrmState.LOCKED}
    assert report.traffic is not None
    assert report.traffic.before_p_value == 1.0
    (note,) = [note for note in report.notes if note.key == "bot_share"]
    assert "over 50 events an hour" in note.title
    assert "what units did after they met their variant" in note.message


@pytest.mark.parametrize(
    ("operator", "value", "left"),
    [("is", "pat@example.com", 1), ("is", "PAT@example.com", 0), ("contains", "@EXAMPLE", 1),
     ("starts", "Pat@", 1), ("ends", ".com", 1), ("contains", "'; DROP TABLE x --", 0)],
)  # fmt: skip
def test_attributes_are_compared_as_the_rule_says(operator: str, value: str, left: int) -> None:
    shop = a_shop()
    rule = TrafficRule("r", "r", TrafficTest.ATTRIBUTE, "email", Operator(operator), (value,))
    filtered(shop, rule)
    iteration, dice = running(shop), random.Random(6)
    visits = [shopper(n, dice) for n in range(40)] + [shopper(40, dice, "pat@example.com")]
    report = reported(iteration, visits)
    assert sum(arm.exposed for arm in report.arms) == 41 - left


def test_a_filter_without_rules_leaves_nobody_out() -> None:
    shop = a_shop()
    filtered(shop, COLLEAGUES)
    filtered(shop, version=1)
    iteration, dice = running(shop), random.Random(7)
    report = reported(iteration, [shopper(n, dice, "qa@example.com") for n in range(40)])
    assert report.traffic is None
    assert sum(arm.exposed for arm in report.arms) == 40


def test_a_design_may_have_its_own_filter_in_place_of_the_projects() -> None:
    shop = a_shop()
    filtered(shop, BUSY)
    visits = [shopper(n, random.Random(n)) for n in range(400)]
    visits += [shopper(n, random.Random(n), email="ann@example.com") for n in range(400, 440)]
    iteration = running(shop, traffic=(COLLEAGUES,))
    traffic = reported(iteration, visits).traffic
    assert traffic is not None
    assert (traffic.version, traffic.before, traffic.after) == (0, (220, 220), (200, 200))
    assert [rule.rule for rule in traffic.rules] == ["colleagues"]
    assert traffic.before_p_value is not None
    assert traffic.after_p_value is not None


def test_a_design_whose_own_filter_has_no_rules_leaves_nobody_out() -> None:
    shop = a_shop()
    filtered(shop, COLLEAGUES)
    visits = [shopper(n, random.Random(n), email="ann@example.com") for n in range(40)]
    report = reported(running(shop, traffic=()), visits)
    assert report.traffic is None
    assert [arm.exposed for arm in report.arms] == [20, 20]


def test_a_designs_own_filter_is_checked_before_the_start_and_frozen_by_it() -> None:
    shop = a_shop()
    faulty = replace(COLLEAGUES, values=(), attribute="")
    draft = a_draft_experiment(shop, design=a_design(traffic=(faulty, BUSY)))
    production = environment_of(shop, "production")
    (check,) = [one for one in launch_checks(draft, production, NOW) if one.key == "traffic"]
    assert (check.passed, check.field) == (False, "traffic.0.attribute")
    assert "e.g. “internal”" in check.message
    sound = edit_design(
        shop.owner, EditDesign(draft.id, draft.version, draft.name, a_design(traffic=(BUSY,))), now=NOW
    )
    (check,) = [one for one in launch_checks(sound, production, NOW) if one.key == "traffic"]
    assert check.passed
    assert check.advice == (
        "“over 50 events an hour” looks at what units did after they met their variant, which the variant"
        " may change."
    )
    launched = launch(shop.owner, Launch(sound.id, production.id, sound.version), now=NOW)
    with pytest.raises(Conflict) as refused:
        edit_design(
            shop.owner,
            EditDesign(launched.id, launched.version, launched.name, replace(launched.design, traffic=None)),
            now=NOW,
        )
    assert [problem.field for problem in refused.value.problems] == ["traffic"]
