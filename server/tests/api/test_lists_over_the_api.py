"""Lists of units over the management API: made, filled from files, asked, deleted."""

from __future__ import annotations

from typing import Any

import pytest
from calling import Caller, Reply, caller, reply
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from people import a_member
from scenes import Shop, a_shop

from equipoise_server.access.values import Role

pytestmark = pytest.mark.django_db
LISTS, TESTERS = "/projects/shop/lists", "/projects/shop/segments/testers"


def a_tester_list() -> tuple[Shop, Caller]:
    """The shop with an empty list of testers."""
    shop = a_shop()
    asking = caller(shop.owner)
    made = asking.post(LISTS, {"key": "testers", "name": "Testers", "unit_type": "user"})
    assert (made.status, made.headers["ETag"]) == (201, '"1"')
    return shop, asking


def upload(asking: Caller, content: bytes, *, name: str = "users.txt", how: str = "replace") -> Reply:
    """Send a file."""
    file = SimpleUploadedFile(name, content)
    answer = Client(enforce_csrf_checks=True).post(
        f"/api/v1{TESTERS}/members/upload",
        {"how": how, "file": file},
        headers={"Authorization": f"Bearer {asking.token}"},
    )
    return reply(answer)


def test_a_list_is_filled_from_files_and_asked_for_single_units() -> None:
    _, asking = a_tester_list()
    filled = upload(asking, b"\n".join(b"u-%d" % place for place in range(3_000)))
    members: Any = filled.json["members"]
    assert (filled.status, members["member_count"], len(members["address"])) == (200, 3_000, 64)
    fewer = upload(asking, b"user,plan\nu-1,free\n", name="leavers.csv", how="remove").json["members"]
    assert fewer["member_count"] == 2_999  # type: ignore[call-overload,index]  # an object
    assert asking.get(f"{TESTERS}/members?unit=u-1").json == {"is_member": False}
    assert asking.get(f"{TESTERS}/members?unit=u-2").json == {"is_member": True}


def test_short_lists_are_sent_in_a_body() -> None:
    _, asking = a_tester_list()
    body = {"how": "append", "units": ["u-1", "u-2"]}
    changed: Any = asking.post(f"{TESTERS}/members", body).json
    assert changed["condition"]["members"]["units"] == ["u-1", "u-2"]
    assert asking.post(f"{TESTERS}/members", {**body, "how": "shuffle"}).status == 422
    assert asking.get(f"{TESTERS}/uses").json == {"flags": [], "segments": [], "experiments": []}
    assert asking.post(f"{TESTERS}/delete", {}).status == 204
    assert asking.get(TESTERS).status == 404


def test_an_upload_is_for_editors_and_lists_alone() -> None:
    shop, asking = a_tester_list()
    viewer = caller(a_member(shop.owner, shop.project, Role.VIEWER))
    assert upload(viewer, b"u-1").status == 403
    assert upload(asking, b"\xff\xff").fields == ["file"]
    condition = {"attribute": "staff", "operator": "equals", "value": True}
    asking.post(f"{TESTERS}/delete", {})
    asking.post("/projects/shop/segments", {"key": "testers", "name": "Staff", "condition": condition})
    assert upload(asking, b"u-1").status == 409
    assert asking.get(f"{TESTERS}/members?unit=u-1").status == 409
