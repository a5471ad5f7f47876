"""Who is left out, and how far units come, on pages: in words, per arm, without a single metric."""

from __future__ import annotations

from dataclasses import replace

import pytest
from dashboard import gallery
from dashboard.browsing import Page, signed_in
from scenes import a_shop

from equipoise_server.analysis.reads import traffic_filter
from equipoise_server.analysis.values import Funnel, FunnelStep, LeftOut, Operator, Traffic, TrafficTest
from equipoise_server.dashboard.pages import experiment as pages
from equipoise_server.dashboard.pages.health import health_tab

FUNNEL = Funnel(
    (
        FunnelStep("assigned", (30_000, 30_020), 0.93),
        FunnelStep("exposed", (25_118, 25_046), 0.75, 1e-5),
        FunnelStep("triggered", (5_000, 4_000), 1e-9, 1e-9),
    ),
    eligible=61_000,
    elsewhere=12,
)
TRAFFIC = Traffic(
    3, (25_200, 25_100), 0.65, (25_118, 25_046), 0.75,
    (LeftOut("bots", "over 1,000 events in an hour", (82, 54), 0.0004, is_about_behaviour=True),), 0.0004,
)  # fmt: skip
PATH = "/p/shop/production/settings/traffic"
RULE = {"version": "0", "name": "Headless browsers", "test": "attribute", "attribute": "user_agent",
        "operator": "contains", "values": "bot, headless", "most": "", "reason": ""}  # fmt: skip
NAMES = pages.arm_names(gallery.DESIGN)


def test_the_funnel_says_what_share_came_along_and_where_arms_differ() -> None:
    report = replace(gallery.REPORT, funnel=FUNNEL, traffic=TRAFFIC)
    tab = health_tab(report, NAMES)
    assert tab.funnel is not None
    assert tab.funnel.eligible == "61,000"
    assigned, exposed, triggered = tab.funnel.steps
    assert assigned.kept == ()
    assert exposed.kept[0].startswith("83.7")
    assert (assigned.loses_unevenly, exposed.loses_unevenly, triggered.is_uneven) == (False, True, True)
    assert tab.traffic is not None
    assert tab.traffic.rules[0].is_odd


def test_it_is_told_of_which_units_the_funnel_is() -> None:
    report = replace(gallery.REPORT, funnel=replace(FUNNEL, share=0.25))
    tab = health_tab(report, NAMES)
    assert tab.funnel is not None
    assert tab.funnel.told == "Of one unit in 4 that sent any event while it ran."


def test_where_assignment_is_not_known_the_reason_is_told() -> None:
    report = replace(gallery.REPORT, funnel=Funnel(FUNNEL.steps[1:], reason="it was run elsewhere"))
    tab = health_tab(report, NAMES)
    assert tab.funnel is not None
    assert tab.funnel.told == "Who was assigned is not known: it was run elsewhere."
    assert (tab.funnel.eligible, tab.funnel.elsewhere) == ("", "")


@pytest.mark.django_db
def test_a_rule_is_added_seen_in_words_and_taken_away() -> None:
    shop = a_shop()
    person = signed_in(shop.owner)
    assert "Nobody is left out" in person.get(PATH).text
    person.post(PATH, RULE)
    held = traffic_filter(shop.project.id)
    assert held is not None
    (rule,) = held.rules
    assert (rule.key, rule.test, rule.operator) == (
        "headless-browsers", TrafficTest.ATTRIBUTE, Operator.CONTAINS,
    )  # fmt: skip
    assert rule.values == ("bot", "headless")
    counting = {**RULE, "version": "1", "name": "Fast", "test": "events_per_hour", "most": "1,000"}
    person.post(PATH, counting)
    shown = Page(person.get(PATH).text).text
    assert "user_agent contains “bot” or “headless”" in shown
    assert "more than 1,000 events in an hour" in shown
    assert "by behaviour" in shown
    person.post(f"{PATH}/remove", {"key": "fast", "version": "2"})
    held = traffic_filter(shop.project.id)
    assert held is not None
    assert [one.key for one in held.rules] == ["headless-browsers"]


@pytest.mark.django_db
def test_what_is_wrong_with_a_rule_stands_at_its_field_and_nothing_typed_is_lost() -> None:
    shop = a_shop()
    person = signed_in(shop.owner)
    answer = person.post(PATH, {**RULE, "test": "hours_per_day", "most": "40"})
    assert answer.status_code == 422
    assert "1 to 23" in answer.text
    assert 'value="Headless browsers"' in answer.text
    answer = person.post(PATH, {**RULE, "test": "events_per_day", "most": "many"})
    assert "must be a whole number" in answer.text
    stale = person.post(PATH, {**RULE, "version": "7"})
    assert stale.status_code == 409
    assert "Somebody changed the filter meanwhile" in stale.text
