"""The limits of hash and pick."""

from __future__ import annotations

import pytest
from authoring import murmur

from equipoise_engine import canonical_unit, hash_unit, pick
from equipoise_engine.hashing import TextSalt, WordSalt


@pytest.mark.parametrize(
    ("place", "weights"), [(-1, [1]), (2**32, [1]), (0, []), (0, [0]), (0, [-1, 2]), (0, [2**20, 1])]
)
def test_pick_refuses_what_is_out_of_range(place: int, weights: list[int]) -> None:
    with pytest.raises(ValueError, match="must"):
        pick(place, weights)


def test_the_longest_text_that_can_be_hashed() -> None:
    assert hash_unit("s", "x" * 65_533) == murmur.hashed("s", "x" * 65_533)
    with pytest.raises(ValueError, match="65,535"):
        hash_unit("s", "x" * 65_534)


def test_an_integer_too_long_for_a_unit_is_missing_and_costs_nothing() -> None:
    assert canonical_unit(10**255) == "1" + "0" * 255
    assert canonical_unit(10**256) is None
    assert canonical_unit(10**100_000) is None


def test_a_subclass_of_text_is_text() -> None:
    class Name(str):
        __slots__ = ()

        def __str__(self) -> str:
            return "something else"

    assert canonical_unit(Name("ü1")) == "ü1"
    assert type(canonical_unit(Name("u1"))) is str


@pytest.mark.parametrize("salt", ["s", "x" * 64])
@pytest.mark.parametrize("unit", ["u", "ü", "u" * 61, "u" * 62, "u" * 126, "u" * 256])
def test_a_remembered_salt_hashes_as_any_other(salt: str, unit: str) -> None:
    assert TextSalt(salt).hash(unit) == WordSalt(salt).hash(unit) == murmur.hashed(salt, unit)
