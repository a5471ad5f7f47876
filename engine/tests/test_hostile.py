"""Documents that are broken, hostile or absurd: refused, or faults of the flags concerned; nothing raises."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import worlds
from authoring.parts import Json, snapshot, switch
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise_engine import Reason, SnapshotError, compile_snapshot, validate_snapshot

SPEC = Path(__file__).parents[2] / "spec"
EXAMPLE = (SPEC / "examples" / "snapshot.json").read_text()
CASES = [
    case
    for path in sorted((SPEC / "vectors" / "evaluation").glob("*.json"))
    for case in json.loads(path.read_text())
]
CONTEXTS: list[Any] = [
    {},
    None,
    {"units": {"user": "u1", "account": 7, "region": "north"}, "attributes": {"country": "DE"}},
    {
        "units": {"user": "u1"},
        "now": "2026-03-02T06:00:00Z",
        "overrides": {"page-size": "large"},
        "clusters": {},
    },
]
HUGE = 10**400


def each(table: str, change: Callable[[Json], object]) -> Callable[[Json], object]:
    def apply(document: Json) -> object:
        return [change(node) for node in document[table].values()]

    return apply


def deep(levels: int) -> Json:
    return {"not": deep(levels - 1)} if levels else {"all": []}


def in_themselves(document: Json) -> None:
    for key, layer in document["layers"].items():
        layer["domain"] = {"layer": key, "slots": []}


def segments(make: Callable[[str], Json]) -> Callable[[Json], object]:
    return lambda document: document.update(segments={key: make(key) for key in document["segments"]})


def weights(value: object) -> Callable[[Json], object]:
    return each("experiments", lambda node: [arm.update(weight=value) for arm in node["variants"]])


def slots(ranges: object) -> Callable[[Json], object]:
    return each("experiments", lambda node: node.update(slots=ranges))


def chain(document: Json) -> None:
    """Flags that each ask the one before, twice."""
    for level in range(200):
        asked = [{"flag": f"f{level - 1}", "variants": ["on"]}] * 2
        document["flags"][f"f{level}"] = switch(prerequisites=asked)


# What a server, a proxy or a disk can make of a snapshot. "refused": as a whole; "faulty": the flags
# that are hit answer with an error; "harmless": every flag answers as before.
MUTANTS: list[tuple[str, Callable[[Json], object], str]] = [
    ("a format of the future", lambda d: d.update(format=2), "refused"),
    ("no flags", lambda d: d.pop("flags"), "refused"),
    ("flags that are a list", lambda d: d.update(flags=[]), "refused"),
    ("flags that are null", lambda d: d.update(flags=None), "refused"),
    ("a revision below nothing", lambda d: d.update(revision=-1), "refused"),
    ("a revision that is a fraction", lambda d: d.update(revision=1.5), "refused"),
    ("an epoch that is text", lambda d: d.update(epoch="1"), "refused"),
    ("no unit types", lambda d: d.update(unit_types=[]), "refused"),
    ("killed that is a word", lambda d: d.update(killed="false"), "refused"),
    ("nulls everywhere in flags", each("flags", lambda f: f.update(dict.fromkeys(f))), "faulty"),
    ("flags that are text", lambda d: d.update(flags=dict.fromkeys(d["flags"], "on")), "faulty"),
    ("variants of another type", each("flags", lambda f: f.update(variants={"a": {"b": 1}})), "faulty"),
    ("experiments that are gone", lambda d: d["experiments"].clear(), "faulty"),
    ("layers that are gone", lambda d: d["layers"].clear(), "faulty"),
    ("layers that lie in themselves", in_themselves, "faulty"),
    ("segments in a circle", segments(lambda key: {"segment": key}), "faulty"),
    ("conditions 900 levels deep", segments(lambda _: deep(900)), "faulty"),
    ("weights beyond all bounds", weights(HUGE), "faulty"),
    ("weights of nothing", weights(0), "faulty"),
    ("salts that are empty", each("layers", lambda layer: layer.update(salt="")), "faulty"),
    ("a salt with a lone surrogate", each("layers", lambda layer: layer.update(salt="\ud800")), "faulty"),
    ("slots from end to beginning", slots([[10_000, 0]]), "faulty"),
    ("ten thousand slots one by one", slots([[n, n + 1] for n in range(10_000)]), "harmless"),
    ("flags that ask each other without end", chain, "harmless"),
    ("members of the future at the top", lambda d: d.update(moods={"a": HUGE}), "harmless"),
]  # fmt: skip


def test_there_are_as_many_mutants_as_the_product_promises() -> None:
    assert len(MUTANTS) >= 22


@pytest.mark.parametrize(
    ("change", "fate"), [case[1:] for case in MUTANTS], ids=[case[0] for case in MUTANTS]
)
def test_a_mutant_is_refused_or_spoils_only_what_it_hits(change: Callable[[Json], object], fate: str) -> None:
    document = json.loads(EXAMPLE)
    before = {key: compile_snapshot(document).evaluate(key, CONTEXTS[2], None) for key in document["flags"]}
    document["flags"]["bystander"] = switch()
    change(document)
    if fate == "refused":
        with pytest.raises(SnapshotError):
            compile_snapshot(document)
        assert validate_snapshot(document)
        return
    compiled = compile_snapshot(document)
    reasons = set()
    for key, decision in before.items():
        after = compiled.evaluate(key, CONTEXTS[2], None)
        reasons.add(after.reason)
        assert after == decision or (after.reason is Reason.ERROR and fate == "faulty")
    assert (Reason.ERROR in reasons) == (fate == "faulty")
    if "bystander" in document["flags"] and isinstance(document["flags"]["bystander"], dict):
        assert _never_raises(document)


def _never_raises(document: Any) -> bool:
    """Compile and ask everything; whatever comes of it is a decision."""
    try:
        compiled = compile_snapshot(document)
    except SnapshotError:
        return False
    for context in CONTEXTS:
        for decision in compiled.evaluate_all(context):
            assert (decision.error_code is None) == (decision.reason is not Reason.ERROR)
            assert compiled.explain(decision.flag_key, context)[-1].decision is not None
    return True


def test_a_condition_that_doubles_from_segment_to_segment_is_bounded() -> None:
    segments: Json = {"s0": {"attribute": "a", "operator": "is_set"}}
    for level in range(1, 8):
        segments[f"s{level}"] = {"any": [{"segment": f"s{level - 1}"}] * 9}
    flags = {
        f"f{level}": switch(rules=[{"id": "r", "eligibility": {"segment": f"s{level}"}, "serve": "on"}])
        for level in range(8)
    }
    faults = compile_snapshot(snapshot(segments=segments, flags=flags)).faults
    assert sorted(faults) == ["f4", "f5", "f6", "f7"]


@given(data=st.data())
@settings(max_examples=300)
def test_no_change_of_a_few_letters_raises(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from([EXAMPLE, *(json.dumps(case["snapshot"]) for case in CASES[::7])]))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text) - 1))
        length = data.draw(st.integers(0, 12))
        put = data.draw(
            st.sampled_from(["", "null", "-1", "1e999", '"', "[", "}", "true", '{"all": []}', "0"])
        )
        text = text[:at] + put + text[at + length :]
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return
    _never_raises(document)


@given(data=st.data(), values=st.lists(worlds.json_values, min_size=1, max_size=3))
@settings(max_examples=300)
def test_no_value_in_any_place_raises(data: st.DataObject, values: list[Any]) -> None:
    case = data.draw(st.sampled_from(CASES))
    document = copy.deepcopy(case["snapshot"])
    for value in values:
        *outer, last = data.draw(st.sampled_from(worlds.places(document)[1:]))
        node = document
        for key in outer:
            node = node[key]
        node[last] = value
    _never_raises(document)


@given(
    case=st.sampled_from(CASES),
    context=worlds.json_values
    | st.dictionaries(
        st.sampled_from(["units", "attributes", "now", "clusters", "overrides"]), worlds.json_values
    ),
)
@settings(max_examples=300)
def test_no_context_raises(case: Json, context: Any) -> None:
    compiled = compile_snapshot(case["snapshot"])
    for key in compiled.flag_keys:
        compiled.evaluate(key, context, case["code_default"])
        assert compiled.explain(key, context)[-1].decision == compiled.evaluate(key, context, None)
