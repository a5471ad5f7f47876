"""What Python answers, TypeScript answers; what no client may believe, it does not."""

from __future__ import annotations

import base64
import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hostile_snapshots import REFUSED_BY_ALL, sealed
from in_node import PACKAGE, build, run_suite
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from equipoise_engine import Members, compile_snapshot

SPEC = PACKAGE.parent / "spec"
VECTORS, SCHEMAS = SPEC / "vectors" / "evaluation", SPEC / "schemas"
CONTEXTS_EACH = 24
LARGEST_EXACT = 2**53 - 1

pytestmark = pytest.mark.node


def test_both_engines_answer_alike_for_every_snapshot_and_many_contexts(tmp_path: Path) -> None:
    asked = list(_asked(random.Random(20_260_301)))
    assert sum(len(one["expected"]) for one in asked) > 5_000
    given = tmp_path / "asked.json"
    given.write_text(json.dumps(asked))
    build()
    run_suite("given/agreement", {"EQUIPOISE_GIVEN": str(given)})


def test_twenty_two_hostile_snapshots_are_refused_and_change_nothing(tmp_path: Path) -> None:
    document = json.loads((SPEC / "examples" / "snapshot.json").read_text())
    true = json.loads(sealed(document))
    (tmp_path / "true").write_bytes(sealed(document))
    for name, mutant in REFUSED_BY_ALL.items():
        (tmp_path / name).write_bytes(mutant(true))
    assert len(REFUSED_BY_ALL) == 22
    build()
    run_suite("given/hostile", {"EQUIPOISE_GIVEN": str(tmp_path)})


def test_everything_that_is_reported_fits_the_published_schemas(tmp_path: Path) -> None:
    written = tmp_path / "batch.json"
    build()
    run_suite("given/reports", {"EQUIPOISE_GIVEN": str(written)})
    schemas = [json.loads(path.read_text()) for path in SCHEMAS.glob("*.schema.json")]
    registry: Any = Registry().with_resources((one["$id"], Resource.from_contents(one)) for one in schemas)
    events = next(one for one in schemas if one["$id"].endswith("/events.schema.json"))
    batch = json.loads(written.read_text())
    faults = [fault.message for fault in Draft202012Validator(events, registry=registry).iter_errors(batch)]
    assert faults == []
    assert Counter(event["kind"] for event in batch["events"]) == {"exposure": 6, "track": 2}
    assert "mail" not in written.read_text()


def _asked(draw: random.Random) -> Iterator[dict[str, Any]]:
    """Each snapshot of the vectors, asked for contexts of all of them."""
    cases = [case for path in sorted(VECTORS.glob("*.json")) for case in json.loads(path.read_text())]
    contexts = [case["context"] for case in cases if _is_same_in_javascript(case["context"])]
    seen = set()
    for case in cases:
        written = json.dumps(case["snapshot"], sort_keys=True)
        if written in seen:
            continue
        seen.add(written)
        blobs = {key: Members(base64.b64decode(text)) for key, text in case.get("blobs", {}).items()}
        snapshot = compile_snapshot(case["snapshot"], blobs)
        chosen = [*draw.sample(contexts, CONTEXTS_EACH), *([case["context"]] * (case["context"] in contexts))]
        expected = [[_told(decision) for decision in snapshot.evaluate_all(context)] for context in chosen]
        yield {
            "snapshot": case["snapshot"],
            "blobs": case.get("blobs", {}),
            "contexts": chosen,
            "expected": expected,
        }


def _told(decision: Any) -> dict[str, object]:
    places = [place._asdict() for place in decision.exposable]
    return {
        "flag": decision.flag_key,
        "value": decision.value,
        "variant": decision.variant,
        "reason": decision.reason,
        "error": decision.error_code,
        "metadata": decision.metadata,
        "places": [{name: value for name, value in place.items() if value is not None} for place in places],
    }


def _is_same_in_javascript(node: object) -> bool:
    """JSON's 2.0 is 2 there, and integers end at 2**53: spec/hashing.md, "Unit ids"."""
    if isinstance(node, dict):
        return all(map(_is_same_in_javascript, node.values()))
    if isinstance(node, list):
        return all(map(_is_same_in_javascript, node))
    if isinstance(node, float):
        return not node.is_integer()
    return not isinstance(node, int) or abs(node) <= LARGEST_EXACT
