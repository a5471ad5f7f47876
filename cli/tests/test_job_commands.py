"""Jobs at the command line, against a server without a worker: everything waits."""

from __future__ import annotations

import json
from collections.abc import Callable

from click.testing import Result

Terminal = Callable[..., Result]


def refreshed(terminal: Terminal) -> str:
    """The id of a refresh that was asked for."""
    asked = terminal("experiment", "refresh", "green-button", "--reason", "now", "--json")
    assert asked.exit_code == 0, asked.stderr
    return str(json.loads(asked.stdout)["id"])


def test_a_refresh_is_asked_for_listed_shown_and_cancelled(terminal: Terminal) -> None:
    job = refreshed(terminal)
    listed = terminal("jobs", "list", "--state", "queued")
    assert "No worker lives" in listed.stderr
    assert "green-button" in listed.stdout
    assert terminal("jobs", "show", job).stdout == f"{job}: Refresh of a report of green-button is queued.\n"
    assert "is cancelled" in terminal("jobs", "cancel", job, "--reason", "load").stdout
    queued = json.loads(terminal("jobs", "list", "--state", "queued", "--json").stdout)
    assert job not in [str(one["id"]) for one in queued]


def test_what_did_not_fail_is_not_tried_again_and_what_is_not_there_is_named(terminal: Terminal) -> None:
    refused = terminal("jobs", "retry", refreshed(terminal))
    assert (refused.exit_code, "only one that failed" in refused.stderr) == (1, True)
    missing = terminal("jobs", "show", "999999")
    assert (missing.exit_code, "job: There is no job 999999" in missing.stderr) == (1, True)
