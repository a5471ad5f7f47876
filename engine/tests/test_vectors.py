"""The golden vectors of spec/vectors hold in Python; sdk-typescript/tests runs them in TypeScript."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from authoring import write

from equipoise_engine import Enrolment, Members, compile_snapshot, hash_unit, pick, slot
from equipoise_engine.hashing import member_hash

SPEC = Path(__file__).parents[2] / "spec"


def _cases() -> Iterator[Any]:
    for path in sorted((SPEC / "vectors" / "evaluation").glob("*.json")):
        for case in json.loads(path.read_text()):
            yield pytest.param(case, id=f"{path.stem}: {case['name']}")


def _blobs(case: dict[str, Any]) -> dict[str, Members]:
    return {key: Members(base64.b64decode(text)) for key, text in case.get("blobs", {}).items()}


def _members(place: Enrolment) -> dict[str, object]:
    """A vector names the members of a place that have a value."""
    return {name: value for name, value in place._asdict().items() if value is not None}


@pytest.mark.parametrize("case", list(_cases()))
def test_an_evaluation_answers_as_its_vector_says(case: dict[str, Any]) -> None:
    expected = case["expected"]
    compiled = compile_snapshot(case["snapshot"], _blobs(case))
    decision = compiled.evaluate(case["flag"], case["context"], case["code_default"])
    answer = {
        "value": decision.value,
        "variant": decision.variant,
        "reason": decision.reason,
        "error_code": decision.error_code,
        "enrolment": None if decision.enrolment is None else _members(decision.enrolment),
    }
    assert answer == {name: expected[name] for name in answer}
    assert [_members(place) for place in decision.holdouts] == expected.get("holdouts", [])
    assert decision.metadata.items() >= expected.get("metadata", {}).items()
    assert not decision.metadata.keys() & set(expected.get("absent", []))
    assert (decision.error_message is None) == (decision.error_code is None)


@pytest.mark.parametrize("case", list(_cases()))
def test_all_flags_of_a_vector_answer_together_as_alone(case: dict[str, Any]) -> None:
    compiled = compile_snapshot(case["snapshot"], _blobs(case))
    alone = tuple(compiled.evaluate(key, case["context"], None) for key in compiled.flag_keys)
    assert compiled.evaluate_all(case["context"]) == alone


def test_hashes_and_slots_are_those_of_the_vectors() -> None:
    rows = json.loads((SPEC / "vectors" / "hashing.json").read_text())
    assert len(rows) >= 280
    assert [(hash_unit(row["salt"], row["unit"]), slot(row["salt"], row["unit"])) for row in rows] == [
        (row["hash"], row["slot"]) for row in rows
    ]


def test_members_hash_as_the_vectors_say() -> None:
    rows = json.loads((SPEC / "vectors" / "members.json").read_text())
    assert [f"{member_hash(row['salt'], row['unit']):016x}" for row in rows] == [row["hash"] for row in rows]


def test_picks_are_those_of_the_vectors() -> None:
    rows = json.loads((SPEC / "vectors" / "pick.json").read_text())
    assert [pick(row["hash"], row["weights"]) for row in rows] == [row["index"] for row in rows]


def test_vectors_are_what_their_sources_say() -> None:
    for name, text in write.texts().items():
        assert (SPEC / "vectors" / name).read_text() == text, (
            "run `python -m authoring.write` in engine/tests"
        )


def test_vectors_have_unique_names() -> None:
    names = [case.id for case in _cases()]
    assert len(names) == len(set(names)) >= 150
