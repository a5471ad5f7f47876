"""Every operation of the description, tried by a stranger, an outsider, a viewer, and in another project."""

from __future__ import annotations

import json

import pytest
from calling import Caller, caller
from django.test import Client
from operations import (
    FOR_EDITORS,
    NEEDS_NO_PROJECT,
    NO_REPORT_YET,
    OF_FILES_ALONE,
    OF_LISTS_ALONE,
    OPERATIONS,
    Keys,
    Operation,
    Place,
    a_place,
    names_in,
)
from people import a_member, an_outsider
from scenes import a_shop

from equipoise_server.access.values import Role

pytestmark = pytest.mark.django_db


def test_the_walk_knows_every_operation() -> None:
    description = json.loads(Client().get("/api/v1/openapi.json").content)
    described = [op["operationId"] for methods in description["paths"].values() for op in methods.values()]
    assert sorted(described) == sorted(OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
def test_a_stranger_is_refused(operation: Operation) -> None:
    place = Place(Keys(project="shop"))
    assert place.ask(Caller(), operation).status == 401


def test_an_outsider_finds_nothing() -> None:
    place, outsider = a_place(a_shop()), caller(an_outsider())
    answers = {
        operation.id: place.ask(outsider, operation).status
        for operation in OPERATIONS.values()
        if operation.id not in NEEDS_NO_PROJECT
    }
    assert {name: status for name, status in answers.items() if status != 404} == {}
    assert place.ask(outsider, OPERATIONS["create_project"]).status == 403
    assert place.ask(outsider, OPERATIONS["list_projects"]).json["items"] == []


def test_a_viewer_may_look_and_change_nothing() -> None:
    shop = a_shop()
    place, viewer = a_place(shop), caller(a_member(shop.owner, shop.project, Role.VIEWER))
    known = [op for op in OPERATIONS.values() if all(name in place.keys for name in names_in(op.path))]
    answers = [(op, place.ask(viewer, op)) for op in OPERATIONS.values()]
    assert [op.id for op, reply in answers if op.changes and reply.status < 300] == []
    changed = {
        op.id: reply.text for op, reply in answers if op in known and op.changes and reply.status != 403
    }
    assert changed == {}
    readable = [(op, reply) for op, reply in answers if op in known and not op.changes]
    unread = {
        op.id: reply.text
        for op, reply in readable
        if reply.status > 299 and op.id not in NO_REPORT_YET | OF_LISTS_ALONE | OF_FILES_ALONE | FOR_EDITORS
    }
    assert unread == {}


def test_what_belongs_to_another_project_is_not_found() -> None:
    shop, other = a_shop(), a_shop("bakery", "bea@example.com")
    foreign, admin = a_place(shop), caller(other.owner)
    inside = [op for op in OPERATIONS.values() if len(names_in(op.path)) > 1]
    for operation in inside:
        place = Place(Keys(foreign.keys, project="bakery"))
        reply = place.ask(admin, operation)
        unknown = set(names_in(operation.path)) - {"project", "environment"}
        assert not unknown or reply.status == 404, f"{operation.id}: {reply.text}"
