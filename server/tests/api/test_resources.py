"""Projects, members, keys, flags, segments, kills, snapshots and the audit chain over the API."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from calling import Caller, caller
from django.utils import timezone
from people import a_member, a_person
from scenes import a_button_flag, a_shop

from equipoise_server.access.values import Role
from equipoise_server.audit.models import AuditRecord

pytestmark = pytest.mark.django_db

FLAG = "/projects/shop/flags/checkout-button"
PRODUCTION = f"{FLAG}/environments/production"


def a_caller() -> Caller:
    """The shop's admin; the shop has one flag."""
    shop = a_shop()
    a_button_flag(shop)
    return caller(shop.owner)


def items(asking: Caller, path: str) -> list[dict[str, object]]:
    """The items of a list."""
    found = asking.get(path).json["items"]
    assert isinstance(found, list)
    return found


def test_an_admin_makes_a_project_and_finds_it() -> None:
    asking = a_caller()
    made = asking.post("/projects", {"key": "bakery", "name": "Bakery", "unit_types": ["user", "oven"]})
    assert made.status == 201
    assert [e["key"] for e in items(asking, "/projects/bakery/environments")] == ["development", "production"]
    assert asking.get("/projects/bakery").json == made.json


def test_a_member_gets_a_role_and_another_one() -> None:
    asking = a_caller()
    a_person("bea@example.com")
    for role in ("viewer", "engineer"):
        granted = asking.put("/projects/shop/members", {"email": "BEA@example.com", "role": role})
        assert (granted.status, granted.json["role"]) == (200, role)
    assert [m["role"] for m in items(asking, "/projects/shop/members")] == ["admin", "engineer"]
    assert asking.put("/projects/shop/members", {"email": "no@example.com", "role": "viewer"}).status == 404


def test_an_sdk_key_is_shown_once_and_revoked() -> None:
    asking = a_caller()
    body = {"environment": "production", "kind": "client", "name": "web"}
    issued = asking.post("/projects/shop/sdk-keys", body)
    key = issued.json["key"]
    assert isinstance(key, dict)
    listed = asking.get("/projects/shop/sdk-keys")
    assert str(issued.json["secret"]) not in listed.text
    assert [k["prefix"] for k in items(asking, "/projects/shop/sdk-keys")] == [key["prefix"]]
    revoked = asking.post(f"/projects/shop/sdk-keys/{key['id']}/revoke", None)
    assert revoked.json["revoked_at"] is not None


def test_a_flag_goes_from_creation_over_a_rollout_to_the_archive() -> None:
    asking = a_caller()
    rollout = {"variant": "green", "unit_type": "user", "parts_per_million": 100_000}
    body = {"off": "grey", "default": "grey", "rules": [{"rollout": rollout}], "expected_version": 1}
    edited = asking.put(PRODUCTION, body)
    assert edited.status == 200
    (rule,) = asking.get(PRODUCTION).json["rules"]  # type: ignore[misc]  # one rule
    assert rule == {
        "id": rule["id"], "eligibility": None, "serve": "", "rollout": {**rollout, "rings": []},
        "description": "",
    }  # fmt: skip
    assert asking.post(f"{FLAG}/archive", {"reason": "done"}).status == 200
    assert items(asking, "/projects/shop/flags") == []
    assert [f["key"] for f in items(asking, "/projects/shop/flags?archived=true")] == ["checkout-button"]
    assert asking.put(PRODUCTION, body | {"expected_version": 2}).status == 409


def test_words_and_variants_are_edited_apart_from_settings() -> None:
    asking = a_caller()
    variants = [{"key": k, "value": k} for k in ("grey", "green", "blue")]
    edited = asking.put(FLAG, {"name": "The button", "variants": variants}, If_Match='"1"')
    assert (edited.status, edited.json["name"], edited.headers["ETag"]) == (200, "The button", '"2"')
    assert asking.get(FLAG).json["variants"] == variants


def test_a_flag_is_killed_and_turned_on_again_with_a_reason_on_record() -> None:
    asking = a_caller()
    assert asking.post(f"{PRODUCTION}/kill", {"reason": "errors"}).json["killed_at"] is not None
    assert asking.post(f"{PRODUCTION}/unkill", {"reason": "fixed"}).json["killed_at"] is None
    newest = items(asking, "/projects/shop/audit?limit=2")
    assert [(r["action"], r["reason"]) for r in newest] == [("flag.unkill", "fixed"), ("flag.kill", "errors")]


def test_an_environment_is_killed_and_turned_on_again() -> None:
    asking, place = a_caller(), "/projects/shop/environments/production"
    for verb, killed in (("kill", True), ("unkill", False)):
        assert asking.post(f"{place}/{verb}", {}).status == 204
        assert asking.get(f"{place}/snapshot").json["killed"] is killed


def test_a_segment_is_made_edited_and_read() -> None:
    asking = a_caller()
    condition = {"attribute": "country", "operator": "in", "values": ["DE"]}
    made = asking.post("/projects/shop/segments", {"key": "dach", "name": "D", "condition": condition})
    assert (made.status, made.headers["ETag"]) == (201, '"1"')
    wider = {"any": [condition, {"attribute": "country", "operator": "in", "values": ["AT", "CH"]}]}
    edited = asking.put("/projects/shop/segments/dach", {"name": "DACH", "condition": wider}, If_Match='"1"')
    assert edited.status == 200
    assert asking.get("/projects/shop/segments/dach").json["condition"] == wider
    assert [s["key"] for s in items(asking, "/projects/shop/segments")] == ["dach"]
    faulty = asking.post("/projects/shop/segments", {"key": "x", "name": "X", "condition": {"segment": "y"}})
    assert (faulty.status, faulty.fields) == (422, ["condition.segment"])


