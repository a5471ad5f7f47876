"""What holds for every snapshot, context and unit."""

from __future__ import annotations

import contextlib
import copy
import json
from typing import Any

import worlds
from authoring import murmur
from authoring.parts import Json, button, experiment, rollout, serve, snapshot, trial, user
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise_engine import (
    Decision,
    Members,
    Reason,
    SnapshotError,
    canonical_unit,
    compile_snapshot,
    content_hash,
    hash_unit,
    members_blob,
    pick,
    slot,
    validate_snapshot,
)
from equipoise_engine.hashing import TextSalt, WordSalt, threshold, thresholds

UNITS = [f"u{number}" for number in range(4_000)]


def answer(document: Json, context: Any) -> Decision:
    return compile_snapshot(document).evaluate("button", context, None)


@given(salt=st.text(max_size=300), unit=worlds.unit_ids)
def test_every_salt_and_unit_hash_as_the_second_implementation_says(salt: str, unit: str) -> None:
    if salt.isprintable():
        salt = salt.encode(errors="replace").decode()
        assert hash_unit(salt, unit) == murmur.hashed(salt, unit) == WordSalt(salt).hash(unit)


@given(salt=worlds.salts, units=st.lists(worlds.unit_ids, min_size=2))
def test_a_salt_that_is_used_again_hashes_as_before(salt: str, units: list[str]) -> None:
    text, words = TextSalt(salt), WordSalt(salt)
    for unit in units:
        assert text.hash(unit) == words.hash(unit) == hash_unit(salt, unit)


@given(
    place=st.integers(0, 2**32 - 1),
    weights=st.lists(st.integers(0, 2**14), min_size=1, max_size=64).filter(any),
)
def test_pick_is_the_first_arm_whose_share_holds_the_hash(place: int, weights: list[int]) -> None:
    assert pick(place, weights) == murmur.arm(murmur.Fraction(place, 2**32), weights)
    assert pick(place, weights) == sum(edge <= place for edge in thresholds(weights))


@given(part=st.integers(0, 2**20), whole=st.integers(1, 2**20), place=st.integers(0, 2**32 - 1))
def test_a_threshold_on_the_hash_is_the_same_as_scaling_the_hash(part: int, whole: int, place: int) -> None:
    assert (place < threshold(part, whole)) == (place * whole >> 32 < part)


@given(salt=worlds.salts, units=st.lists(worlds.unit_ids | st.integers(0, 99)), asked=worlds.unit_ids)
def test_a_hashed_list_holds_the_units_that_it_was_made_of(salt: str, units: list[Any], asked: str) -> None:
    members = Members(members_blob(salt, units))
    condition = {"members": {"unit_type": "user", "blob": members.address, "salt": salt}}
    document = snapshot(flags={"button": button(rules=[serve("green", condition)])})
    compiled = compile_snapshot(document, {members.address: members})
    for unit in (*units, asked):
        is_member = canonical_unit(unit) in set(map(canonical_unit, units))
        assert (compiled.evaluate("button", user(unit), None).variant == "green") is is_member


@given(low=st.integers(0, 1_000_000), high=st.integers(0, 1_000_000), unit=worlds.unit_ids)
def test_raising_a_rollout_moves_no_unit_out(low: int, high: int, unit: str) -> None:
    low, high = sorted((low, high))
    inside = [
        answer(snapshot(flags={"button": button(rules=[rollout("green", parts)])}), user(unit)).variant
        for parts in (low, high)
    ]
    assert inside != ["green", "grey"]


@given(low=st.integers(0, 1_000_000), high=st.integers(0, 1_000_000), unit=worlds.unit_ids)
def test_widening_a_gate_moves_no_enrolled_unit(low: int, high: int, unit: str) -> None:
    low, high = sorted((low, high))
    narrow, wide = (
        answer(trial(gate={"salt": "gatesalt", "parts_per_million": parts}), user(unit)).enrolment
        for parts in (low, high)
    )
    assert narrow is None or narrow == wide


