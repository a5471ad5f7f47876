"""Preview tokens show chosen variants to who holds them, and are nothing when they are void."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from connecting import Connect
from flag_server import FlagServer, Json, document
from hypothesis import given, settings
from hypothesis import strategies as st
from small_worlds import hashed, user

from equipoise_sdk import Outside, in_memory
from equipoise_sdk.previewing import PreviewScope, asked_overrides

VECTORS = json.loads((Path(__file__).parents[2] / "spec" / "vectors" / "preview.json").read_text())
KEY = "ab" * 32
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SCOPE = PreviewScope("shop", "test", KEY)


def token(key: str = KEY, **members: object) -> str:
    """Sign what a link asks for."""
    payload = {
        "environment": "test",
        "expires": int(NOON.timestamp()) + 3600,
        "overrides": {"button": "on"},
        "project": "shop",
        **members,
    }
    return signed(json.dumps(payload, separators=(",", ":")).encode(), key)


def signed(payload: bytes, key: str = KEY) -> str:
    text = base64.urlsafe_b64encode(payload).decode().rstrip("=")
    digest = hmac.digest(bytes.fromhex(key), f"equipoise-preview:shop/test:{text}".encode(), hashlib.sha256)
    return f"p1.{text}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_a_token_asks_for_what_the_vectors_say(vector: Json) -> None:
    assert (
        asked_overrides(vector["token"], PreviewScope(**vector["scope"]), vector["now"])
        == (vector["overrides"])
    )


ODD_PAYLOADS: list[bytes] = [b"", b"[]", b"{}", b"\xff", b"[" * 3_000, b"7"]
ODD_MEMBERS: list[Json] = [
    {"expires": True},
    {"expires": "1790000000"},
    {"expires": 1.5e9},
    {"overrides": []},
    {"overrides": {"button": 7}},
    {"overrides": {"button": None}},
    {"surprise": 1},
]


@pytest.mark.parametrize("payload", ODD_PAYLOADS)
def test_a_signed_payload_that_is_none_is_void(payload: bytes) -> None:
    assert asked_overrides(signed(payload), SCOPE, NOON.timestamp()) == {}


@pytest.mark.parametrize("members", ODD_MEMBERS)
def test_a_signed_payload_with_odd_members_is_void(members: Json) -> None:
    assert asked_overrides(token(), SCOPE, NOON.timestamp()) == {"button": "on"}
    assert asked_overrides(token(**members), SCOPE, NOON.timestamp()) == {}


@settings(deadline=None)  # a machine may have other work
@given(
    st.one_of(st.none(), st.integers(), st.text(), st.binary(), st.text().map(lambda text: f"p1.{text}.x"))
)
def test_anything_else_is_void_and_no_error(anything: Any) -> None:
    assert asked_overrides(anything, SCOPE, NOON.timestamp()) == {}


def client_with(**members: object) -> Any:
    content = hashed({**document(), **members})
    return in_memory(content, outside=Outside(now=lambda: NOON))


def test_a_link_shows_its_variant_and_exposes_nobody() -> None:
    client = client_with(preview_key=KEY)
    context = {**user("u1"), "overrides": client.preview(token())}
    decision = client.details("button", False, context)
    assert (decision.value, decision.reason) == (True, "TARGETING_MATCH")
    assert client.recorded == ()


def test_a_killed_flag_stays_killed_for_a_link() -> None:
    content = document()
    content["flags"]["button"]["killed"] = True
    client = client_with(preview_key=KEY, flags=content["flags"])
    context = {**user("u1"), "overrides": client.preview(token())}
    assert client.boolean("button", True, context) is False


@pytest.mark.parametrize("members", [{}, {"preview_key": "cd" * 32}, {"preview_key": "x"}])
def test_without_the_key_of_the_link_it_is_void(members: Json) -> None:
    client = client_with(**members)
    assert client.preview(token()) == {}
    assert client.preview(None) == client.preview("") == {}


def test_revoking_all_links_reaches_the_application(server: FlagServer, connect: Connect) -> None:
    server.content = hashed({**document(), "preview_key": KEY})
    client = connect(outside=Outside(now=lambda: NOON, jitter=lambda: 0.01))
    assert client.preview(token()) == {"button": "on"}
    server.content = hashed({**document(revision=2), "preview_key": "cd" * 32})
    server.wait_for(2)
    assert client.preview(token()) == {}
