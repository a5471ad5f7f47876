"""Every operation of the description, tried by a stranger, an outsider, a viewer, and in another project."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest
from calling import Caller, Reply, caller
from django.test import Client
from people import NOW, a_member, an_outsider
from scenes import Shop, a_button_flag, a_running_experiment, a_shop

from equipoise_server.access.actions import IssueSdkKey, issue_sdk_key
from equipoise_server.access.values import KeyKind, Role
from equipoise_server.api.app import build
from equipoise_server.flags.actions import CreateSegment, create_segment

pytestmark = pytest.mark.django_db

Schema = Mapping[str, object]
READ_ONLY = {"explain", "plan_power"}
"""POSTs that change nothing, so that a viewer may send them."""
NEEDS_NO_PROJECT = {"list_projects", "create_project"}


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the description."""

    id: str
    method: str
    path: str
    body: Schema | None
    query: tuple[str, ...]

    @property
    def changes(self) -> bool:
        """Whether it changes something."""
        return self.method != "GET" and self.id not in READ_ONLY


DESCRIPTION = json.loads(json.dumps(build().get_openapi_schema()))


def operations() -> Iterator[Operation]:
    """All operations, with the schema of their JSON bodies and their required query parameters."""
    for path, methods in DESCRIPTION["paths"].items():
        for method, described in methods.items():
            content = described.get("requestBody", {}).get("content", {})
            parameters = described.get("parameters", [])
            yield Operation(
                described["operationId"],
                method.upper(),
                path.removeprefix("/api/v1"),
                content.get("application/json", {}).get("schema"),
                tuple(p["name"] for p in parameters if p["in"] == "query" and p["required"]),
            )


OPERATIONS = {operation.id: operation for operation in operations()}
NO_REPORT_YET = {"get_report", "export_report"}
QUERY = {
    "at": "2036-03-02T09:00:00Z",
    "flag": "free-flag",
    "environment": "production",
    "unit_type": "user",
    "unit": "u1",
}


def sample(schema: object) -> object:
    """The smallest value that a schema accepts."""
    assert isinstance(schema, dict)
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return sample(DESCRIPTION["components"]["schemas"][name])
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return sample(schema[choice][0])
    if "enum" in schema or "const" in schema:
        return schema.get("enum", [schema.get("const")])[0]
    match schema.get("type"):
        case "object":
            return {name: sample(schema["properties"][name]) for name in schema.get("required", [])}
        case "array":
            return [sample(schema["items"])] * schema.get("minItems", 0)
        case "boolean":
            return False
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "null":
            return None
        case _:
            return "a" * schema.get("minLength", 1)


class Keys(dict[str, str]):
    """Keys of what is there; what is not is called nothing."""

    def __missing__(self, name: str) -> str:
        return "nothing"


@dataclass(frozen=True, slots=True)
class Place:
    """The keys that stand in addresses."""

    keys: Keys

    def ask(self, asking: Caller, operation: Operation) -> Reply:
        """Send one operation with a body that can be read."""
        path = operation.path.format_map(self.keys)
        query = "&".join(f"{name}={QUERY.get(name, 'x')}" for name in operation.query)
        body = None if operation.body is None else sample(operation.body)
        if isinstance(body, dict):
            body |= {name: key for name, key in self.keys.items() if name in body and name != "key"}
        address = f"{path}?{query}" if query else path
        return asking.call(operation.method, address, body, headers={"If-Match": '"1"'})


def a_place(shop: Shop) -> Place:
    """A project with one of everything that this room's operations name."""
    a_button_flag(shop, "free-flag")
    a_running_experiment(shop)
    condition = {"attribute": "staff", "operator": "equals", "value": True}
    create_segment(shop.owner, CreateSegment(shop.project.id, "staff", "Staff", condition), now=NOW)
    production = shop.project.environments[1]
    issued = issue_sdk_key(shop.owner, IssueSdkKey(production.id, KeyKind.SERVER, "web"), now=NOW)
    return Place(
        Keys(
            project=shop.project.key, environment="production", flag="free-flag", segment="staff",
            experiment="checkout-button", metric="purchase", key=str(issued.key.id),
        )
    )  # fmt: skip


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
    known = [op for op in OPERATIONS.values() if all(name in place.keys for name in _names(op.path))]
    answers = [(op, place.ask(viewer, op)) for op in OPERATIONS.values()]
    assert [op.id for op, reply in answers if op.changes and reply.status < 300] == []
    changed = {
        op.id: reply.text for op, reply in answers if op in known and op.changes and reply.status != 403
    }
    assert changed == {}
    readable = [(op, reply) for op, reply in answers if op in known and not op.changes]
    unread = {
        op.id: reply.text for op, reply in readable if reply.status > 299 and op.id not in NO_REPORT_YET
    }
    assert unread == {}


def test_what_belongs_to_another_project_is_not_found() -> None:
    shop, other = a_shop(), a_shop("bakery", "bea@example.com")
    foreign, admin = a_place(shop), caller(other.owner)
    inside = [op for op in OPERATIONS.values() if len(_names(op.path)) > 1]
    for operation in inside:
        place = Place(Keys(foreign.keys, project="bakery"))
        reply = place.ask(admin, operation)
        unknown = set(_names(operation.path)) - {"project", "environment"}
        assert not unknown or reply.status == 404, f"{operation.id}: {reply.text}"


def _names(path: str) -> list[str]:
    """The parameters of an address."""
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]
