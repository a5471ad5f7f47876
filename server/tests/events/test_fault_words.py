"""Reasons of the quarantine begin with the member that is wrong, in the words of JSON."""

from __future__ import annotations

import pytest

from equipoise_server.events.fault_words import fault_in_words


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("Expected `float | null`, got `str` - at `$.value`", "value: expected number or null, got text"),
        ("Expected `str` of length >= 1 - at `$.name`", "name: expected text of length >= 1"),
        ("Expected `str`, got `null` - at `$.units[...]`", "units: expected text, got null"),
        ("Invalid value 'boo' - at `$.kind`", "kind: invalid value 'boo'"),
        ("Object missing required field `unit`", "unit: is missing"),
        ("Object missing required field `b` - at `$.a`", "a.b: is missing"),
        ("Expected `object`, got `int`", "Expected object, got whole number"),
        ("Something else", "Something else"),
    ],
)  # fmt: skip
def test_a_reason_begins_with_the_member(said: str, reason: str) -> None:
    assert fault_in_words(said) == reason
