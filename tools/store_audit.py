"""What holds while events go wrong: nothing lost, nothing doubled, flags served and kills taken."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

from event_writers import Ledger
from server_process import HEALTHY, Scene, ServerProcess

ASK = Path(__file__).parent.parent / "journeys" / "stored_ids.py"


def held_against_the_store(ledger: Ledger, server: ServerProcess) -> str:
    """Raises AssertionError when an event was lost or doubled; else what to tell."""
    held = server.run_script(ASK)
    stored, quality = set(held["ids"]), held["quality"]
    assert len(stored) == len(held["ids"]), "an event was doubled"
    assert ledger.acknowledged - stored == set(), "an acknowledged event was lost"
    assert stored - ledger.sent == set()
    assert (quality["stored"], quality["waiting"], quality["conflicting"]) == (len(stored), 0, 0)
    assert quality["received"] == quality["stored"] + quality["duplicates"] + quality["quarantined"]
    return (
        f"{len(ledger.acknowledged)} acknowledged, {len(stored)} stored, {len(ledger.sent)} sent, "
        f"{quality['duplicates']} arrived again; answers {dict(ledger.answers)}; "
        f"{held['merged']} files merged"
    )


def flags_are_served(scene: Scene) -> bool:
    """Whether the snapshot is to be had."""
    asked = urllib.request.Request(
        f"{scene.server.url}/v1/snapshot", headers={"Authorization": f"Bearer {scene.sdk_key}"}
    )
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return "checkout-button" in json.load(answer)["flags"]


def kill_is_taken(scene: Scene) -> bool:
    """Whether a flag can be killed over the API."""
    place = "/api/v1/projects/shop/flags/checkout-button/environments/production/kill"
    headers = {"Authorization": f"Bearer {scene.token}", "Content-Type": "application/json"}
    body = json.dumps({"reason": "the disk"}).encode()
    asked = urllib.request.Request(scene.server.url + place, body, headers, method="POST")
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return bool(answer.status == HEALTHY)


def refused_alone(ledger: Ledger, status: str) -> None:
    """From its first refusal on nothing is acknowledged."""
    ledger.wait_for(status, more=8)
    taken = ledger.answers["200"]
    ledger.wait_for(status, more=16)
    assert ledger.answers["200"] == taken, "something was acknowledged that no disk has"
