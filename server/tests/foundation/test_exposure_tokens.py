"""Exposure tokens: what a server signed is good for that place alone, and for so long."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from dataclasses import replace
from hashlib import sha256
from hmac import digest
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise_engine import canonical_json
from equipoise_server.foundation.exposure_tokens import (
    LIFE_DAYS,
    SECONDS_OF_A_DAY,
    Claim,
    TokenFault,
    TokenKey,
    TokenRing,
    member_of,
    ring_of,
)

VECTORS = Path(__file__).parents[3] / "spec" / "vectors" / "exposure-tokens.json"
NOW = 1_772_452_800.0
FIRST, SECOND = TokenKey(1, "0af1" * 16), TokenKey(2, "7" * 64)
RING = TokenRing("shop", "production", True, (FIRST,))
PLACE = Claim("trial", 2, "button", "treatment", "user", "u-1")
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
claims = st.builds(
    Claim, texts, st.integers(1, 2**31 - 1), texts, texts, texts, texts, st.none() | texts, st.none() | texts
)


def outside_reference(claim: Claim, day: int) -> str:
    """The token by the words of spec/exposure-tokens.md, with the engine's canonical JSON."""
    said = canonical_json(["shop", "production", 1, day, *claim])
    mac = digest(bytes.fromhex(FIRST.secret), b"equipoise-exposure:" + said, sha256)[:16]
    return f"x1.1.{day}.{urlsafe_b64encode(mac).decode().rstrip('=')}"


@given(claims, st.integers(0, 40_000))
def test_a_token_is_what_the_specification_says(claim: Claim, day: int) -> None:
    token = RING.sign(claim, now=day * SECONDS_OF_A_DAY + 17.5)
    assert token == outside_reference(claim, day)
    assert RING.fault(token, claim, now=day * SECONDS_OF_A_DAY) is None


@pytest.mark.parametrize("case", json.loads(VECTORS.read_text())["cases"], ids=lambda case: case["name"])
def test_the_vectors_hold(case: dict[str, Any]) -> None:
    ring = json.loads(VECTORS.read_text())["ring"]
    held = ring_of(
        {
            "project": ring["project"],
            "environment": ring["environment"],
            "exposure_tokens": {"required": True, "keys": ring["keys"]},
        }
    )
    assert held is not None
    assert held.sign(Claim(**case["claim"]), now=case["now"]) == case["token"]


@given(claims, claims)
def test_no_token_is_good_for_another_place(one: Claim, other: Claim) -> None:
    token = RING.sign(one, now=NOW)
    assert (RING.fault(token, other, now=NOW) is None) == (one == other)


@pytest.mark.parametrize("member", Claim._fields)
def test_every_member_of_the_place_is_vouched_for(member: str) -> None:
    forged = PLACE._replace(**{member: 3 if member == "iteration" else "other"})
    assert RING.fault(RING.sign(PLACE, now=NOW), forged, now=NOW) is TokenFault.INVALID


@pytest.mark.parametrize(
    "token", ["x", "x1.1.20513.", "x1.1.20513.****", "x2.1.20513." + "A" * 22, "x1.1.1" * 99]
)
def test_what_is_no_token_is_invalid(token: str) -> None:
    assert RING.fault(token, PLACE, now=NOW) is TokenFault.INVALID


@pytest.mark.parametrize("token", [None, ""])
def test_no_token_is_missing(token: str | None) -> None:
    assert RING.fault(token, PLACE, now=NOW) is TokenFault.MISSING


def test_a_token_is_the_same_all_day_and_another_one_the_next() -> None:
    at = [RING.sign(PLACE, now=NOW + seconds) for seconds in (0, 86_399 - NOW % 86_400, 86_400)]
    assert at[0] == at[1] != at[2]


def test_a_token_expires_after_its_days_and_is_not_from_the_future() -> None:
    token = RING.sign(PLACE, now=NOW)
    assert RING.fault(token, PLACE, now=NOW + LIFE_DAYS * SECONDS_OF_A_DAY) is None
    assert RING.fault(token, PLACE, now=NOW + (LIFE_DAYS + 1) * SECONDS_OF_A_DAY) is TokenFault.EXPIRED
    assert RING.fault(token, PLACE, now=NOW - SECONDS_OF_A_DAY) is None  # a clock that is behind
    assert RING.fault(token, PLACE, now=NOW - 2 * SECONDS_OF_A_DAY) is TokenFault.INVALID


def test_the_newest_key_signs_and_the_one_before_is_good_for_a_time() -> None:
    before = RING.sign(PLACE, now=NOW)
    rotated = replace(RING, keys=(SECOND, replace(FIRST, until=int(NOW) + 100)))
    assert rotated.sign(PLACE, now=NOW).startswith("x1.2.")
    assert rotated.fault(before, PLACE, now=NOW + 99) is None
    assert rotated.fault(before, PLACE, now=NOW + 100) is TokenFault.INVALID
    assert replace(RING, keys=(SECOND,)).fault(before, PLACE, now=NOW) is TokenFault.INVALID


def test_a_snapshot_carries_the_ring() -> None:
    ring = replace(RING, keys=(SECOND, replace(FIRST, until=int(NOW))))
    member = member_of(ring.keys, is_required=True)
    document = {"project": "shop", "environment": "production", "exposure_tokens": member}
    assert ring_of(json.loads(canonical_json(document))) == ring
    assert ring_of({"project": "shop"}) is None
