"""What an OFREP answer vouches for: the places that its metadata tell of, and nothing else."""

from __future__ import annotations

import json
from typing import Any

from ofrep_scene import AT, KEYS, SHOP, Scene, a_document
from people import NOW

from equipoise_engine import content_hash
from equipoise_server.edge.ofrep_answers import item
from equipoise_server.edge.state import Servable, View, servable
from equipoise_server.foundation.exposure_tokens import Claim
from equipoise_server.foundation.revisions import Revision
from equipoise_server.snapshots.values import KeptSnapshot

SECRET = "0af1" * 16
SECONDS = NOW.timestamp()


def a_servable(*, is_required: bool = True) -> Servable:
    """The scene's snapshot, with a holdout over its experiment, and with keys for tokens."""
    document: Any = a_document(1)
    document["holdouts"] = {
        "winter": {"season": 3, "salt": "hold1", "unit_type": "user", "parts_per_million": 500_000}
    }
    document["flags"]["button"]["holdouts"] = [{"holdout": "winter", "baseline": "off"}]
    document["exposure_tokens"] = {"required": is_required, "keys": [{"id": 1, "secret": SECRET}]}
    document["hash"] = content_hash(document)
    kept = KeptSnapshot(SHOP, Revision(1, 1), AT, document["hash"], json.dumps(document).encode())
    return servable(kept)


def told_of(found: Servable, unit: str, flag: str = "button") -> dict[str, Any]:
    """An answer's metadata."""
    decision = found.engine.evaluate(flag, {"units": {"user": unit}, "attributes": {}}, None)
    metadata: Any = item(decision, found, now=SECONDS)["metadata"]
    return dict(metadata)


def test_tokens_vouch_for_the_experiment_and_the_holdout_that_metadata_tell() -> None:
    found = a_servable()
    ring = found.token_ring
    assert ring is not None
    arms = set()
    for number in range(40):
        unit = f"u-{number}"
        told = told_of(found, unit)
        held = Claim("winter", 3, "button", told["holdout.arm"], "user", unit)
        assert ring.fault(told["holdout.token"], held, now=SECONDS) is None
        arms.add(told["holdout.arm"])
        assert ("exposure.token" in told) is (told["holdout.arm"] == "open")
        if "exposure.token" in told:
            place = Claim("trial", 2, "button", told["experiment.arm"], "user", unit)
            assert ring.fault(told["exposure.token"], place, now=SECONDS) is None
    assert arms == {"open", "holdout"}


def test_a_flag_without_an_experiment_has_no_token() -> None:
    assert not any("token" in name for name in told_of(a_servable(), "u-1", "text"))


def test_no_answer_shows_the_key() -> None:
    scene = Scene()
    scene.state.swap(View(KEYS, {SHOP: a_servable()}, 0.0))
    answer = scene.ask()
    assert answer.status == 200
    assert b"x1.1." in answer.body
    assert SECRET.encode() not in answer.body
