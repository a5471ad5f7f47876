"""Snapshots as a whole: what is refused, what a fault spoils, and what an explanation tells."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest
from authoring.parts import (
    Json,
    button,
    experiment,
    rollout,
    serve,
    snapshot,
    switch,
    trial,
    unit_in_arm,
    user,
)

from equipoise_engine import (
    ErrorCode,
    Finding,
    Reason,
    SnapshotError,
    compile_snapshot,
    content_hash,
)


def test_a_snapshot_tells_what_it_is() -> None:
    document = trial()
    compiled = compile_snapshot(document)
    assert (compiled.project, compiled.environment) == ("shop", "test")
    assert (compiled.epoch, compiled.revision) == (1, 7)
    assert compiled.flag_keys == ("button",)
    assert compiled.hash == content_hash(document)
    assert compile_snapshot({**document, "hash": "given"}).hash == "given"
    assert compiled.default_unit_type == "user"


@pytest.mark.parametrize("document", [None, [], "text", 7])
def test_what_is_not_an_object_is_refused(document: Any) -> None:
    with pytest.raises(SnapshotError, match="must be an object"):
        compile_snapshot(document)


def test_every_reason_for_a_refusal_is_told_at_once() -> None:
    with pytest.raises(SnapshotError) as refusal:
        compile_snapshot({"format": 2, "killed": None, "flags": {}, "unit_types": ["user"]})
    places = {problem.path for problem in refusal.value.found}
    assert places == {
        "/format",
        "/project",
        "/environment",
        "/epoch",
        "/revision",
        "/killed",
        "/default_unit_type",
    }
    assert refusal.value.problems[0] == "/format: must be an integer from 1 to 1, not 2"


@pytest.mark.parametrize("members", [{"flags": {1: {}}}, {"flags": {"a": {"b": {float("nan")}}}}])
def test_a_document_that_is_not_json_is_refused(members: Json) -> None:
    with pytest.raises(SnapshotError):
        compile_snapshot(snapshot(**members))


def test_members_of_the_future_at_the_top_do_not_stop_an_old_reader() -> None:
    assert compile_snapshot({**trial(), "moods": {}}).faults == {}


def test_a_fault_names_its_place() -> None:
    flag = switch(rules=[serve("on", {"all": [{"attribute": "a/b", "operator": "resembles"}]})])
    faults = compile_snapshot(snapshot(flags={"a/b~c": flag})).faults
    assert list(faults) == ["a/b~c"]
    assert faults["a/b~c"].startswith(
        "/flags/a~1b~0c/rules/0/eligibility/all/0/operator: 'resembles' is none of equals"
    )


def test_an_object_value_is_handed_out_as_a_copy() -> None:
    flag = {"type": "object", "variants": {"a": {"colours": ["red"]}}, "off": "a", "default": "a"}
    compiled = compile_snapshot(snapshot(flags={"theme": flag}))
    first: Any = compiled.evaluate("theme", {}, {}).value
    first["colours"].append("blue")
    assert compiled.evaluate("theme", {}, {}).value == {"colours": ["red"]}


def test_a_code_default_of_a_subclass_fits() -> None:
    class Colour(str):
        __slots__ = ()

    compiled = compile_snapshot(trial())
    assert compiled.evaluate("button", {}, Colour("#000")).variant == "grey"


def test_any_mapping_is_a_context() -> None:
    unit = unit_in_arm(1)
    context = MappingProxyType({"units": MappingProxyType({"user": unit})})
    assert compile_snapshot(trial()).evaluate("button", context, None).variant == "green"


class Hostile(Mapping[str, object]):
    """A mapping that raises whatever it is asked."""

    def __getitem__(self, key: str) -> object:
        raise RuntimeError("no")

    def __iter__(self) -> Any:
        raise RuntimeError("no")

    def __len__(self) -> int:
        raise RuntimeError("no")


def test_a_context_that_raises_gives_the_code_default() -> None:
    compiled = compile_snapshot(trial())
    decision = compiled.evaluate("button", Hostile(), "code")
    assert (decision.value, decision.reason, decision.error_code) == ("code", Reason.ERROR, ErrorCode.GENERAL)
    assert compiled.explain("button", Hostile())[-1].decision == decision._replace(value=None)


def test_keys_that_are_not_text_give_the_code_default() -> None:
    compiled = compile_snapshot(trial())
    keys: list[Any] = [7, None, [], {}]
    for key in keys:
        decision = compiled.evaluate(key, {}, "code")
        assert (decision.flag_key, decision.value, decision.reason) == ("", "code", Reason.ERROR)


def test_a_document_may_be_changed_after_it_was_compiled() -> None:
    document = trial()
    compiled = compile_snapshot(document)
    before = compiled.evaluate("button", user("u1"), None)
    document["flags"].clear()
    document["experiments"]["trial"]["slots"].clear()
    assert compiled.evaluate("button", user("u1"), None) == before


def test_decisions_cannot_be_changed() -> None:
    decision = compile_snapshot(trial()).evaluate("button", user("u1"), None)
    with pytest.raises(AttributeError):
        decision.value = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        decision.metadata["step"] = "other"  # type: ignore[index]


def told(document: Json, context: Any) -> list[tuple[str, str | None, Finding]]:
    steps = compile_snapshot(document).explain("button", context)
    return [(step.kind, step.key, step.finding) for step in steps]


NOT_KILLED = [("kill", "environment", Finding.NOT_KILLED), ("kill", "flag", Finding.NOT_KILLED)]


def test_an_explanation_goes_from_kill_to_default() -> None:
    flag = button(
        overrides=[{"variant": "blue", "unit_type": "user", "units": ["qa"]}],
        experiments=["trial"],
        rules=[rollout("green", 0), serve("blue", {"any": []}, "r2")],
    )
    assert told(trial(flag, slots=[]), user("u1")) == [
        *NOT_KILLED,
        ("override", "user", Finding.NOT_NAMED),
        ("experiment", "trial", Finding.OUTSIDE_SLOTS),
        ("rule", "r1", Finding.OUTSIDE_ROLLOUT),
        ("rule", "r2", Finding.NOT_ELIGIBLE),
        ("default", None, Finding.SERVED),
    ]


def test_an_explanation_shows_the_numbers_of_an_enrolment() -> None:
    gate = {"salt": "gatesalt", "parts_per_million": 1_000_000}
    step = compile_snapshot(trial(gate=gate)).explain("button", user("u1"))[-1]
    assert step.finding is Finding.ENROLLED
    assert step.detail.keys() == {
        "unit_type", "unit", "layer", "slot", "gate_part", "gate_parts", "arm", "service",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("members", "context", "finding"),
    [
        ({"gate": {"salt": "gatesalt", "parts_per_million": 0}}, user("u1"), Finding.OUTSIDE_GATE),
        ({"eligibility": {"any": []}}, user("u1"), Finding.NOT_ELIGIBLE),
        ({}, {}, Finding.UNIT_MISSING),
        ({"state": "stopped"}, user("u1"), Finding.ENROLLED),
    ],
)
def test_an_explanation_says_why_an_experiment_passed(members: Json, context: Json, finding: Finding) -> None:
    assert ("experiment", "trial", finding) in told(trial(**members), context)


def test_an_explanation_of_a_rollout_without_a_unit() -> None:
    rule = {**rollout("green", 1), "eligibility": {"attribute": "a", "operator": "is_set"}}
    document = snapshot(flags={"button": button(rules=[rule])})
    assert told(document, {})[-2] == ("rule", "r1", Finding.NOT_ELIGIBLE)
    assert told(document, {"attributes": {"a": 1}})[-2] == ("rule", "r1", Finding.UNIT_MISSING)


def test_an_explanation_of_what_cannot_be_decided() -> None:
    assert told(snapshot(killed=True, flags={"button": button()}), None) == [
        ("kill", "environment", Finding.KILLED)
    ]
    faulty = snapshot(flags={"button": button(rules=None)})
    assert told(faulty, {})[-1] == ("error", None, Finding.FAULTY)
    assert told(trial(), [])[-1] == ("error", None, Finding.CONTEXT_INVALID)
    assert told(snapshot(flags={}), {}) == [("unknown", None, Finding.FLAG_UNKNOWN)]


def test_an_explanation_tells_what_a_prerequisite_serves() -> None:
    flags = {
        "button": button(prerequisites=[{"flag": "first", "variants": ["on"]}]),
        "first": switch(rules=[serve("on", {"attribute": "a", "operator": "is_set"})]),
    }
    compiled = compile_snapshot(snapshot(flags=flags))
    steps = compiled.explain("button", {"attributes": {"a": 1}, "overrides": {"button": "pink"}})
    assert [(step.kind, step.key, step.finding) for step in steps[2:]] == [
        ("prerequisite", "first", Finding.MET),
        ("override", "context", Finding.NOT_NAMED),
        ("default", None, Finding.SERVED),
    ]
    last = compiled.explain("button", {"overrides": {"button": "green"}})[-1]
    assert (last.finding, last.detail) == (Finding.NOT_MET, {"variant": "off"})
    last = compiled.explain("first", {"overrides": {"first": "on"}})[-1]
    assert (last.kind, last.key, last.finding) == ("override", "context", Finding.NAMED)


def test_an_explanation_tells_of_holdouts_rings_and_layers() -> None:
    layers = {
        "outer": {"salt": "outersalt", "unit_type": "user"},
        "inner": {"salt": "innersalt", "unit_type": "user", "domain": {"layer": "outer", "slots": []}},
    }
    german = {"attribute": "country", "operator": "equals", "value": "DE"}
    rings = [
        {"id": "country", "eligibility": german, "parts_per_million": 1_000_000},
        {"id": "all", "parts_per_million": 0},
    ]
    body = {"variant": "green", "unit_type": "user", "salt": "rollsalt", "rings": rings}
    winter = {"season": 1, "salt": "wintersalt", "unit_type": "user", "parts_per_million": 0}
    flag = button(
        holdouts=[{"holdout": "winter", "baseline": "blue"}],
        experiments=["trial"],
        rules=[{"id": "r1", "rollout": body}],
    )
    document = snapshot(
        layers=layers,
        holdouts={"winter": winter},
        experiments={"trial": experiment(layer="inner")},
        flags={"button": flag},
    )
    steps = compile_snapshot(document).explain("button", user("u1", country="DE"))[2:]
    assert [(step.key, step.finding) for step in steps] == [
        ("winter", Finding.OPEN),
        ("trial", Finding.OUTSIDE_SLOTS),
        ("r1", Finding.SERVED),
    ]
    assert steps[1].detail["layer"] == "outer"
    assert steps[2].detail["ring"] == "country"
    steps = compile_snapshot(document).explain("button", user("u1"))
    assert (steps[4].finding, steps[4].detail["gate_parts"]) == (Finding.OUTSIDE_ROLLOUT, 0)
    document["holdouts"]["winter"]["parts_per_million"] = 1_000_000
    steps = compile_snapshot(document).explain("button", user("u1"))
    assert (steps[-1].kind, steps[-1].finding) == ("holdout", Finding.HELD)
    assert told(document, {})[2] == ("holdout", "winter", Finding.UNIT_MISSING)
    assert told(document, {})[4] == ("rule", "r1", Finding.UNIT_MISSING)


def test_prerequisites_that_double_from_level_to_level_are_refused_and_not_followed() -> None:
    flags: Json = {"f0": switch()}
    for level in range(1, 5_000):
        flags[f"f{level}"] = switch(prerequisites=[{"flag": f"f{level - 1}", "variants": ["on"]}] * 3)
    faults = compile_snapshot(snapshot(flags=flags)).faults
    assert len(faults) == 4_999 - 3
    assert "f3" not in faults


def test_a_long_chain_of_segments_is_refused_and_not_followed() -> None:
    segments: Json = {f"s{n}": {"any": [{"segment": f"s{n + 1}"}] * 2} for n in range(5_000)}
    segments["s5000"] = {"any": []}
    flags = {
        "deep": switch(rules=[serve("on", {"segment": "s0"})]),
        "shallow": switch(rules=[serve("on", {"segment": "s4999"})]),
    }
    assert list(compile_snapshot(snapshot(segments=segments, flags=flags)).faults) == ["deep"]
