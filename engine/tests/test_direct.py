"""A flag that was asked before answers as one that is asked for the first time, whatever the context."""

from __future__ import annotations

from typing import Any

import pytest
import worlds
from authoring.parts import Json, experiment, trial, user
from hypothesis import given
from hypothesis import strategies as st

from equipoise_engine import SnapshotError, compile_snapshot
from equipoise_engine.hashing import signed

ADULT = {"attribute": "age", "operator": "greater_or_equal", "value": 18}
MINOR = {"attribute": "age", "operator": "less", "value": 18}
GERMAN = {"attribute": "country", "operator": "in", "values": ["DE", "AT"]}
SHAPES: list[Json] = [
    {},
    {"slots": [[0, 10_000]]},
    {"slots": [[0, 3_000]]},
    {"slots": [[5_000, 10_000]]},
    {"slots": [[0, 100], [200, 9_000]]},
    {"eligibility": {"all": [GERMAN, ADULT]}},
    {"eligibility": {"all": [MINOR]}},
    {"eligibility": {"any": [GERMAN, ADULT]}},
]
UNITS = [
    *(f"u{n}" for n in range(8)),
    *("u" * size for size in range(12)),
    "u" * 120,
    "u" * 257,
    "ü",
    7,
    None,
]
AGES = [17, 18, 40.5, float("nan"), True, "18", None]
COUNTRIES = ["DE", "FR", ["DE"], None]


def same(document: Any, contexts: list[Any], code_default: object) -> None:
    """Compare a snapshot that is asked time and again with new ones."""
    asked = compile_snapshot(document)
    for context in [{}, *contexts]:
        new = compile_snapshot(document)
        for key in new.flag_keys:
            expected = new.evaluate(key, context, code_default)
            assert asked.evaluate(key, context, code_default) == expected
            assert asked.evaluate(key, context, code_default) == expected


@pytest.mark.parametrize("shape", SHAPES)
def test_an_experiment_answers_again_as_at_first(shape: Json) -> None:
    document = trial() | {"experiments": {"trial": experiment(**shape)}}
    contexts = [user(unit, country="DE", age=18) for unit in UNITS]
    contexts += [user("u1", country=country, age=age) for country in COUNTRIES for age in AGES]
    contexts += [
        user("u1"),
        user("u1", country="DE"),
        {"units": {"user": "u1"}},
        {"units": 7, "attributes": 7},
    ]
    contexts += [{**user("u1"), "overrides": {"button": "green"}}]
    same(document, contexts, "none")


@pytest.mark.parametrize("shape", SHAPES)
def test_the_way_of_the_compiled_engine_answers_the_same(
    shape: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("equipoise_engine.snapshot.IS_COMPILED", True)
    document = trial() | {"experiments": {"trial": experiment(**shape)}}
    same(document, [user(unit, country="DE", age=18) for unit in UNITS], "none")


@pytest.mark.parametrize(
    ("low", "high"),
    [(0, 2**32), (0, 2**31), (2**31, 2**32), (5, 9), (2**31 - 1, 2**31 + 1), (2**32 - 1, 2**32)],
)
def test_a_range_of_hashes_is_the_same_in_twos_complement(low: int, high: int) -> None:
    start, end, is_inside = signed(low, high)
    for place in {0, 5, 8, 9, 2**31 - 2, 2**31 - 1, 2**31, 2**31 + 1, 2**32 - 2, 2**32 - 1, low, high - 1}:
        number = place - 2**32 if place >= 2**31 else place
        assert ((start <= number < end) is is_inside) == (low <= place < high)


@given(
    document=worlds.spoilt(worlds.snapshots()),
    contexts=st.lists(worlds.contexts | worlds.json_values, max_size=3),
    code_default=st.sampled_from([None, True, "text", 7]),
)
def test_any_flag_answers_again_as_at_first(document: Any, contexts: list[Any], code_default: object) -> None:
    try:
        same(document, contexts, code_default)
    except SnapshotError:
        return