def test_what_a_unit_gets_is_explained_now_and_for_any_time() -> None:
    asking, place = a_caller(), "/projects/shop/environments/production"
    made = timezone.now()
    overrides = [{"variant": "green", "unit_type": "user", "units": ["u1"]}]
    asking.put(PRODUCTION, {"off": "grey", "default": "grey", "overrides": overrides, "expected_version": 1})
    context = {"units": {"user": "u1"}, "attributes": {}}
    now = asking.post(f"{place}/explain", {"flag": "checkout-button", "context": context}).json
    decision = now["decision"]
    assert isinstance(decision, dict)
    assert (decision["value"], decision["reason"]) == ("green", "TARGETING_MATCH")
    query = "flag=checkout-button&unit_type=user&unit=u1&at="
    before = asking.get(f"{place}/replay?{query}{made.strftime('%Y-%m-%dT%H:%M:%S.%fZ')}").json
    decision = before["decision"]
    assert isinstance(decision, dict)
    assert (decision["value"], decision["reason"]) == ("grey", "STATIC")
    after = asking.get(f"{place}/replay?{query}{(made + timedelta(1)).strftime('%Y-%m-%dT%H:%M:%SZ')}").json
    assert after["decision"] == now["decision"]
    assert after["steps"] == now["steps"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("flag=none&unit_type=user&unit=u1&at=2026-03-02T09:00:00Z", 404),
        ("flag=checkout-button&unit_type=user&unit=u1&at=2020-01-01T00:00:00Z", 404),
        ("flag=checkout-button&unit_type=user&unit=u1&at=yesterday", 422),
        ("flag=checkout-button&unit_type=user&unit=u1&at=2026-03-02T09:00:00", 422),
        ("flag=checkout-button&unit_type=user&unit=u1&at=2030-01-01T00:00:00Z&attributes=[]", 422),
    ],
)
def test_a_replay_that_has_no_answer_says_why(query: str, status: int) -> None:
    answer = a_caller().get(f"/projects/shop/environments/production/replay?{query}")
    assert answer.status == status
    assert answer.json["detail"]


def test_the_snapshot_of_the_api_is_the_one_that_servers_get() -> None:
    answer = a_caller().get("/projects/shop/environments/production/snapshot")
    document = json.loads(answer.text)
    assert answer.headers["ETag"] == f'"{document["hash"]}"'
    assert list(document["flags"]) == ["checkout-button"]


def test_the_audit_chain_is_paged_and_verified() -> None:
    asking = a_caller()
    first = asking.get("/projects/shop/audit?limit=1").json
    second = asking.get(f"/projects/shop/audit?limit=1&cursor={first['next_cursor']}").json
    actions = [page["items"][0]["action"] for page in (first, second)]  # type: ignore[index]  # lists of objects
    assert actions == ["flag.create", "project.create"]
    assert second["next_cursor"] is None
    assert asking.get("/projects/shop/audit/verify").json["holds"] is True
    AuditRecord.objects.filter(number=2).update(reason="quite another one")
    assert asking.get("/projects/shop/audit/verify").json["first_fault"] == 2


def test_a_condition_that_nobody_can_evaluate_is_refused_with_its_place() -> None:
    rules = [{"serve": "green", "eligibility": {"attribute": "age", "operator": "like", "value": 3}}]
    answer = a_caller().put(
        PRODUCTION, {"off": "grey", "default": "grey", "rules": rules, "expected_version": 1}
    )
    assert (answer.status, answer.fields) == (422, ["rules.0.eligibility.operator"])


def test_exposure_tokens_are_set_and_their_key_replaced() -> None:
    asking = a_caller()
    place = "/projects/shop/environments/production/exposure-tokens"
    assert asking.post(f"{place}/rotate", {}).status == 409
    assert items(asking, "/projects/shop/environments")[1]["exposure_tokens"] == "off"
    asked = asking.put(place, {"rule": "required", "reason": "Somebody forges."})
    assert (asked.status, asked.json["exposure_tokens"]) == (200, "required")
    assert asking.put(place, {"rule": "required"}).json == asked.json
    assert asking.post(f"{place}/rotate", {"has_leaked": True}).status == 204
    (set_once, rotated) = AuditRecord.objects.filter(action__startswith="exposure_tokens.").order_by("number")
    assert (set_once.reason, rotated.action) == ("Somebody forges.", "exposure_tokens.rotate")
    refused = asking.put(place, {"rule": "sometimes"})
    assert (refused.status, refused.fields) == (422, ["rule"])


def test_who_may_not_manage_keys_sees_no_key_of_tokens() -> None:
    shop = a_shop()
    caller(shop.owner).put("/projects/shop/environments/production/exposure-tokens", {"rule": "issued"})
    path = "/projects/shop/environments/production/snapshot"
    assert "exposure_tokens" in caller(a_member(shop.owner, shop.project, Role.ENGINEER)).get(path).json
    experimenter = caller(a_member(shop.owner, shop.project, Role.EXPERIMENTER))
    assert "exposure_tokens" not in experimenter.get(path).json
    assert (
        experimenter.post("/projects/shop/environments/production/exposure-tokens/rotate", {}).status == 403
    )
