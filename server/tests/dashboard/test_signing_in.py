"""Signing in: passwords cannot be guessed by trying, and whoever mistypes is told how long to wait."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from people import NOW, PASSWORD, a_person

from equipoise_server.access import actions, reads
from equipoise_server.access.models import FailedSignIn
from equipoise_server.access.sign_ins import MOST_FOR_ACCOUNT, MOST_FROM_ADDRESS, WITHIN

pytestmark = pytest.mark.django_db
HERE, ELSEWHERE = "198.51.100.7", "203.0.113.9"
ADA, BOB = "ada@example.com", "bob@example.com"


def _try(email: str, password: str, address: str = HERE) -> Any:
    return Client(REMOTE_ADDR=address).post("/sign-in", {"email": email, "password": password})


def _mistype(times: int, email: str = ADA, address: str = HERE) -> None:
    for number in range(times):
        actions.note_failed_sign_in(email, address, now=NOW + timedelta(milliseconds=number))


def test_after_ten_wrong_passwords_not_even_the_right_one_opens() -> None:
    a_person(ADA)
    assert {_try(ADA, "guess").status_code for _ in range(MOST_FOR_ACCOUNT)} == {422}
    refused = _try(f" {ADA.upper()} ", PASSWORD)
    assert refused.status_code == 429
    assert 1 <= int(refused["Retry-After"]) <= 60
    assert "Too many wrong passwords" in refused.text
    assert _try(ADA, PASSWORD, ELSEWHERE).status_code == 302


def test_an_account_waits_a_minute_from_the_oldest_of_its_tries() -> None:
    _mistype(MOST_FOR_ACCOUNT)
    assert reads.sign_in_wait(ADA, HERE, now=NOW + timedelta(seconds=20)) == timedelta(seconds=40)
    assert reads.sign_in_wait(BOB, HERE, now=NOW + timedelta(seconds=20)) is None
    assert reads.sign_in_wait(ADA, HERE, now=NOW + WITHIN + timedelta(seconds=1)) is None


def test_trying_many_accounts_from_one_address_ends_as_well() -> None:
    for number in range(MOST_FROM_ADDRESS):
        _mistype(1, f"{number}@example.com")
    assert reads.sign_in_wait(BOB, HERE, now=NOW) == WITHIN
    assert reads.sign_in_wait(BOB, ELSEWHERE, now=NOW) is None


def test_what_counts_no_more_is_forgotten_and_no_address_is_kept_in_clear() -> None:
    _mistype(3)
    actions.note_failed_sign_in(BOB, HERE, now=NOW + WITHIN + timedelta(seconds=1))
    (kept,) = FailedSignIn.objects.all()
    assert BOB not in kept.account


@pytest.mark.parametrize("origin", [None, "https://other.example.com"])
def test_a_form_from_before_the_sign_in_says_what_to_do(origin: str | None) -> None:
    browser = Client(enforce_csrf_checks=True, headers={"Origin": origin} if origin else {})
    answer = browser.post("/sign-in", {"email": ADA, "password": PASSWORD})
    said = answer.content.decode()
    assert answer.status_code == 403
    assert "Nothing was changed" in said
    assert "load the page again" in said
    assert ("EQUIPOISE_ORIGINS" in said) is (origin is not None), (
        "only who comes by a proxy needs the operator"
    )
