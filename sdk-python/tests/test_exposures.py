"""What is exposed: each place once, with what analysis needs, and nothing that a link asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flag_server import Json, document
from jsonschema import Draft202012Validator
from small_worlds import clustered, held_out, user

from equipoise_sdk import in_memory

SCHEMA = json.loads((Path(__file__).parents[2] / "spec" / "schemas" / "exposure.schema.json").read_text())


def places(events: tuple[Json, ...]) -> list[tuple[object, ...]]:
    return [(event["experiment"], event["iteration"], event["variant"]) for event in events]


def test_both_arms_of_a_holdout_are_exposed_once_and_the_experiment_of_the_open_ones() -> None:
    client = in_memory(held_out())
    for number in range(200):
        client.boolean("button", False, user(f"u{number}"))
        client.boolean("button", False, user(f"u{number}"))
    held = [event for event in client.recorded if event["experiment"] == "winter"]
    tried = [event for event in client.recorded if event["experiment"] == "trial"]
    assert len(held) == 200
    assert {(event["iteration"], event["variant"]) for event in held} == {(3, "holdout"), (3, "open")}
    opened = {event["unit"] for event in held if event["variant"] == "open"}
    assert {event["unit"] for event in tried} == opened
    assert 70 < len(opened) < 130


def test_a_later_exposure_tells_of_the_holdout_without_the_mark_of_the_experiment() -> None:
    client = in_memory(held_out(parts_per_million=0))
    client.expose(client.peek("button", False, user("u1")), differs=True)
    assert [(event["experiment"], event.get("differs")) for event in client.recorded] == [
        ("winter", None),
        ("trial", True),
    ]


def test_peeking_exposes_nothing() -> None:
    client = in_memory(held_out())
    client.peek("button", False, user("u1"))
    assert {decision.flag_key for decision in client.peek_all(user("u1"))} == set(document()["flags"])
    assert client.recorded == ()


def test_an_exposure_carries_the_cluster_and_a_crosser_is_exposed_again() -> None:
    client = in_memory(clustered())
    for city in ("berlin", "berlin", "paris"):
        client.boolean("button", False, user("u1", city=city))
    assert [(event["unit"], event["cluster_type"], event["cluster"]) for event in client.recorded] == [
        ("u1", "city", "berlin"),
        ("u1", "city", "paris"),
    ]


def test_two_flags_of_one_experiment_are_one_exposure() -> None:
    content = document()
    content["flags"]["banner"] = content["flags"]["button"]
    for arm in content["experiments"]["trial"]["variants"]:
        arm["values"]["banner"] = arm["values"]["button"]
    del content["hash"]
    client = in_memory(content)
    client.boolean("button", False, user("u1"))
    client.boolean("banner", False, user("u1"))
    assert [event["flag"] for event in client.recorded] == ["button"]


@pytest.mark.parametrize("content", [document(), held_out(), clustered()])
def test_units_that_asked_for_a_variant_are_never_exposed(content: Json) -> None:
    client = in_memory(content)
    asked: Json = {**user("u1", city="berlin"), "overrides": {"button": "on"}}
    assert client.boolean("button", False, asked) is True
    client.expose(client.peek("button", False, asked), differs=True)
    assert client.recorded == ()


def test_the_application_computes_what_another_arm_would_have_shown() -> None:
    client = in_memory(document())
    decision = client.peek("button", False, user("u1"))
    assert client.counterfactual(decision) == {"control": False, "treatment": True}
    client.expose(decision, differs=len(set(client.counterfactual(decision).values())) > 1)
    assert client.recorded[0]["differs"] is True
    assert client.counterfactual(client.peek("colour", "", user("u1"))) == {}


@pytest.mark.parametrize("content", [document(), held_out(), clustered()])
def test_every_exposure_fits_its_schema(content: Json) -> None:
    client = in_memory(content)
    client.expose(client.peek("button", False, user("u1", city="berlin")), differs=False)
    assert client.recorded
    for event in client.recorded:
        Draft202012Validator(SCHEMA).validate(event)


def test_a_cluster_comes_with_its_type_or_not_at_all() -> None:
    client = in_memory(clustered())
    client.boolean("button", False, user("u1", city="berlin"))
    whole: dict[str, Any] = dict(client.recorded[0])
    for member in ("cluster", "cluster_type"):
        lacking = {name: value for name, value in whole.items() if name != member}
        assert not Draft202012Validator(SCHEMA).is_valid(lacking)
