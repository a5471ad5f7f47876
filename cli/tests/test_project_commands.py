"""Exposure tokens of an environment at the command line, against a real server."""

from __future__ import annotations

import json
from collections.abc import Callable

from click.testing import Result

Terminal = Callable[..., Result]


def test_exposure_tokens_are_shown_set_and_signed_anew(terminal: Terminal) -> None:
    place = ("-e", "development")
    assert terminal("projects", "exposure-tokens", *place).stdout == "Exposure tokens in development: off.\n"
    early = terminal("projects", "rotate-token-key", *place)
    assert (early.exit_code, "has no key yet" in early.stderr) == (1, True)
    made = terminal("projects", "exposure-tokens", "required", "--json", *place)
    assert json.loads(made.stdout)["exposure_tokens"] == "required"
    rotated = terminal("projects", "rotate-token-key", "--leaked", *place)
    assert rotated.stdout == "Tokens in development have a new key; earlier tokens are refused.\n"
    terminal("projects", "exposure-tokens", "off", *place)


def test_an_environment_that_is_not_there_is_told_with_those_that_are(terminal: Terminal) -> None:
    refused = terminal("projects", "exposure-tokens", "-e", "moon")
    assert refused.exit_code == 1
    assert "development, production" in refused.stderr
