"""What people and pipelines do at the command line, against a real server."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from server_process import Scene, free_port

Terminal = Callable[..., Result]


def test_projects_are_listed_with_their_environments(terminal: Terminal) -> None:
    listed = terminal("projects", "list")
    assert listed.exit_code == 0
    assert listed.stdout.split("\n")[1].split() == ["shop", "Shop", "development,", "production"]


@pytest.mark.parametrize(
    ("command", "there", "not_there"),
    [
        (("projects", "list"), {"shop"}, {"development"}),
        (("flags", "list"), {"checkout-button", "search-ranking"}, {"green-button"}),
        (("experiment", "list", "--status", "draft"), {"draft-without-oec"}, {"green-button"}),
        (("experiment", "list", "--status", "running"), {"green-button"}, {"draft-without-oec"}),
    ],
)
def test_every_list_is_there_as_json(
    terminal: Terminal, command: tuple[str, ...], there: set[str], not_there: set[str]
) -> None:
    """The server is shared: other tests may have added to the lists."""
    listed = {item["key"] for item in json.loads(terminal(*command, "--json").stdout)}
    assert there <= listed
    assert not not_there & listed


def test_a_flag_shows_its_values_and_who_holds_it_still(terminal: Terminal) -> None:
    shown = terminal("flag", "show", "checkout-button")
    assert shown.exit_code == 0
    production = next(line for line in shown.stdout.splitlines() if line.startswith("production"))
    assert production.split() == ["production", "on", "grey", "grey", "0", "green-button"]


def test_a_flag_is_killed_and_serves_again(terminal: Terminal) -> None:
    killed = terminal("flag", "kill", "search-ranking", "--reason", "too slow")
    assert killed.stdout == "search-ranking is killed in production: it serves popular.\n"
    assert "production" in terminal("flags", "list").stdout
    again = terminal("flag", "unkill", "search-ranking", "--json")
    assert json.loads(again.stdout)["killed_at"] is None


def test_a_kill_needs_an_environment(terminal: Terminal) -> None:
    refused = terminal("flag", "kill", "search-ranking", EQUIPOISE_ENVIRONMENT="")
    assert refused.exit_code == 2
    assert "--environment" in refused.stderr


def test_explain_says_step_by_step_why_a_unit_gets_its_value(terminal: Terminal) -> None:
    dutch = terminal("explain", "checkout-button", "--unit", "user=u1", "--attribute", "country=NL")
    assert dutch.stdout.splitlines()[0] == "checkout-button = grey (variant grey, DEFAULT)"
    assert "not_eligible" in dutch.stdout
    answer = json.loads(terminal("explain", "checkout-button", "--unit", "user=u1", "--json").stdout)
    assert answer["decision"]["value"] == "grey"


def test_an_experiment_shows_its_plan(terminal: Terminal) -> None:
    shown = terminal("experiment", "show", "green-button")
    assert shown.exit_code == 0
    assert "green-button (running): Green button" in shown.stdout
    assert "checkout-button=green" in shown.stdout


def test_a_launch_that_is_refused_lists_every_problem_with_its_field(terminal: Terminal) -> None:
    refused = terminal("experiment", "launch", "draft-without-oec")
    assert refused.exit_code == 1
    problems = [line for line in refused.stderr.splitlines() if line.startswith("  - ")]
    assert len(problems) > 2
    assert any(line.startswith("  - hypothesis: ") for line in problems)
    as_json = terminal("experiment", "launch", "draft-without-oec", "--json")
    assert len(json.loads(as_json.stderr)["problems"]) == len(problems)


def test_a_second_launch_is_refused(terminal: Terminal) -> None:
    refused = terminal("experiment", "launch", "green-button")
    assert refused.exit_code == 1
    assert "running" in refused.stderr


def test_a_report_that_does_not_exist_yet_is_refused_in_words(terminal: Terminal) -> None:
    missing = terminal("experiment", "report", "green-button")
    assert missing.exit_code == 1
    assert "There is no report yet" in missing.stderr


def test_a_server_that_does_not_answer_is_another_exit_code(terminal: Terminal) -> None:
    nowhere = terminal("flags", "list", EQUIPOISE_SERVER=f"http://127.0.0.1:{free_port()}")
    assert nowhere.exit_code == 3
    assert "did not answer" in nowhere.stderr


def test_a_server_that_is_not_equipoise_is_said_so(terminal: Terminal, scene: Scene) -> None:
    elsewhere = terminal("flags", "list", EQUIPOISE_SERVER=f"{scene.server.url}/static")
    assert elsewhere.exit_code == 3
    assert "is it an Equipoise server?" in elsewhere.stderr


def test_a_wrong_token_is_refused(terminal: Terminal) -> None:
    refused = terminal("flags", "list", EQUIPOISE_TOKEN="eq_api_wrong")
    assert refused.exit_code == 1
    assert "management token" in refused.stderr


def test_a_login_is_kept_for_its_owner_alone(terminal: Terminal, scene: Scene, tmp_path: Path) -> None:
    nobody = {"EQUIPOISE_SERVER": "", "EQUIPOISE_TOKEN": ""}
    assert terminal("flags", "list", **nobody).exit_code == 2
    kept = terminal("login", "--server", scene.server.url, "--token", scene.token, **nobody)
    assert "You can see: shop." in kept.stdout
    assert stat.S_IMODE((tmp_path / "cli.json").stat().st_mode) == 0o600
    assert terminal("flags", "list", **nobody).exit_code == 0


def test_a_login_with_a_wrong_token_keeps_nothing(terminal: Terminal, scene: Scene, tmp_path: Path) -> None:
    assert terminal("login", "--server", scene.server.url, "--token", "eq_api_wrong").exit_code == 1
    assert not (tmp_path / "cli.json").exists()


def test_an_unreadable_configuration_says_how_to_go_on(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "cli.json").write_text("{")
    told = terminal("flags", "list", EQUIPOISE_SERVER="", EQUIPOISE_TOKEN="")
    assert told.exit_code == 2
    assert "equipoise login" in told.stderr


def test_a_draft_is_previewed_before_its_launch(terminal: Terminal) -> None:
    shown = terminal("experiment", "preview", "draft-without-oec", EQUIPOISE_ENVIRONMENT="development")
    assert shown.exit_code == 0
    assert shown.stdout.startswith("Not yet: An experiment has 2 to 64 variants")
    assert "eligible a day is not known: no user was exposed" in shown.stdout
    assert "units" in json.loads(terminal("experiment", "preview", "draft-without-oec", "--json").stdout)


def test_layers_tell_who_holds_them(terminal: Terminal) -> None:
    listed = terminal("layer", "list")
    assert "green-button" in listed.stdout
    assert json.loads(terminal("layer", "list", "--json").stdout)[0]["unit_type"] == "user"


def test_a_holdout_that_is_not_there_is_said_in_words(terminal: Terminal) -> None:
    assert terminal("holdout", "list").exit_code == 0
    assert json.loads(terminal("holdout", "list", "--json").stdout) == []
    refused = terminal("holdout", "show", "nobody")
    assert refused.exit_code == 1
    assert "There is no holdout" in refused.stderr


def test_what_runs_is_measured_by_one_more_metric(terminal: Terminal) -> None:
    again = terminal("experiment", "add-metric", "green-button", "purchase")
    assert again.exit_code == 1
    assert "measured already" in again.stderr


def test_an_experiment_without_a_ramp_cannot_be_paused_and_only_widens(terminal: Terminal) -> None:
    for verb in ("pause", "resume"):
        refused = terminal("experiment", verb, "green-button")
        assert refused.exit_code == 1
        assert "no running ramp" in refused.stderr
    refused = terminal("experiment", "widen", "green-button", "50")
    assert refused.exit_code == 1
    assert "only grows" in refused.stderr


def test_a_split_that_is_not_locked_has_no_false_alarm_to_sign(terminal: Terminal) -> None:
    refused = terminal("experiment", "sign-false-alarm", "green-button", "--reason", "It came by chance.")
    assert refused.exit_code == 1
    assert "not locked" in refused.stderr
