"""Both ways to draw an arm, the one for the interpreter and the one for compiling, do as the spec says."""

from __future__ import annotations

from typing import Any

import pytest
import worlds
from authoring import murmur
from authoring.parts import LAYERS
from authoring.parts import experiment as definition
from hypothesis import given
from hypothesis import strategies as st

from equipoise_engine import Decision, Reason, canonical_unit
from equipoise_engine.decisions import Answer
from equipoise_engine.experiments import Experiment, Experiments
from equipoise_engine.layers import Layers
from equipoise_engine.murmur import IS_COMPILED
from equipoise_engine.splits import TextSplit, WordSplit
from equipoise_engine.steps import Found, Skip
from equipoise_engine.targeting import Segments

# Machine code never uses the split for the interpreter, which fills decisions in a way of its own.
SPLITS = [WordSplit] if IS_COMPILED else [TextSplit, WordSplit]
UNIT_TYPES = frozenset({"user", "account"})
odd_units = st.sampled_from(["", "\ud800", "é" * 128, "é" * 129, "u" * 110, "u" * 256, "u" * 257])
any_units = worlds.unit_ids | odd_units | worlds.json_values
slots = st.lists(
    st.tuples(st.integers(0, 9_999), st.integers(1, 10_000)).filter(lambda edge: edge[0] < edge[1])
)


def read(**members: Any) -> tuple[Experiment, dict[str, Answer]]:
    """Return an experiment and an answer for each of its arms."""
    layers = Layers(LAYERS, UNIT_TYPES)
    found = Experiments({"trial": definition(**members)}, layers, Segments({}, UNIT_TYPES, {}))
    trial = found.experiment("trial")
    assert trial is not None
    answers = {
        arm.key: Answer("button", arm.key, variant="on", reason=Reason.SPLIT, metadata={})
        for arm in trial.arms
    }
    return trial, answers


def arms(weights: list[int]) -> list[dict[str, object]]:
    return [
        {"key": "control" if index == 0 else f"arm{index}", "weight": weight, "values": {}}
        for index, weight in enumerate(weights)
    ]


def told(found: Found) -> tuple[object, str | None] | Skip | None:
    """Return arm and unit of an answer."""
    if isinstance(found, Decision):
        assert found.place is not None
        assert found.place.arm == found.value
        return found.value, found.unit
    assert found is None or isinstance(found, Skip)
    return found


def wanted(trial: Experiment, unit: str | None) -> tuple[object, str | None] | Skip | None:
    """Return the same by the second implementation of the arithmetic."""
    if unit is None:
        return Skip.UNIT_MISSING
    slot = int(murmur.share(trial.layer.salt, unit) * 10_000)
    if not any(low <= slot < high for low, high in trial.slots):
        return None
    gate = trial.gate
    if gate is not None and int(murmur.share(gate.salt, unit) * 1_000_000) >= gate.parts_per_million:
        return None
    index = murmur.arm(murmur.share(trial.salt, unit), [arm.weight for arm in trial.arms])
    return trial.arms[index].key, unit


@given(
    ranges=st.just([(0, 10_000)]) | slots,
    parts=st.none() | worlds.shares,
    weights=st.lists(st.integers(0, 9), min_size=1, max_size=5).filter(any),
    salt=worlds.salts | st.just("s" * 64),
    units=st.lists(any_units, min_size=1, max_size=6),
)
def test_splits_answer_as_the_second_implementation_says(
    ranges: list[tuple[int, int]], parts: int | None, weights: list[int], salt: str, units: list[Any]
) -> None:
    gate = None if parts is None else {"salt": "gatesalt", "parts_per_million": parts}
    members = {
        "slots": [list(part) for part in ranges],
        "gate": gate,
        "variants": arms(weights),
        "salt": salt,
    }
    trial, answers = read(**members)
    for split in SPLITS:
        decider = split(trial, answers)
        for unit in units:
            assert told(decider.decide({"user": unit}, None)) == wanted(trial, canonical_unit(unit))


@pytest.mark.parametrize("split", SPLITS)
def test_nobody_without_a_unit_is_enrolled(split: type[TextSplit | WordSplit]) -> None:
    assert split(*read()).decide({}, None) is Skip.UNIT_MISSING
