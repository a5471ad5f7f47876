"""The operations of the API's description, and how to try each of them with a body that can be read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from calling import Caller, Reply
from people import NOW
from scenes import Shop, a_button_flag, a_running_experiment

from equipoise_server.access.actions import IssueSdkKey, IssueToken, issue_sdk_key, issue_token
from equipoise_server.access.values import KeyKind, Role
from equipoise_server.api.app import build
from equipoise_server.events.actions import EraseUnits, ask_erasure
from equipoise_server.flags.actions import (
    CreateGroup,
    CreateSegment,
    ScheduleRamp,
    add_rollout_rule,
    create_group,
    create_segment,
    schedule_ramp,
)
from equipoise_server.flags.reads import flag_by_key
from equipoise_server.flags.values import RampStep, Rollout, Rule

Schema = Mapping[str, object]
READ_ONLY = {"assign", "explain", "explain_draft", "plan_metric_file", "plan_power", "preview_flag"}
"""POSTs that change nothing, so that a viewer may send them."""
NEEDS_NO_PROJECT = {"list_projects", "create_project", "get_metric_file_schema"}
A_FILE = "metrics:\n  visits: {name: Visits, kind: count, fact: {event: visit}}\n"


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
NO_REPORT_YET = {"get_report", "export_report", "export_moments"}
OF_LISTS_ALONE = {"is_member"}
OF_FILES_ALONE = {"assign"}
"""POSTs that change nothing and read a file."""
FOR_EDITORS = {"get_metric_preview", "preview_exposures"}
"""GETs that show rows, so that a viewer may not send them."""
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
        return self.send(asking, operation, self.body_of(operation))

    def body_of(self, operation: Operation) -> object:
        """A body that can be read; it names what is there."""
        body = None if operation.body is None else sample(operation.body)
        if isinstance(body, dict):
            known = {**self.keys, "yaml": A_FILE}
            body |= {name: key for name, key in known.items() if name in body and name != "key"}
        return body

    def send(self, asking: Caller, operation: Operation, body: object) -> Reply:
        """Send one operation with any body."""
        path = operation.path.format_map(self.keys)
        query = "&".join(f"{name}={QUERY.get(name, 'x')}" for name in operation.query)
        address = f"{path}?{query}" if query else path
        return asking.call(operation.method, address, body, headers={"If-Match": '"1"'})


def a_place(shop: Shop) -> Place:
    """A project with one of everything that this room's operations name."""
    a_button_flag(shop, "free-flag")
    a_running_experiment(shop)
    condition = {"attribute": "staff", "operator": "equals", "value": True}
    create_segment(shop.owner, CreateSegment(shop.project.id, "staff", "Staff", condition), now=NOW)
    create_group(shop.owner, CreateGroup(shop.project.id, "loose", "Loose"), now=NOW)
    production = shop.project.environments[1]
    ramp = _a_ramp(shop)
    issued = issue_sdk_key(shop.owner, IssueSdkKey(production.id, KeyKind.SERVER, "web"), now=NOW)
    token = issue_token(
        shop.owner, IssueToken(shop.project.id, "ci", Role.VIEWER, timedelta(days=1)), now=NOW
    ).token
    return Place(
        Keys(
            project=shop.project.key, environment="production", flag="free-flag", segment="staff",
            group="loose", ramp=ramp,
            experiment="checkout-button", metric="purchase", key=str(issued.key.id),
            token=str(token.id), erasure=_an_erasure(shop),
        )
    )  # fmt: skip


def _a_ramp(shop: Shop) -> str:
    """A schedule of a rollout of the free flag in production."""
    flag = flag_by_key(shop.project.id, "free-flag")
    production = flag.settings["production"].environment_id
    rule = Rule("rollout", rollout=Rollout("green", "user", 1))
    add_rollout_rule(shop.owner, flag.id, production, rule, now=NOW)
    steps = (RampStep(NOW + timedelta(days=1), 500_000),)
    return str(schedule_ramp(shop.owner, ScheduleRamp(flag.id, production, "rollout", steps), now=NOW).id)


def _an_erasure(shop: Shop) -> str:
    """A request to forget somebody."""
    command = EraseUnits(shop.project.id, "user", ("forget-me",))
    return str(ask_erasure(shop.owner, command, now=NOW).id)


def names_in(path: str) -> list[str]:
    """The parameters of an address."""
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]