@given(document=worlds.snapshots(), context=worlds.contexts, level=st.sampled_from(["all", "group", "flag"]))
def test_a_kill_beats_everything(document: Json, context: Json, level: str) -> None:
    document["killed"] = level == "all" or document["killed"]
    document["groups"]["some"]["killed"] |= level == "group"
    document["flags"]["button"]["killed"] |= level == "flag"
    decision = answer(document, context)
    assert (decision.variant, decision.reason, decision.enrolment) == ("plain", Reason.DISABLED, None)


@given(document=worlds.spoilt(worlds.snapshots()), context=worlds.contexts)
def test_a_kill_of_a_readable_flag_beats_every_fault_elsewhere(document: Any, context: Json) -> None:
    if isinstance(document, dict) and isinstance(document.get("flags"), dict):
        document = {**document, "flags": {**document["flags"], "button": button(killed=True, rules=None)}}
        with contextlib.suppress(SnapshotError):
            assert answer(document, context).variant == "plain"


@given(document=worlds.snapshots(), context=worlds.contexts)
def test_an_explanation_ends_with_the_decision(document: Json, context: Json) -> None:
    compiled = compile_snapshot(document)
    steps = compiled.explain("button", context)
    assert steps[-1].decision == compiled.evaluate("button", context, None)
    assert [step for step in steps[:-1] if step.decision is not None] == []


@given(document=worlds.snapshots(), context=worlds.contexts)
def test_an_explanation_finds_the_arm_that_was_served(document: Json, context: Json) -> None:
    *_, last = compile_snapshot(document).explain("button", context)
    assert last.decision is not None
    if last.kind == "experiment":
        assert last.detail["arm"] == last.decision.metadata["experiment.arm"]
        assert last.finding == "enrolled"
        assert 0 <= int(last.detail["slot"]) < 10_000
        assert last.detail.get("window") == last.decision.metadata.get("experiment.window")
    elif last.kind in {"rule", "default"}:
        assert last.finding == "served"
    else:
        assert last.finding in {"killed", "named", "not_met", "held"}


@given(document=worlds.snapshots(), context=worlds.contexts)
def test_only_a_split_of_a_running_experiment_can_be_exposed(document: Json, context: Json) -> None:
    decision = answer(document, context)
    active = decision.metadata.get("experiment.active", False)
    assert (decision.enrolment is not None) == active
    assert not active or decision.reason is Reason.SPLIT


@given(document=worlds.snapshots(), context=worlds.contexts)
def test_units_in_a_holdout_get_the_baseline_of_every_covered_flag(document: Json, context: Json) -> None:
    flag = {**document["flags"]["button"], "holdouts": [{"holdout": "winter", "baseline": "blue"}]}
    flag |= {"prerequisites": [], "overrides": []}
    document["flags"] |= {"button": flag, "other": {**flag, "experiments": []}}
    context.pop("overrides", None)
    compiled = compile_snapshot(document)
    decisions = [compiled.evaluate(key, context, None) for key in ("button", "other")]
    arms = {decision.metadata.get("holdout.arm") for decision in decisions}
    assert len(arms) == 1
    assert decisions[0].holdouts == decisions[1].holdouts
    if arms == {"holdout"}:
        assert {decision.variant for decision in decisions} == {"blue"}
        assert {decision.enrolment for decision in decisions} == {None}
    assert decisions[0].exposable == tuple(filter(None, (*decisions[0].holdouts, decisions[0].enrolment)))


