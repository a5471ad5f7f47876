"""A snapshot is ready at once: flags are compiled when first asked for, and nobody can tell."""

from __future__ import annotations

import copy
import json
import pickle
from collections import OrderedDict
from typing import Any

import pytest
import worlds
from authoring.parts import Json, button, experiment, serve, snapshot, switch, trial, unit_in_arm, user
from hypothesis import given

from equipoise_engine import Decision, Enrolment, Finding, Reason, SnapshotError, Step, compile_snapshot
from equipoise_engine.definitions import Definitions


def enrolled() -> Decision:
    return compile_snapshot(trial()).evaluate("button", user(unit_in_arm(1)), None)


def test_a_decision_can_be_copied_pickled_and_written_as_json() -> None:
    decision = enrolled()
    assert copy.deepcopy(decision) == pickle.loads(pickle.dumps(decision)) == decision
    assert json.loads(json.dumps(decision.metadata)) == decision.metadata
    assert isinstance(copy.deepcopy(decision), Decision)


def test_equal_decisions_are_one_in_a_set() -> None:
    decision = enrolled()
    assert len({decision, enrolled(), decision._replace(value="other", unit="u0")}) == 2
    assert decision != decision._replace(value="other")
    assert decision != "green"


def test_a_decision_shows_its_members() -> None:
    decision = Decision.of(flag_key="button", value="grey", reason=Reason.DEFAULT)
    assert repr(decision).startswith("Decision(flag_key='button', value='grey', variant=None, reason=<Reason")


def test_a_decision_has_no_other_members() -> None:
    with pytest.raises(TypeError, match="no mood, weather"):
        enrolled()._replace(weather="fine", mood="odd")


@pytest.mark.parametrize("change", ["clear", "popitem"])
def test_copied_metadata_cannot_be_changed_either(change: str) -> None:
    metadata: Any = pickle.loads(pickle.dumps(enrolled())).metadata
    with pytest.raises(TypeError, match="cannot be changed"):
        getattr(metadata, change)()
    with pytest.raises(TypeError):
        metadata |= {"step": "other"}


def test_a_decision_tells_its_members_by_name() -> None:
    decision = enrolled()
    members = decision._asdict()
    assert list(members) == [
        "flag_key", "value", "variant", "reason", "error_code", "error_message", "metadata", "enrolment",
        "holdouts",
    ]  # fmt: skip
    assert members["enrolment"] == Enrolment(*["trial", 3, "treatment", "user", unit_in_arm(1), "checkout"])


@given(document=worlds.spoilt(worlds.snapshots()), context=worlds.contexts | worlds.json_values)
def test_all_flags_together_answer_as_one_by_one(document: Any, context: Any) -> None:
    try:
        compiled = compile_snapshot(document)
    except SnapshotError:
        return
    one_by_one = tuple(compiled.evaluate(key, context, None) for key in compiled.flag_keys)
    assert compiled.evaluate_all(context) == one_by_one


def test_flags_that_share_a_condition_answer_together_as_alone() -> None:
    german = {"attribute": "country", "operator": "equals", "value": "DE"}
    flags = {f"f{n}": switch(rules=[serve("on", german)]) for n in range(3)}
    flags["theme"] = {"type": "object", "variants": {"a": {"x": []}}, "off": "a", "default": "a"}
    flags["off"] = switch(killed=True)
    compiled = compile_snapshot(snapshot(flags=flags))
    decisions = compiled.evaluate_all(user("u1", country="DE"))
    assert [decision.variant for decision in decisions] == ["on", "on", "on", "a", "off"]
    decisions[3].value["x"].append(1)  # type: ignore[index]
    assert compiled.evaluate_all({})[3].value == {"x": []}


def test_flags_that_share_a_faulty_condition_are_all_faulty() -> None:
    odd = {"attribute": "a", "operator": "is_set", "mood": "odd"}
    flags = {f"f{n}": switch(rules=[serve("on", odd)]) for n in range(3)}
    compiled = compile_snapshot(snapshot(flags=flags))
    assert sorted(compiled.faults) == sorted(flags)
    assert {decision.reason for decision in compiled.evaluate_all({})} == {Reason.ERROR}


def test_a_context_that_raises_spoils_only_the_flags_that_ask() -> None:
    class Raising(dict[str, object]):
        def get(self, *_: object) -> object:
            raise RuntimeError("no")

    compiled = compile_snapshot(
        snapshot(flags={"asks": switch(rules=[serve("on")]), "off": switch(killed=True)})
    )
    reasons = [decision.reason for decision in compiled.evaluate_all(Raising())]
    assert reasons == [Reason.ERROR, Reason.DISABLED]


def test_steps_of_an_explanation_have_no_detail_unless_given() -> None:
    assert compile_snapshot(trial()).explain("button", {})[0] == Step(
        "kill", "environment", Finding.NOT_KILLED
    )


def test_a_snapshot_shows_what_it_is() -> None:
    assert repr(compile_snapshot(trial())) == "Snapshot(shop/test, 1.7)"


def test_what_is_kept_of_a_document_is_a_copy() -> None:
    table: Json = {"a": {"list": [1]}}
    kept = Definitions(table)
    table["a"]["list"].append(2)
    assert (dict(kept), len(kept)) == ({"a": {"list": [1]}}, 1)
    first: Any = kept["a"]
    first["list"].append(3)
    assert kept["a"] == {"list": [1]}


def test_json_in_other_classes_is_read_all_the_same() -> None:
    class Text(str):
        __slots__ = ()

    condition = OrderedDict(attribute="country", operator="in", values=[Text("DE")])
    other = OrderedDict(attribute="country", operator="in", values=[Text("FR")])
    flags = {
        "german": OrderedDict(switch(rules=[serve("on", condition)])),
        "french": OrderedDict(switch(rules=[serve("on", other)])),
    }
    compiled = compile_snapshot(snapshot() | {"flags": flags})
    decisions = compiled.evaluate_all(user("u1", country="DE"))
    assert [decision.variant for decision in decisions] == ["on", "off"]


def test_a_definition_that_is_no_json_spoils_its_flag_alone() -> None:
    nested: Json = {}
    for _ in range(3_000):
        nested = {"not": nested}
    flags = {
        "odd": switch(rules=[serve("on", {"all": [object()]})]),
        "deep": switch(rules=[serve("on", nested)]),
    }
    document = {**snapshot(hash="given"), "flags": {**flags, "sound": switch()}}
    assert sorted(compile_snapshot(document).faults) == ["deep", "odd"]


def test_a_joint_experiment_with_a_fault_spoils_all_flags_that_it_sets() -> None:
    document = snapshot(
        layers={"checkout": {"salt": "layersalt", "unit_type": "user"}},
        experiments={"trial": experiment(salt=None)},
        flags={
            "button": button(experiments=["trial"]),
            "other": switch(experiments=["trial"]),
            "sound": switch(),
        },
    )
    compiled = compile_snapshot(document)
    assert sorted(compiled.faults) == ["button", "other"]
    assert compiled.faults is compiled.faults
