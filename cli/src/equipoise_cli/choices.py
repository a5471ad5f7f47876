"""Options that many commands share: which project, which environment, JSON or a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., None])


def project_option(command: Command) -> Command:
    """Name the project; EQUIPOISE_PROJECT saves the typing."""
    return click.option(
        "--project", "-p", envvar="EQUIPOISE_PROJECT", required=True, help="Key of the project."
    )(command)


def environment_option(command: Command) -> Command:
    """Name the environment, or set EQUIPOISE_ENVIRONMENT. There is no default: a kill must be meant."""
    return click.option(
        "--environment", "-e", envvar="EQUIPOISE_ENVIRONMENT", required=True, help="Key of the environment."
    )(command)


def json_option(command: Command) -> Command:
    """Give a command the switch that every command has."""
    return click.option("--json", "as_json", is_flag=True, help="Print the API's answer as JSON.")(command)