@given(low=worlds.shares, high=worlds.shares, unit=worlds.unit_ids)
def test_raising_a_holdout_releases_no_unit(low: int, high: int, unit: str) -> None:
    low, high = sorted((low, high))
    arms = []
    for parts in (low, high):
        winter = {"season": 1, "salt": "wintersalt", "unit_type": "user", "parts_per_million": parts}
        flag = button(holdouts=[{"holdout": "winter", "baseline": "grey"}])
        decision = answer(snapshot(holdouts={"winter": winter}, flags={"button": flag}), user(unit))
        arms += [place.arm for place in decision.holdouts]
    assert arms != ["holdout", "open"]


@given(rule=worlds.rules(0), stage=st.integers(0, 2), more=worlds.shares, context=worlds.contexts)
def test_widening_or_adding_a_ring_moves_no_unit_out(
    rule: Json, stage: int, more: int, context: Json
) -> None:
    if "rings" not in rule.get("rollout", {}):
        return
    before = answer(snapshot(flags={"button": button(rules=[rule])}), context)
    rings = rule["rollout"]["rings"]
    if stage < len(rings):
        rings[stage]["parts_per_million"] = max(rings[stage]["parts_per_million"], more)
    else:
        rings.append({"id": "last", "parts_per_million": more})
    after = answer(snapshot(flags={"button": button(rules=[rule])}), context)
    assert before.metadata["step"] != "rule" or after.metadata["step"] == "rule"


@given(document=worlds.snapshots(), context=worlds.contexts)
def test_a_unit_in_a_nested_layer_is_in_its_domain(document: Json, context: Json) -> None:
    enrolment = answer(document, context).enrolment
    if enrolment is not None and enrolment.layer == "inner":
        place = slot("layersalt", enrolment.unit)
        assert 0 <= place < 3000 or 6000 <= place < 9000


@given(document=worlds.snapshots(), context=worlds.contexts)
def test_a_unit_keeps_its_cluster_when_the_context_brings_it_along(document: Json, context: Json) -> None:
    compiled = compile_snapshot(document)
    first = compiled.evaluate("button", context, None)
    enrolment = first.enrolment
    if enrolment is None or enrolment.cluster is None:
        return
    moved = {**context, "units": {**context["units"], "account": "elsewhere"}}
    moved["clusters"] = {enrolment.sticky_key: enrolment.cluster}
    assert compiled.evaluate("button", moved, None) == first


@given(document=worlds.snapshots(), context=worlds.contexts)
def test_the_counterfactual_holds_what_was_served(document: Json, context: Json) -> None:
    compiled = compile_snapshot(document)
    decision = compiled.evaluate("button", context, None)
    arms = compiled.counterfactual(decision)
    if decision.enrolment is None:
        assert arms == {}
    else:
        assert arms[decision.enrolment.arm] == decision.value
        assert decision.metadata["experiment.differs"] == (len(set(arms.values())) > 1)


@given(document=worlds.snapshots())
def test_a_sound_document_has_no_faults(document: Json) -> None:
    assert compile_snapshot(document).faults == {}


@given(document=worlds.spoilt(worlds.snapshots()))
def test_validation_refuses_what_cannot_be_compiled(document: Any) -> None:
    try:
        compile_snapshot(document)
    except SnapshotError as refusal:
        problems = refusal.found
    else:
        return
    assert problems == validate_snapshot(document) != ()


@given(document=worlds.spoilt(worlds.snapshots()))
def test_what_validation_accepts_compiles_without_a_fault(document: Any) -> None:
    if not validate_snapshot(document):
        assert compile_snapshot(document).faults == {}


@given(
    document=worlds.spoilt(worlds.snapshots()),
    key=st.text(max_size=6) | st.just("button") | worlds.json_values,
    context=worlds.contexts | worlds.json_values,
    code_default=worlds.json_values,
)
@settings(max_examples=150)
def test_evaluation_never_raises(document: Any, key: Any, context: Any, code_default: Any) -> None:
    try:
        compiled = compile_snapshot(document)
    except SnapshotError:
        return
    decision = compiled.evaluate(key, context, code_default)
    assert (decision.error_code is None) == (decision.reason is not Reason.ERROR)
    if decision.variant is None:
        assert decision.value is code_default
    assert compiled.explain(key, context)[-1].decision is not None


