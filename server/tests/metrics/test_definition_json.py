"""How definitions are written: strictly, and equal exactly when they mean the same."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from equipoise_server.foundation.refusals import Invalid
from equipoise_server.metrics.definition_json import (
    definition_from_json,
    definition_to_json,
    margin_from_json,
    margin_to_json,
    semantic_hash,
)
from equipoise_server.metrics.values import (
    Aggregate,
    Align,
    Definition,
    Direction,
    Fact,
    Margin,
    MarginKind,
    MetricKind,
    Spread,
    Through,
    Touch,
    in_order,
)

texts = some.text(max_size=10)
facts = some.builds(
    Fact, texts, some.sampled_from(Aggregate), texts,
    some.none() | some.dictionaries(texts, texts | some.booleans() | some.floats(-9, 9), min_size=1),
    some.none() | some.dictionaries(texts, some.floats(-9, 9), min_size=1),
)  # fmt: skip
touches = some.builds(
    Touch, some.sampled_from(Through), facts, some.timedeltas(timedelta(seconds=1), timedelta(days=9))
)
definitions = some.builds(
    Definition, some.sampled_from(MetricKind), facts, some.none() | facts,
    some.timedeltas(timedelta(seconds=1), timedelta(days=90)), some.none() | some.floats(0, 1e6),
    some.timedeltas(timedelta(0), timedelta(days=9)), some.sampled_from(Align),
    some.lists(facts, max_size=2).map(tuple), some.none() | some.floats(0, 1),
    some.none() | some.floats(-9, 9),
    some.none() | facts, some.none() | some.timedeltas(timedelta(seconds=1), timedelta(days=9)),
    some.none() | some.integers(1, 60), some.sampled_from(Spread),
    some.lists(touches, max_size=2).map(in_order),
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.too_slow])  # large values on a busy machine
@given(definitions)
def test_a_definition_survives_being_written(definition: Definition) -> None:
    assert definition_from_json(definition_to_json(definition)) == definition


@settings(suppress_health_check=[HealthCheck.too_slow])  # as above
@given(definitions, definitions)
def test_two_definitions_have_one_hash_exactly_when_they_are_equal(a: Definition, b: Definition) -> None:
    hashes = {semantic_hash(a, Direction.INCREASE), semantic_hash(b, Direction.INCREASE)}
    assert (len(hashes) == 1) == (definition_to_json(a) == definition_to_json(b))


def test_the_direction_belongs_to_the_meaning() -> None:
    definition = Definition(MetricKind.COUNT, Fact("error"))
    assert semantic_hash(definition, Direction.INCREASE) != semantic_hash(definition, Direction.DECREASE)


def test_every_fault_of_a_written_definition_is_listed() -> None:
    written = {
        "kind": "median",
        "fact": {"event": "x", "aggregate": "max", "colour": 1},
        "denominator": 7,
        "window_seconds": "week",
        "cap": True,
        "unit": "user",
    }
    with pytest.raises(Invalid) as refused:
        definition_from_json(written)
    assert [problem.field for problem in refused.value.problems] == [
        "unit", "kind", "fact.colour", "fact.aggregate", "denominator", "window_seconds", "cap",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "fact", [None, {"event": 1}, {"event": "x", "where": {"a": None}}, {"event": "x", "where": [1]}]
)
def test_a_fact_that_is_no_fact_is_refused(fact: object) -> None:
    with pytest.raises(Invalid):
        definition_from_json({"kind": "count", "fact": fact})


@pytest.mark.parametrize(
    "margin", [None, Margin(MarginKind.RELATIVE, 0.02), Margin(MarginKind.ABSOLUTE, 5.0)]
)
def test_a_margin_survives_being_written(margin: Margin | None) -> None:
    assert margin_from_json(margin_to_json(margin)) == margin


def test_a_margin_with_a_wrong_word_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        margin_from_json({"kind": "percent", "value": "2"})
    assert [problem.field for problem in refused.value.problems] == ["kind", "value"]
