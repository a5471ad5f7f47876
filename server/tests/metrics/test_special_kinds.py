"""Every misuse of the special kinds is refused by the name of its field, all at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from equipoise_server.metrics.definition_rules import definition_problems, display_problems
from equipoise_server.metrics.values import Aggregate, Definition, Fact, MetricKind, Spread

DAY = timedelta(days=1)
SEARCH, TICKET = Fact("search"), Fact("ticket")
LATENCY = Fact("page", Aggregate.SUM)
SOUND = {
    "unique": Definition(MetricKind.UNIQUE, Fact("view", property="article"), cap=20.0),
    "retention": Definition(MetricKind.RETENTION, Fact("view"), delay=DAY, window=8 * DAY),
    "funnel": Definition(MetricKind.FUNNEL, Fact("cart"), steps=(Fact("pay"), Fact("paid"))),
    "quantile": Definition(MetricKind.QUANTILE, LATENCY, quantile=0.95),
    "exceedance": Definition(MetricKind.EXCEEDANCE, LATENCY, threshold=200.0),
    "absence": Definition(MetricKind.ABSENCE, SEARCH, answer=TICKET, within=DAY),
    "weighted": Definition(
        MetricKind.SUM, Fact("reaction", Aggregate.WEIGHT, "kind", None, {"like": 1.0, "angry": -5.0})
    ),
    "adjusted": Definition(MetricKind.COUNT, Fact("view"), covariate_days=14),
}


def fields(definition: Definition) -> set[str]:
    return {problem.field.removeprefix("definition.") for problem in definition_problems("m", definition)}


@pytest.mark.parametrize("definition", SOUND.values(), ids=SOUND.keys())
def test_a_sound_definition_has_no_problems(definition: Definition) -> None:
    assert fields(definition) == set()


@pytest.mark.parametrize(
    ("definition", "wrong"),
    [
        (replace(SOUND["unique"], fact=Fact("view")), {"fact.property"}),
        (replace(SOUND["unique"], covariate_days=7), {"covariate_days"}),
        (replace(SOUND["retention"], delay=timedelta(0)), {"delay"}),
        (replace(SOUND["retention"], delay=9 * DAY), {"delay"}),
        (replace(SOUND["retention"], cap=1.0), {"cap"}),
        (replace(SOUND["funnel"], steps=()), {"steps"}),
        (replace(SOUND["funnel"], steps=(Fact("x"),) * 11), {"steps"}),
        (replace(SOUND["funnel"], steps=(Fact(""), LATENCY)), {"steps.0.event", "steps.1"}),
        (replace(SOUND["quantile"], quantile=None), {"quantile"}),
        (replace(SOUND["quantile"], quantile=95.0), {"quantile"}),
        (replace(SOUND["exceedance"], over=Spread.UNITS), {"over"}),
        (replace(SOUND["quantile"], fact=Fact("page")), {"fact.aggregate"}),
        (replace(SOUND["exceedance"], threshold=float("nan")), {"threshold"}),
        (replace(SOUND["exceedance"], threshold=None, quantile=0.5), {"threshold", "quantile"}),
        (replace(SOUND["absence"], answer=None, within=None), {"answer", "within"}),
        (replace(SOUND["absence"], answer=LATENCY, within=timedelta(0)), {"answer", "within"}),
        (replace(SOUND["weighted"], fact=Fact("r", Aggregate.WEIGHT)), {"fact.property", "fact.weights"}),
        (replace(SOUND["weighted"], fact=Fact("r", Aggregate.SUM, "k", None, {"a": 1.0})), {"fact.weights"}),
        (
            replace(SOUND["weighted"], fact=Fact("r", Aggregate.WEIGHT, "k", None, {"a": float("inf")})),
            {"fact.weights"},
        ),
        (replace(SOUND["adjusted"], covariate_days=0), {"covariate_days"}),
        (replace(SOUND["adjusted"], covariate_days=61), {"covariate_days"}),
    ],
)  # fmt: skip
def test_a_misuse_names_its_fields(definition: Definition, wrong: set[str]) -> None:
    assert fields(definition) == wrong


def test_every_sentence_names_the_metric() -> None:
    broken = replace(SOUND["absence"], answer=None, within=None, quantile=0.5, covariate_days=3)
    assert all("“m”" in problem.message for problem in definition_problems("m", broken))


def test_a_share_reads_as_a_percentage() -> None:
    assert display_problems("m", MetricKind.RETENTION, "€")
    assert not display_problems("m", MetricKind.FUNNEL, "percent")
