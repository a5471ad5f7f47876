"""Ids, salts and keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise_server.foundation.ids import is_key, key_fault, key_from_name, new_salt


@pytest.mark.parametrize("key", ["a", "0", "checkout-button", "a.b_c-d", "a" * 64])
def test_keys_that_can_be_used(key: str) -> None:
    assert is_key(key)


@pytest.mark.parametrize("key", ["", "-a", ".a", "_a", "A", "ä", "a b", "a/b", "a\n", "a" * 65])
def test_keys_that_cannot_be_used(key: str) -> None:
    assert not is_key(key)
    assert "use 1 to 64 of" in key_fault(key)


def test_a_key_that_was_left_out_is_asked_for_and_not_quoted() -> None:
    assert key_fault("").startswith("Give it a key")
    assert "“a b”" in key_fault("a b")


@given(st.text())
def test_a_key_suggested_by_a_name_can_be_used_or_is_empty(name: str) -> None:
    key = key_from_name(name)
    assert key == "" or is_key(key)


def test_salts_are_fresh_and_of_eight_base32_characters() -> None:
    salts = {new_salt() for _ in range(1_000)}
    assert len(salts) == 1_000
    assert all(len(salt) == 8 and set(salt) <= set("abcdefghijklmnopqrstuvwxyz234567") for salt in salts)
