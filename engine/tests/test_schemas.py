"""The JSON Schemas say what the engine does, and the examples are examples."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import worlds
from authoring.parts import Json
from hypothesis import given
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from equipoise_engine import ErrorCode, Reason, compile_snapshot, validate_snapshot
from equipoise_engine.operators import OPERATORS

SPEC = Path(__file__).parents[2] / "spec"
SCHEMAS: dict[str, Json] = {
    path.name.removesuffix(".schema.json"): json.loads(path.read_text())
    for path in (SPEC / "schemas").glob("*.json")
}
REGISTRY: Any = Registry().with_resources(
    (schema["$id"], Resource.from_contents(schema)) for schema in SCHEMAS.values()
)


def valid(name: str, node: object) -> bool:
    return Draft202012Validator(SCHEMAS[name], registry=REGISTRY).is_valid(node)


def example(name: str) -> Any:
    return json.loads((SPEC / "examples" / f"{name}.json").read_text())


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_every_schema_is_one_and_has_an_example(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[name])
    assert valid(name, example(name))
    assert not valid(name, {**example(name), "surprise": 1})


def test_the_example_of_a_snapshot_can_be_published() -> None:
    assert validate_snapshot(example("snapshot")) == ()


@given(document=worlds.snapshots(), context=worlds.contexts)
def test_what_the_engine_publishes_and_answers_fits_the_schemas(document: Json, context: Json) -> None:
    assert validate_snapshot(document) or valid("snapshot", document)
    decision = compile_snapshot(document).evaluate("button", context, None)
    assert valid("decision", _plain(decision._asdict()))


@given(document=worlds.spoilt(worlds.snapshots()))
def test_the_schema_refuses_nothing_that_the_engine_would_publish(document: Any) -> None:
    assert validate_snapshot(document) or valid("snapshot", document)


def test_the_schemas_know_the_same_words_as_the_engine() -> None:
    clauses = SCHEMAS["snapshot"]["$defs"]["clause"]["oneOf"]
    named = [name for clause in clauses for name in clause["properties"]["operator"]["enum"]]
    assert sorted(named) == sorted(OPERATORS)
    decision = SCHEMAS["decision"]["properties"]
    assert sorted(decision["reason"]["enum"]) == sorted(Reason)
    assert sorted(code for code in decision["error_code"]["enum"] if code) == sorted(ErrorCode)


def _plain(fields: Json) -> Json:
    enrolment = fields["enrolment"]
    metadata: Mapping[str, object] = fields["metadata"]
    return {
        **fields,
        "holdouts": [place._asdict() for place in fields["holdouts"]],
        "metadata": dict(metadata),
        "enrolment": None if enrolment is None else enrolment._asdict(),
    }
