"""Data quality at the command line, against a real server: numbers, reasons, and replays that look first."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from uuid import uuid4

import httpx
from click.testing import Result
from server_process import Scene

Terminal = Callable[..., Result]
NOW = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def test_a_refused_event_is_found_and_replayed(terminal: Terminal, scene: Scene) -> None:
    event = {
        "kind": "exposure", "id": str(uuid4()), "at": NOW, "experiment": "search-ranking", "iteration": 1,
        "flag": "search-ranking", "variant": "control", "unit": "u-1",
    }  # fmt: skip
    sent = httpx.post(
        f"{scene.server.url}/v1/events",
        json={"sent_at": NOW, "events": [event], "sender": "till/2.3"},
        headers={"Authorization": f"Bearer {scene.sdk_key}"},
    )
    assert len(sent.json()["quarantined"]) == 1
    assert "till/2.3" in terminal("quality", "show", "--days", "2").stdout
    (fault,) = json.loads(terminal("quality", "faults", "--json").stdout)
    assert "unit_type" in terminal("quality", "faults").stdout
    command = ("quality", "replay", fault["key"], "--repair", "set_unit_type:user")
    assert terminal(*command, "--dry-run").stdout == "1 of 1 events would be accepted.\n"
    assert (
        terminal("quality", "replay", fault["key"], "--dry-run")
        .stdout.splitlines()[1]
        .startswith("  1 would")
    )
    assert terminal(*command).stdout == "1 events will be judged again by the worker.\n"
    assert json.loads(terminal("quality", "faults", "--json").stdout) == []


def test_a_repair_that_cannot_be_read_is_refused_before_anything_is_sent(terminal: Terminal) -> None:
    for wrong in ("set_unit_type", "rename_property:a", "burn:a:b"):
        refused = terminal("quality", "replay", "x", "--repair", wrong)
        assert refused.exit_code == 2
        assert "write set_unit_type:NEW" in refused.output.replace("\n", " ")
