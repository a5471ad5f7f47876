"""The wizard says who leaves an experiment's analysis: lines become rules and back, and nothing is lost."""

from __future__ import annotations

from dataclasses import replace

import pytest
import scenes
from dashboard.browsing import PLACE, Page, signed_in

from equipoise_server.dashboard.forms import Reader, filled
from equipoise_server.dashboard.pages.traffic_lines import left_out_words, read_traffic, traffic_texts
from equipoise_server.experiments.reads import experiment as experiment_with_id
from equipoise_server.experiments.values import Design, Operator, TrafficRule, TrafficTest

AUDIENCE = f"{PLACE}/experiments/checkout-button/edit/audience"
RULES = (
    TrafficRule(
        "staff", "Colleagues", TrafficTest.ATTRIBUTE, "email", Operator.ENDS, ("@shop.test", "@s.test")
    ),
    TrafficRule("is-internal", "Internal", TrafficTest.ATTRIBUTE, "internal", Operator.IS, ("true",)),
    TrafficRule("odd", "Says: yes, or no", TrafficTest.ATTRIBUTE, "a b", Operator.CONTAINS, ("x, y",)),
    TrafficRule("fast", "Too fast", TrafficTest.EVENTS_PER_HOUR, most=1_000),
    TrafficRule("no-sleep", "Awake", TrafficTest.HOURS_PER_DAY, most=22),
)


def read(design: Design, **typed: str) -> tuple[tuple[TrafficRule, ...] | None, list[str]]:
    reader = Reader(filled({**traffic_texts(design), **typed}))
    found = read_traffic(reader, design.traffic)
    return found, [problem.message for problem in reader.problems]


@pytest.mark.parametrize("traffic", [None, (), RULES], ids=["project", "nobody", "own"])
def test_a_filter_shown_and_saved_again_is_the_same(traffic: tuple[TrafficRule, ...] | None) -> None:
    assert read(Design(traffic=traffic)) == (traffic, [])


def test_lines_become_rules_whose_keys_follow_from_their_names() -> None:
    lines = "Crawlers: user_agent contains bot, headless\n\nToo fast: more than 1,000 events a day\n"
    found, problems = read(Design(), traffic="own", traffic_rules=lines)
    assert problems == []
    assert found == (
        TrafficRule(
            "crawlers",
            "Crawlers",
            TrafficTest.ATTRIBUTE,
            "user_agent",
            Operator.CONTAINS,
            ("bot", "headless"),
        ),
        TrafficRule("too-fast", "Too fast", TrafficTest.EVENTS_PER_DAY, most=1_000),
    )


def test_a_line_that_is_no_rule_is_told_with_an_example() -> None:
    _, problems = read(Design(), traffic="own", traffic_rules="internal\nBots: more than many events a day")
    assert [problem.partition(" is no rule")[0] for problem in problems] == [
        "“internal”", "“Bots: more than many events a day”",
    ]  # fmt: skip
    assert all("Colleagues: internal is true" in problem for problem in problems)
    _, nothing = read(Design(), traffic="own")
    assert len(nothing) == 1


def test_a_design_says_in_words_who_leaves() -> None:
    assert left_out_words(None) == "whom the project's traffic filter leaves out"
    assert left_out_words(()) == "nobody"
    assert left_out_words(RULES[3:]) == (
        "Too fast: more than 1,000 events an hour; Awake: more than 22 hours a day"
    )


@pytest.mark.django_db
def test_the_wizard_keeps_the_filter_of_a_draft_and_the_design_shows_it() -> None:
    shop = scenes.a_shop()
    draft = scenes.a_draft_experiment(shop)
    client = signed_in(shop.owner)
    form = {
        "version": draft.version,
        "share": "100",
        "traffic": "own",
        "traffic_rules": "Staff: internal is true",
    }
    answer = client.post(AUDIENCE, form)
    assert answer.status_code == 302, answer.text
    held = experiment_with_id(draft.id)
    assert held.design == replace(
        draft.design,
        traffic=(TrafficRule("staff", "Staff", TrafficTest.ATTRIBUTE, "internal", values=("true",)),),
    )
    assert "Staff: internal is true" in Page(client.get(AUDIENCE).text).text
    shown = Page(client.get(f"{PLACE}/experiments/checkout-button/design").text).text
    assert "Leaves the analysis" in shown
    assert "Staff: internal is true" in shown
    refused = client.post(AUDIENCE, {**form, "version": held.version, "traffic_rules": "nonsense"})
    assert refused.status_code == 422
    assert "“nonsense” is no rule" in Page(refused.text).text
