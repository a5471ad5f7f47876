"""Tokens of preview links: sound ones say what they show, void ones say nothing."""

from __future__ import annotations

import json
from typing import Any

import preview_vectors
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise_server.foundation.preview_tokens import PreviewScope, overrides_of, sign

SHOP = PreviewScope("shop", "production", preview_vectors.KEY)
NOW = preview_vectors.NOW
KEPT: list[Any] = json.loads(preview_vectors.VECTORS.read_text())


def test_the_vectors_are_those_that_were_written() -> None:
    assert list(preview_vectors.vectors()) == KEPT


@pytest.mark.parametrize("vector", KEPT, ids=lambda vector: vector["name"])
def test_a_token_asks_for_what_its_vector_says(vector: Any) -> None:
    found = overrides_of(vector["token"], PreviewScope(**vector["scope"]), now=vector["now"])
    assert found == vector["overrides"]


def test_a_token_is_signed_byte_for_byte_as_the_specification_says() -> None:
    assert sign(SHOP, preview_vectors.WANTED, expires=NOW + 86_400) == preview_vectors.token()


@settings(deadline=None)
@given(st.dictionaries(st.text("abcdef-.", min_size=1), st.text("uvw", min_size=1), max_size=20))
def test_what_is_signed_is_read_again(overrides: dict[str, str]) -> None:
    assert overrides_of(sign(SHOP, overrides, expires=NOW + 5), SHOP, now=NOW) == overrides


@settings(deadline=None)
@given(st.text(max_size=200), st.integers(0, 200))
def test_no_stranger_can_make_a_token_or_break_the_reader(noise: str, place: int) -> None:
    sound = preview_vectors.token()
    changed = sound[:place] + noise + sound[place + 1 :]
    assert overrides_of(noise, SHOP, now=NOW) == {}
    assert changed == sound or overrides_of(changed, SHOP, now=NOW) == {}
