"""How designs are written: nothing lost, nothing guessed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from equipoise_server.experiments.design_json import design_from_json, design_to_json
from equipoise_server.experiments.values import Arm, BreachAction, Design, MetricRole, PlannedMetric
from equipoise_server.foundation.refusals import Invalid
from equipoise_server.metrics.values import Margin, MarginKind

texts = some.text(some.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8)
numbers = some.floats(-1e6, 1e6)
whole = some.integers(-(2**53), 2**53)
arms = some.builds(Arm, texts, texts, whole, some.dictionaries(texts, texts, max_size=2), texts)
margins = some.builds(Margin, some.sampled_from(MarginKind), numbers)
metrics = some.builds(
    PlannedMetric, texts, some.sampled_from(MetricRole), some.none() | margins,
    some.sampled_from(BreachAction), whole,
)  # fmt: skip
conditions = some.dictionaries(texts, texts | some.booleans() | some.lists(texts, max_size=2), max_size=2)
designs = some.builds(
    Design, texts, texts, some.none() | conditions, some.lists(arms, max_size=3).map(tuple), texts,
    some.lists(metrics, max_size=3).map(tuple), texts, numbers, whole, numbers, numbers,
    some.none() | numbers, some.none() | numbers, some.none() | numbers, some.none() | whole,
    some.none() | whole,
)  # fmt: skip


@given(designs)
def test_a_design_survives_being_written(design: Design) -> None:
    assert design_from_json(design_to_json(design)) == design


def test_an_empty_draft_is_the_default_design() -> None:
    assert design_from_json({}) == Design()


def test_every_fault_of_a_written_design_is_listed_with_its_place() -> None:
    written = {
        "hypothesis": 7,
        "eligibility": [],
        "arms": [{"key": "a", "weight": 1.5, "colour": "red"}, "b", {"values": {"f": True}}],
        "metrics": [{"key": "m", "role": "judge", "margin": {"kind": "relative", "value": float("nan")}}],
        "alpha": "5 %",
        "planned_days": True,
        "surprise": 1,
    }
    with pytest.raises(Invalid) as refused:
        design_from_json(written)
    assert [problem.field for problem in refused.value.problems] == [
        "surprise", "hypothesis", "eligibility", "arms.0.colour", "arms.0.weight", "arms.1", "arms.2.values",
        "metrics.0.role", "metrics.0.margin.value", "alpha", "planned_days",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("hypothesis", "half \ud800"),
        ("hypothesis", "nul \x00"),
        ("arms", 3),
        ("eligibility", {"attribute": "a", "operator": "equals", "value": float("inf")}),
        ("eligibility", {"attribute": "nul \x00"}),
        ("audience_parts_per_million", 2**60),
    ],
)
def test_what_a_database_could_not_keep_is_refused(field: str, value: object) -> None:
    with pytest.raises(Invalid) as refused:
        design_from_json({field: value})
    assert [problem.field for problem in refused.value.problems] == [field]
