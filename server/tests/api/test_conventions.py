"""What holds for every address of the management API."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from calling import Caller, caller, reply
from django.db import ProgrammingError
from django.test import Client
from django.utils import timezone
from people import NOW, PASSWORD
from psycopg.errors import UndefinedTable
from scenes import a_button_flag, a_shop

from equipoise_server.access.models import ApiToken
from equipoise_server.audit.models import AuditRecord
from equipoise_server.flags import reads as flags
from equipoise_server.foundation import remembered
from equipoise_server.foundation.models import RememberedAnswer
from equipoise_server.foundation.remembered import Repeatable

pytestmark = pytest.mark.django_db

NEW_FLAG = {
    "key": "banner", "name": "Banner", "type": "boolean", "off": "off", "default": "off",
    "variants": [{"key": "on", "value": True}, {"key": "off", "value": False}],
}  # fmt: skip


def test_a_stranger_is_turned_away_before_the_body_is_read() -> None:
    a_shop()
    answer = Caller().post("/projects/shop/flags", b"\xff not json")
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.json["code"] == "unauthenticated"


@pytest.mark.parametrize("token", ["nonsense", "eq_api_000000000000_" + "0" * 64, "ä"])
def test_a_token_that_was_never_issued_opens_nothing(token: str) -> None:
    a_shop()
    assert Caller().get("/projects", Authorization=f"Bearer {token}").status == 401


def test_an_expired_and_a_revoked_token_open_nothing() -> None:
    shop = a_shop()
    asking = caller(shop.owner)
    assert asking.get("/projects").status == 200
    ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert asking.get("/projects").status == 401
    ApiToken.objects.update(expires_at=timezone.now() + timedelta(hours=1), revoked_at=timezone.now())
    refused = asking.get("/projects")
    assert refused.status == 401
    assert "revoked or expired" in str(refused.json["detail"]), "another token helps, not a header"


def test_what_switches_things_off_needs_no_body() -> None:
    shop = a_shop()
    a_button_flag(shop)
    asking, production = caller(shop.owner), "environments/production/kill"
    assert asking.post(f"/projects/shop/flags/checkout-button/{production}", b"").status == 200
    assert asking.post(f"/projects/shop/{production}", b"").status == 204
    group = {"key": "paying", "name": "Paying", "flags": ["checkout-button"]}
    assert asking.post("/projects/shop/groups", group).status == 201
    assert asking.post(f"/projects/shop/groups/paying/{production}", b"").status == 200


def test_a_signed_in_person_reads_with_the_session_and_writes_with_the_csrf_token() -> None:
    a_shop()
    browser = Client(enforce_csrf_checks=True)
    assert browser.login(email="ada@example.com", password=PASSWORD)
    assert browser.get("/api/v1/projects").status_code == 200
    without = reply(browser.post("/api/v1/projects/shop/flags", NEW_FLAG, "application/json"))
    assert without.status == 403
    assert "CSRF" in str(without.json["detail"])
    browser.cookies["csrftoken"] = "a" * 32
    headers = {"X-CSRFToken": "a" * 32}
    posted = browser.post("/api/v1/projects/shop/flags", NEW_FLAG, "application/json", headers=headers)
    assert posted.status_code == 201


@pytest.mark.parametrize(
    "body",
    [b"{", b"\xff\xfe", b'{"key": NaN}', b'{"key": "a\\u0000b"}', b'{"key": "\\ud800"}', b"[" * 100_000],
)
def test_a_body_that_is_no_plain_json_is_a_problem(body: bytes) -> None:
    answer = caller(a_shop().owner).post("/projects/shop/flags", body)
    assert (answer.status, answer.json["code"]) == (400, "malformed")


def test_every_fault_of_a_body_is_listed_with_its_field() -> None:
    body = NEW_FLAG | {"type": "colour", "surprise": 1, "variants": [{"key": "on"}]}
    answer = caller(a_shop().owner).post("/projects/shop/flags", body)
    assert answer.status == 422
    assert sorted(answer.fields) == ["surprise", "type", "variants.0.value"]


def test_a_refusal_of_the_rooms_lists_its_fields_too() -> None:
    answer = caller(a_shop().owner).post("/projects/shop/flags", NEW_FLAG | {"key": "No!", "off": "gone"})
    assert answer.status == 422
    assert answer.fields == ["key", "off"]


def test_what_is_nowhere_and_what_cannot_be_done_are_problems() -> None:
    asking = caller(a_shop().owner)
    for path in ("/nothing", "/projects/none", "/projects/shop/flags/none"):
        assert (asking.get(path).status, asking.get(path).json["code"]) == (404, "not_found")
    answer = asking.call("DELETE", "/projects/shop/flags")
    assert (answer.status, answer.json["code"]) == (405, "method_not_allowed")
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "POST"}
    for path in ("/api/v2/projects", "/api/v1/", "/api/", "/api/v1/docs"):
        assert reply(Client().get(path)).json["code"] == "not_found"


def test_a_nul_in_an_address_is_a_problem() -> None:
    assert caller(a_shop().owner).get("/projects/shop/flags/a%00b").status == 400


def test_a_body_beyond_the_limit_is_a_problem() -> None:
    answer = caller(a_shop().owner).post("/projects/shop/flags", b" " * 10_000_001)
    assert answer.status == 413


def test_a_failure_of_the_server_tells_nothing_of_its_insides(monkeypatch: pytest.MonkeyPatch) -> None:
    asking = caller(a_shop().owner)

    def fail(_project_id: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(flags, "flags_of", fail)
    answer = asking.get("/projects/shop/flags")
    assert answer.status == 500
    assert "secret" not in answer.text


def test_a_store_without_its_tables_says_to_migrate(monkeypatch: pytest.MonkeyPatch) -> None:
    asking = caller(a_shop().owner)

    def fail(_project_id: object) -> None:
        raise ProgrammingError from UndefinedTable()

    monkeypatch.setattr(flags, "flags_of", fail)
    answer = asking.get("/projects/shop/flags")
    assert answer.status == 503
    assert "equipoise-server migrate" in str(answer.json["detail"])


def test_a_list_comes_in_pages_that_miss_and_repeat_nothing() -> None:
    shop = a_shop()
    for key in "edcba":
        a_button_flag(shop, key)
    asking, keys, cursor = caller(shop.owner), [], ""
    for _ in range(3):
        page = asking.get(f"/projects/shop/flags?limit=2&cursor={cursor}").json
        items = page["items"]
        assert isinstance(items, list)
        keys += [item["key"] for item in items]
        cursor = str(page["next_cursor"])
    assert keys == list("abcde")
    assert page["next_cursor"] is None


@pytest.mark.parametrize("query", ["cursor=%C3%A4", "cursor=!!", "limit=0", "limit=201", "limit=x"])
def test_a_cursor_or_limit_that_is_none_is_a_problem(query: str) -> None:
    assert caller(a_shop().owner).get(f"/projects/shop/flags?{query}").status == 422


def test_an_edit_names_its_version_by_etag_or_in_the_body() -> None:
    shop = a_shop()
    a_button_flag(shop)
    asking, place = caller(shop.owner), "/projects/shop/flags/checkout-button/environments/production"
    tag = asking.get(place).headers["ETag"]
    first = asking.put(place, {"off": "grey", "default": "green"}, If_Match=tag)
    assert (first.status, first.json["default"]) == (200, "green")
    assert first.headers["ETag"] == '"2"'
    stale = asking.put(place, {"off": "grey", "default": "grey"}, If_Match=tag)
    assert (stale.status, stale.json["code"]) == (412, "precondition_failed")
    in_body = {"off": "grey", "default": "grey", "expected_version": 1}
    assert asking.put(place, in_body).status == 409
    assert asking.put(place, in_body | {"expected_version": 2}).status == 200
    assert asking.put(place, {"off": "grey", "default": "grey"}).fields == ["expected_version"]
    assert asking.put(place, {"off": "grey", "default": "grey"}, If_Match="nonsense").fields == ["If-Match"]


def test_a_repeated_post_acts_once_and_gets_the_same_answer() -> None:
    asking = caller(a_shop().owner)
    first = asking.post("/projects/shop/flags", NEW_FLAG, Idempotency_Key="k1")
    records = AuditRecord.objects.count()
    again = asking.post("/projects/shop/flags", NEW_FLAG, Idempotency_Key="k1")
    assert (again.status, again.text) == (first.status, first.text) == (201, first.text)
    assert (again.headers["ETag"], again.headers["Idempotency-Replayed"]) == (first.headers["ETag"], "true")
    assert AuditRecord.objects.count() == records


def test_one_key_for_two_requests_is_a_conflict() -> None:
    asking = caller(a_shop().owner)
    asking.post("/projects/shop/flags", NEW_FLAG, Idempotency_Key="k1")
    answer = asking.post("/projects/shop/flags", NEW_FLAG | {"key": "other"}, Idempotency_Key="k1")
    assert (answer.status, answer.fields) == (409, ["Idempotency-Key"])


def test_two_people_may_choose_the_same_key() -> None:
    shop = a_shop()
    other = a_shop("bakery", "bea@example.com")
    assert caller(shop.owner).post("/projects/shop/flags", NEW_FLAG, Idempotency_Key="k1").status == 201
    assert caller(other.owner).post("/projects/bakery/flags", NEW_FLAG, Idempotency_Key="k1").status == 201


def test_a_refused_request_may_be_mended_under_the_same_key() -> None:
    asking = caller(a_shop().owner)
    assert asking.post("/projects/shop/flags", NEW_FLAG | {"off": "x"}, Idempotency_Key="k1").status == 422
    assert RememberedAnswer.objects.count() == 0
    assert asking.post("/projects/shop/flags", NEW_FLAG, Idempotency_Key="k1").status == 201


def test_a_secret_is_never_kept_for_a_repetition() -> None:
    asking = caller(a_shop().owner)
    body = {"environment": "production", "kind": "server", "name": "web"}
    first = asking.post("/projects/shop/sdk-keys", body, Idempotency_Key="k1")
    assert str(first.json["secret"]).startswith("eq_server_")
    again = asking.post("/projects/shop/sdk-keys", body, Idempotency_Key="k1")
    assert again.status == 409
    assert RememberedAnswer.objects.get().body is None


def test_answers_are_forgotten_after_a_day() -> None:
    request = Repeatable("ada", "k1", "f" * 64)
    assert remembered.begin(request, now=NOW) is None
    assert remembered.begin(request, now=NOW + timedelta(hours=23)) is not None
    assert remembered.begin(request, now=NOW + timedelta(hours=25)) is None


def test_an_unusable_idempotency_key_is_a_problem() -> None:
    answer = caller(a_shop().owner).post("/projects/shop/flags", NEW_FLAG, Idempotency_Key="k" * 201)
    assert answer.fields == ["Idempotency-Key"]


def test_the_description_names_every_operation_once_and_its_problems() -> None:
    description = json.loads(Client().get("/api/v1/openapi.json").content)
    operations = [op for methods in description["paths"].values() for op in methods.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(ids) == len(set(ids))
    assert all("default" in operation["responses"] for operation in operations)
    assert all(operation["security"] for operation in operations)


def test_projects_that_one_cannot_see_are_not_listed() -> None:
    shop = a_shop()
    a_shop("bakery", "bea@example.com")
    items = caller(shop.owner).get("/projects").json["items"]
    assert isinstance(items, list)
    assert [item["key"] for item in items] == ["shop"]
