"""A plan and its evidence leave as JSON and come back as the same report."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from judged_experiments import results

from equipoise_stats import (
    AllocationEpoch,
    Component,
    Design,
    Direction,
    Evidence,
    InputError,
    Interval,
    IntervalRule,
    LookPlan,
    Margin,
    MarginKind,
    MetricKind,
    MetricPlan,
    MetricRole,
    Moments,
    QualityEvidence,
    Quantity,
    VariantPlan,
    analyse,
    from_document,
    to_document,
)

COLUMNS = ("buys", "spend", "before")
DESIGN = Design(
    (VariantPlan("control", 1), VariantPlan("green", 1)),
    "control",
    (
        MetricPlan(
            "oec",
            MetricKind.COMPOSITE,
            MetricRole.OEC,
            components=(Component(Quantity("buys"), 0.7), Component(Quantity("spend"), 0.3)),
        ),
        MetricPlan("buys", MetricKind.PROPORTION, MetricRole.DIAGNOSTIC),
        MetricPlan("spend", MetricKind.MEAN, MetricRole.SECONDARY, covariates=("before",)),
        MetricPlan(
            "slow",
            MetricKind.MEAN,
            MetricRole.GUARDRAIL,
            Direction.DECREASE,
            margin=Margin(MarginKind.RELATIVE, 0.1),
            bound=9.0,
        ),
    ),
    expected_units=9_000,
    planned_end_reached=False,
    looks=LookPlan(),
    intervals=IntervalRule.AGREEING,
)


def arm(n: int, seed: int, lift: float) -> Moments:
    rng = np.random.default_rng(seed)
    before = rng.gamma(2, 1, n)
    rows = np.column_stack(
        (rng.random(n) < 0.3 * (1 + lift), before + rng.gamma(2, 1 + lift, n), before, rng.gamma(4, 1, n))
    )
    return Moments.from_rows((*COLUMNS, "slow"), rows)


def evidence() -> Evidence:
    moments = {"control": arm(2_000, 1, 0.0), "green": arm(2_010, 2, 0.05)}
    quality = QualityEvidence(
        duplicates=(3, 4_010),
        acknowledged=frozenset({"spend"}),
        daily={("spend", "green"): ((0.1, 0.2), (0.2, 0.1))},
        sequences={("spend", "green"): (Interval(0.1, -np.inf, np.inf, 0.95),)},
        null_p_values=(0.5,),
    )
    return Evidence(
        {key: held.n for key, held in moments.items()},
        moments,
        8.5,
        crossed={"control": 1},
        largest_units={"green": {"spend": 40.0}},
        epochs=(AllocationEpoch((2_000, 2_010), (1, 1)),),
        quality=quality,
    )


def test_what_was_written_is_read_back_and_gives_the_same_report() -> None:
    first = analyse(evidence(), DESIGN)
    read, design = from_document(json.loads(json.dumps(to_document(evidence(), DESIGN))))
    assert design == DESIGN
    assert analyse(read, design) == first
    assert read.quality == evidence().quality


def test_the_ledger_of_looks_goes_along() -> None:
    first = results(analyse(evidence(), DESIGN))
    assert first.ledger is not None
    later = replace(evidence(), ledger=first.ledger)
    read, design = from_document(json.loads(json.dumps(to_document(later, DESIGN))))
    assert read.ledger == first.ledger
    assert analyse(read, design) == analyse(later, DESIGN)


def test_every_member_that_does_not_fit_is_told() -> None:
    document: Any = copy.deepcopy(to_document(evidence(), DESIGN))
    document["design"]["alpha"] = "small"
    document["design"]["colour"] = "red"
    document["design"]["planned_end_reached"] = 1
    document["design"]["control"] = 7
    document["design"]["variants"] = "two"
    document["design"]["metrics"][0]["kind"] = "guess"
    document["design"]["metrics"][1]["components"] = [3]
    document["evidence"]["counts"] = [["control", 1]]
    document["evidence"]["counts"] = {"control": 1.5}
    document["evidence"]["crossed"] = 3
    document["evidence"]["moments"]["control"]["n"] = -1
    document["evidence"]["moments"]["green"] = {"n": 4}
    document["evidence"]["quality"]["duplicates"] = [1]
    document["evidence"]["quality"]["daily"] = {"spend": []}
    document["evidence"]["ledger"]["looks"] = [[["spend"], []]]
    document["evidence"]["epochs"] = [{"counts": [1], "weights": [1.0], "since": 0}]
    with pytest.raises(InputError) as refused:
        from_document(document)
    assert sorted(refused.value.problems) == sorted(
        [
            "design.alpha must be a number",
            "design.colour is not known here",
            "design.planned_end_reached must be true or false",
            "design.control must be a text",
            "design.variants must be a list",
            "design.metrics[0].kind must be one of mean, proportion, ratio, composite, quantile",
            "design.metrics[1].components[0] must be an object",
            "evidence.counts.control must be a whole number",
            "evidence.crossed must be an object",
            "evidence.moments.control: n must be 0 or more, not -1",
            "evidence.moments.green must be an object with names, n, means and comoments",
            "evidence.quality.duplicates must be a list of 2",
            "evidence.quality.daily must be a list of pairs",
            "evidence.ledger.looks[0][0] must be a list of 2",
            "evidence.epochs[0].since is not known here",
        ]
    )


def test_what_no_shape_can_hold_is_told_with_its_place() -> None:
    document: Any = copy.deepcopy(to_document(evidence(), DESIGN))
    document["evidence"]["moments"]["control"]["means"] = ["x"]
    del document["design"]["control"]
    with pytest.raises(InputError) as refused:
        from_document(document)
    told = " | ".join(refused.value.problems)
    assert "evidence.moments.control:" in told
    assert "design:" in told


@pytest.mark.parametrize("document", [None, {}, {"format": "other/1"}])
def test_another_document_is_refused(document: object) -> None:
    with pytest.raises(InputError):
        from_document(document)
