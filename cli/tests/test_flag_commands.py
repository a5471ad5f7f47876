"""Groups, segments, shares and previews at the command line, against a real server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import Result
from server_process import Scene

Terminal = Callable[..., Result]
RANKING = "/flags/search-ranking/environments/development"


@pytest.fixture
def api(scene: Scene) -> Iterator[httpx.Client]:
    """The management API, for what the command line does not make."""
    headers = {"Authorization": f"Bearer {scene.token}"}
    with httpx.Client(base_url=f"{scene.server.url}/api/v1/projects/shop", headers=headers) as client:
        yield client


def test_a_group_is_killed_and_turned_back_on(terminal: Terminal, api: httpx.Client) -> None:
    body = {"key": "finding", "name": "Finding", "flags": ["search-ranking"]}
    assert api.post("/groups", json=body).status_code == 201
    killed = terminal("group", "kill", "finding", "--reason", "slow")
    assert killed.stdout == "The group finding is killed in production: search-ranking.\n"
    assert terminal("groups", "list").stdout.splitlines()[1].split()[-1] == "production"
    assert json.loads(terminal("group", "unkill", "finding", "--json").stdout)["killed"] == {}


def test_a_list_is_filled_from_a_file_and_asked(
    terminal: Terminal, api: httpx.Client, tmp_path: Path
) -> None:
    body = {"key": "testers", "name": "Testers", "unit_type": "user"}
    assert api.post("/lists", json=body).status_code == 201
    file = tmp_path / "users.csv"
    file.write_text("user_id,plan\nu-1,free\nu-2,paid\n")
    assert terminal("segment", "upload", "testers", str(file)).stdout == "testers has 2 users now.\n"
    assert terminal("segment", "has", "testers", "u-2").stdout == "u-2 is in testers.\n"
    assert json.loads(terminal("segment", "has", "testers", "u-3", "--json").stdout) == {"is_member": False}
    assert terminal("segments", "list").stdout.splitlines()[1].split() == ["testers", "Testers", "list", "2"]
    taken = terminal("segment", "upload", "testers", str(file), "--how", "remove", "--json")
    assert json.loads(taken.stdout)["members"]["member_count"] == 0


def test_a_share_is_set_for_one_rule(terminal: Terminal, api: httpx.Client) -> None:
    settings = api.get(RANKING).json()
    rollout = {"variant": settings["default"], "unit_type": "user", "parts_per_million": 1}
    body = {
        "off": settings["off"], "default": settings["default"], "expected_version": settings["version"],
        "rules": [{"id": "canary", "rollout": rollout}],
    }  # fmt: skip
    assert api.put(RANKING, json=body).status_code == 200
    told = terminal("flag", "share", "search-ranking", "12.5", "--rule", "canary", "-e", "development")
    assert told.stdout == "search-ranking rolls out to 12.5 % in development.\n"
    (rule,) = api.get(RANKING).json()["rules"]
    assert rule["rollout"]["parts_per_million"] == 125_000
    assert terminal("flag", "share", "search-ranking", "5", "--rule", "no").exit_code == 1


def test_a_preview_link_is_printed(terminal: Terminal) -> None:
    made = terminal("preview", "checkout-button=green", "--hours", "1")
    assert made.stdout.startswith("?equipoise_preview=p1.")
    assert terminal("preview", "checkout-button=purple").exit_code == 1
    assert terminal("preview", "checkout-button").exit_code == 2