@given(document=worlds.spoilt(worlds.snapshots()), context=worlds.contexts)
def test_a_fault_elsewhere_leaves_a_flag_as_it_was(document: Any, context: Json) -> None:
    healthy = button(rules=[rollout("green", 500_000)])
    alone = answer(snapshot(flags={"button": healthy}), context)
    if not isinstance(document, dict) or not isinstance(document.get("flags"), dict):
        return
    flags = {"button": healthy, "spoilt": document["flags"].get("button")}
    try:
        compiled = compile_snapshot(document | {"flags": flags, "killed": False})
    except SnapshotError:
        return
    if "user" in document["unit_types"]:
        assert compiled.evaluate("button", context, None).variant == alone.variant


@given(salt=worlds.salts)
@settings(max_examples=20)
def test_slots_are_uniform(salt: str) -> None:
    counts = [0] * 20
    for unit in UNITS:
        counts[slot(salt, unit) // 500] += 1
    assert _chi_square(counts, len(UNITS) / 20) < 60  # 19 degrees: p below 1e-5


@given(one=worlds.salts, other=worlds.salts)
@settings(max_examples=20)
def test_two_salts_split_independently(one: str, other: str) -> None:
    if one == other:
        return
    counts = [0] * 4
    for unit in UNITS:
        counts[2 * pick(hash_unit(one, unit), [1, 1]) + pick(hash_unit(other, unit), [1, 1])] += 1
    assert _chi_square(counts, len(UNITS) / 4) < 32  # 3 degrees: p below 1e-6


def test_a_restart_with_another_salt_randomises_anew() -> None:
    first, second = compile_snapshot(trial()), compile_snapshot(trial(salt="restarted"))
    moved = sum(
        first.evaluate("button", user(unit), None).variant
        != second.evaluate("button", user(unit), None).variant
        for unit in UNITS
    )
    assert 1_850 < moved < 2_150  # half of 4,000; 4.7 standard deviations


@given(edge=st.integers(1, 9_999), unit=worlds.unit_ids)
def test_no_unit_is_in_two_experiments_of_one_layer(edge: int, unit: str) -> None:
    enrolled = [
        answer(trial(slots=slots), user(unit)).enrolment is not None
        for slots in ([[0, edge]], [[edge, 10_000]])
    ]
    assert sum(enrolled) == 1


def test_layers_are_independent_of_each_other() -> None:
    halves = [
        compile_snapshot(
            snapshot(
                layers={"own": {"salt": salt, "unit_type": "user"}},
                experiments={"trial": experiment(layer="own", slots=[[0, 5_000]])},
                flags={"button": button(experiments=["trial"])},
            )
        )
        for salt in ("layer-one", "layer-two")
    ]
    counts = [0] * 4
    for unit in UNITS:
        first, second = (half.evaluate("button", user(unit), None).enrolment is not None for half in halves)
        counts[2 * first + second] += 1
    assert _chi_square(counts, len(UNITS) / 4) < 32


@given(value=worlds.json_values)
def test_a_canonical_unit_stays_itself(value: Any) -> None:
    unit = canonical_unit(value)
    assert unit is None or (canonical_unit(unit) == unit and 1 <= len(unit.encode()) <= 256)


@given(document=worlds.snapshots())
def test_the_hash_survives_the_wire_and_the_order_of_members(document: Json) -> None:
    digest = content_hash(document)
    wire = json.loads(json.dumps({**document, "hash": digest}))
    shuffled = dict(reversed(list(wire.items())))
    assert content_hash(shuffled) == digest
    changed = copy.deepcopy(document)
    changed["revision"] += 1
    assert content_hash(changed) != digest


def _chi_square(counts: list[int], expected: float) -> float:
    return sum((count - expected) ** 2 / expected for count in counts)
