"""How an operator gives somebody a management token."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from django.utils import timezone
from people import an_admin

from equipoise_server.access.reads import actor_of_token
from equipoise_server.commands.main import main

pytestmark = pytest.mark.django_db


def test_a_token_does_what_its_person_may_do() -> None:
    ada = an_admin("ada@example.com")
    printed = CliRunner().invoke(main, ["create-token", "--email", "ada@example.com", "--name", "pipeline"])
    assert printed.exit_code == 0
    actor = actor_of_token(printed.stdout.strip(), now=timezone.now())
    assert actor == ada


def test_nobody_gets_a_token_for_an_unknown_address() -> None:
    refused = CliRunner().invoke(main, ["create-token", "--email", "no@example.com", "--name", "pipeline"])
    assert refused.exit_code == 1
    assert "no@example.com" in refused.stderr
