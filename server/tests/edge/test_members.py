"""GET /v1/members/{address}: large lists beside the snapshot that names them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from asking import Answer, ask
from people import NOW
from scenes import a_button_flag, a_shop, environment_of, updated

from equipoise_engine import members_blob
from equipoise_server.access.actions import IssueSdkKey, issue_sdk_key
from equipoise_server.access.secrets import digest
from equipoise_server.access.values import KeyKind, SdkKey, WorkingKey
from equipoise_server.edge.app import build
from equipoise_server.edge.members import blobs_of
from equipoise_server.edge.polling import refresh
from equipoise_server.edge.state import EdgeState, View, servable
from equipoise_server.flags.actions import (
    ChangeMembers,
    CreateList,
    change_members,
    create_list,
    update_flag_settings,
)
from equipoise_server.flags.models import MemberBlob
from equipoise_server.flags.values import Rule
from equipoise_server.foundation.revisions import Revision
from equipoise_server.snapshots.values import KeptSnapshot

SHOP, OTHER = UUID(int=1), UUID(int=2)
BYTES = members_blob("salt", ["u1", "u2"])
ADDRESS = hashlib.sha256(BYTES).hexdigest()


def a_body(address: str = ADDRESS) -> bytes:
    """A snapshot with a flag that serves green to the units of a list."""
    return json.dumps({
        "format": 1, "project": "shop", "environment": "production", "epoch": 1, "revision": 1,
        "default_unit_type": "user", "unit_types": ["user"],
        "segments": {
            "friends": {"members": {"unit_type": "user", "blob": address, "salt": "salt"}},
        },
        "flags": {"button": {
            "type": "string", "off": "grey", "default": "grey",
            "variants": {"grey": "grey", "green": "green"},
            "rules": [{"id": "r", "eligibility": {"segment": "friends"}, "serve": "green"}],
        }},
    }).encode()  # fmt: skip


def a_key(name: str, environment: UUID, kind: KeyKind) -> tuple[str, WorkingKey]:
    """A key by its prefix; its secret ends in _1."""
    prefix = f"eq_{kind}_{name}"
    key = SdkKey(uuid4(), environment, kind, "tests", prefix, NOW, None, None)
    return prefix, WorkingKey(key, digest(f"{prefix}_1"))


def asked(address: str, secret: str = "eq_server_aa_1", **headers: str) -> Answer:
    """What the door says."""
    kept = KeptSnapshot(SHOP, Revision(1, 1), NOW, "hash", a_body())
    other = KeptSnapshot(OTHER, Revision(1, 1), NOW, "hash", b"{}")
    held = servable(kept, blobs=blobs_of(kept.body, {}, {ADDRESS: BYTES}.get))
    keys = [
        a_key("aa", SHOP, KeyKind.SERVER),
        a_key("bb", SHOP, KeyKind.CLIENT),
        a_key("cc", OTHER, KeyKind.SERVER),
    ]  # fmt: skip
    state = EdgeState()
    state.swap(View(dict(keys), {SHOP: held, OTHER: servable(other)}, 0.0))
    sent = {"authorization": f"Bearer {secret}"} | {k.replace("_", "-"): v for k, v in headers.items()}
    return ask(build(state), "GET", f"/v1/members/{address}", headers=sent)


def test_a_list_is_sent_once_and_for_all() -> None:
    answer = asked(ADDRESS)
    assert (answer.status, answer.body) == (200, BYTES)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["cache-control"] == "private, immutable, max-age=31536000"
    assert answer.headers["etag"] == f'"{ADDRESS}"'
    assert asked(ADDRESS, if_none_match=f'"{ADDRESS}"').status == 304


@pytest.mark.parametrize(
    ("address", "secret", "status"),
    [
        ("0" * 64, "eq_server_aa_1", 404),
        ("..%2Fsecret.key", "eq_server_aa_1", 404),
        (ADDRESS, "eq_server_cc_1", 404),
        (ADDRESS, "eq_client_bb_1", 403),
        (ADDRESS, "eq_server_aa_2", 401),
    ],
    ids=["unknown", "a path", "of another environment", "client key", "wrong key"],
)
def test_nobody_else_gets_a_list(address: str, secret: str, status: int) -> None:
    answer = asked(address, secret)
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_flags_that_ask_for_a_list_are_evaluated_with_it() -> None:
    kept = KeptSnapshot(SHOP, Revision(1, 1), NOW, "hash", a_body())
    engine = servable(kept, blobs=blobs_of(kept.body, {}, {ADDRESS: BYTES}.get)).engine
    answers = [engine.evaluate("button", {"units": {"user": unit}}, None).value for unit in ("u1", "u9")]
    assert answers == ["green", "grey"]


@pytest.mark.parametrize("data", [None, b"1234", members_blob("salt", ["u3"])], ids=["gone", "cut", "other"])
def test_a_list_that_is_not_what_its_address_says_is_not_used(data: bytes | None) -> None:
    assert blobs_of(a_body(), {}, lambda _address: data) == {}


def test_a_list_that_is_held_is_not_read_again() -> None:
    held = blobs_of(a_body(), {}, {ADDRESS: BYTES}.get)
    again = blobs_of(a_body(), held, lambda _address: pytest.fail("read again"))
    assert again[ADDRESS] is held[ADDRESS]
    assert blobs_of(b"{}", held, lambda _address: pytest.fail("read again")) == {}


@pytest.mark.django_db
def test_a_list_of_the_database_is_served_beside_the_snapshot_that_names_it() -> None:
    shop = a_shop()
    flag = a_button_flag(shop)
    command = CreateList(shop.project.id, "friends", "Friends", "user", is_computed=True)
    friends = create_list(shop.owner, command, now=NOW)
    units = [f"friend-{number}" for number in range(1_500)]
    change_members(shop.owner, ChangeMembers(friends.id, "replace"), units, now=NOW)
    serves = updated(flag, "production")
    rule = Rule("", {"segment": "friends"}, "green")
    update_flag_settings(shop.owner, replace(serves, rules=(rule,)), now=NOW)
    production = environment_of(shop, "production").id
    issued = issue_sdk_key(shop.owner, IssueSdkKey(production, KeyKind.SERVER, "web"), now=NOW)
    state = EdgeState()
    refresh(state)
    assert state.view is not None
    shown = state.view.snapshots[production]
    (address,) = shown.blobs
    bearer = {"authorization": f"Bearer {issued.secret}"}
    answer = ask(build(state), "GET", f"/v1/members/{address}", headers=bearer)
    assert hashlib.sha256(answer.body).hexdigest() == address
    assert len(answer.body) == 8 * len(units)
    got = [shown.engine.evaluate(flag.key, {"units": {"user": unit}}, None).value for unit in (units[7], "u")]
    assert got == ["green", "grey"]
    change_members(shop.owner, ChangeMembers(friends.id, "append"), ["late"], now=NOW)
    refresh(state)
    after = state.view.snapshots[production]
    assert address not in after.blobs
    assert after.engine.evaluate(flag.key, {"units": {"user": "late"}}, None).value == "green"


@pytest.mark.django_db
def test_a_list_that_could_not_be_had_is_asked_for_again() -> None:
    shop = a_shop()
    flag = a_button_flag(shop)
    friends = create_list(
        shop.owner, CreateList(shop.project.id, "friends", "Friends", "user", is_computed=True), now=NOW
    )
    units = [f"friend-{number}" for number in range(1_500)]
    change_members(shop.owner, ChangeMembers(friends.id, "replace"), units, now=NOW)
    rule = Rule("", {"segment": "friends"}, "green")
    update_flag_settings(shop.owner, replace(updated(flag, "production"), rules=(rule,)), now=NOW)
    kept = MemberBlob.objects.get()
    MemberBlob.objects.all().delete()
    production, state = environment_of(shop, "production").id, EdgeState()
    got = []
    for round_ in range(4):
        if round_ == 2:
            kept.save(force_insert=True)
        refresh(state)
        assert state.view is not None
        shown = state.view.snapshots[production]
        got.append(shown.engine.evaluate(flag.key, {"units": {"user": units[7]}}, None).value)
    assert got[2:] == ["green", "green"]
    assert "green" not in got[:2]
    assert shown.lacking == frozenset()
