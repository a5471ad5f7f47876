"""Preview links over OFREP: a signed token shows chosen variants, and nothing else does."""

from __future__ import annotations

import time
from typing import Any

import pytest
from ofrep_scene import PREVIEW_KEY, USER, Scene

from equipoise_server.foundation.preview_tokens import PreviewScope, sign


def a_token(**overrides: str) -> str:
    """A token for the shop that holds for an hour."""
    scope = PreviewScope("shop", "production", PREVIEW_KEY)
    return sign(scope, overrides, expires=int(time.time()) + 3600)


def test_a_token_of_a_preview_link_shows_its_variants() -> None:
    in_header = Scene().ask("/plan", {"context": USER}, x_equipoise_preview=a_token(plan="big")).json()
    in_context = Scene().ask("/plan", {"context": {**USER, "equipoisePreview": a_token(plan="big")}}).json()
    assert (in_header["value"], in_header["reason"]) == ("b", "TARGETING_MATCH")
    assert in_context == in_header


@pytest.mark.parametrize("token", ["", "p1.x.y", 7, None, ["p1"]])
def test_a_void_token_changes_nothing(token: object) -> None:
    void: Any = Scene().ask("", {"context": {**USER, "equipoisePreview": token}}).json()
    assert void["flags"] == (Scene().ask("", {"context": USER}).json())["flags"]


def test_overrides_come_from_tokens_alone() -> None:
    answer = Scene().ask("/plan", {"context": {**USER, "overrides": {"plan": "big"}}}).json()
    assert answer["value"] == "s"
