"""Metrics as files: read strictly, previewed, applied as a whole, and written back the same."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
import yaml
from calling import Caller
from calling import caller as a_caller_for
from scenes import Shop, a_shop

from equipoise_server.api.metric_language import read_file
from equipoise_server.foundation.refusals import Invalid
from equipoise_server.metrics.reads import metrics_of

pytestmark = pytest.mark.django_db
PACKS = sorted((Path(__file__).parents[3] / "examples" / "metrics").glob("*.yaml"))
FILE = "/projects/shop/metric-file"
ONE = "metrics:\n  buyers: {name: Buyers, kind: conversion, fact: {event: purchase}, window: 7d}\n"


def steps(caller: Caller, door: str, text: str) -> list[dict[str, object]]:
    found = caller.post(f"{FILE}/{door}", {"yaml": text}).json["steps"]
    assert isinstance(found, list)
    return found


@pytest.fixture
def shop() -> Shop:
    return a_shop()


@pytest.fixture
def caller(shop: Shop) -> Caller:
    return a_caller_for(shop.owner)


@pytest.mark.parametrize("path", PACKS, ids=lambda path: path.stem)
def test_a_pack_is_applied_once_and_is_written_back_the_same(path: Path, shop: Shop, caller: Caller) -> None:
    text = path.read_text()
    jsonschema.validate(yaml.safe_load(text), caller.get("/metric-file-schema").json)
    planned = steps(caller, "plan", text)
    assert {one["step"] for one in planned} == {"create"}
    assert metrics_of(shop.project.id) == ()
    assert steps(caller, "apply", text) == planned
    assert {one["step"] for one in steps(caller, "apply", text)} == {"keep"}
    held = metrics_of(shop.project.id)
    exported = str(caller.get(FILE).json["yaml"])
    assert {one["step"] for one in steps(caller, "plan", exported)} == {"keep"}
    read = {entry.key: entry.definition for entry in read_file(exported, shop.project.id)}
    assert read == {metric.key: metric.definition for metric in held}


def test_a_plan_tells_a_new_meaning_from_new_words(caller: Caller) -> None:
    assert caller.post(f"{FILE}/apply", {"yaml": ONE}).status == 200
    reworded = steps(caller, "plan", ONE.replace("Buyers", "Customers"))
    revised = steps(caller, "plan", ONE.replace("7d", "36h"))
    assert [(one["step"], one["fields"], one["version"]) for one in (*reworded, *revised)] == [
        ("reword", ["name"], 1), ("revise", ["definition"], 2)
    ]  # fmt: skip


def test_every_fault_of_a_file_is_told_by_its_place(shop: Shop, caller: Caller) -> None:
    shape = (
        "metrics:\n  a: {name: A, kind: mode, fact: {event: x, colour: red}, window: soon}\n"
        "  b: {kind: sum}\n"
    )
    refused = caller.post(f"{FILE}/apply", {"yaml": shape})
    assert "Write a length such as 7d" in str(refused.json["detail"])
    assert refused.fields == [
        "metrics.a.kind", "metrics.a.fact.colour", "metrics.a.window", "metrics.b.name", "metrics.b.fact"
    ]  # fmt: skip
    meaning = (
        "metrics:\n  a: {name: A, kind: ratio, fact: {event: x}}\n"
        "  b: {name: '', kind: retention, fact: {event: x}, cap: 3}\n"
    )
    assert set(caller.post(f"{FILE}/apply", {"yaml": meaning}).fields) == {
        "metrics.a.denominator", "metrics.b.name", "metrics.b.delay", "metrics.b.cap"
    }  # fmt: skip
    assert metrics_of(shop.project.id) == ()


@pytest.mark.parametrize(
    "text",
    [
        "metrics: [",
        "a: &a [1]\nb: *a",
        "metrics:\n  x: !!python/object:os.system {}",
        "[" * 2_000,
        "x" * 500_001,
    ],
)
def test_what_is_no_plain_yaml_is_refused(text: str, shop: Shop) -> None:
    with pytest.raises(Invalid):
        read_file(text, shop.project.id)
