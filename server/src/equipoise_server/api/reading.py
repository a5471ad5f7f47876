"""How requests are read: strict models, versions, pages, and the places that addresses name."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar, cast

from django.http import HttpRequest
from ninja import Field, Schema
from ninja.errors import HttpError
from ninja.parser import Parser
from ninja.types import DictStrAny
from pydantic import ConfigDict

from equipoise_server.access import reads as access
from equipoise_server.access.values import Environment, Project
from equipoise_server.api.authentication import actor_of
from equipoise_server.foundation.refusals import Invalid, NotFound, Problem

Item = TypeVar("Item")
MOST_ITEMS = 200
_VERSION_TAG = re.compile(r'(?:W/)?"?([0-9]{1,9})"?')


class Strict(Schema):
    """A request body: an unknown member is a mistake, never ignored."""

    model_config = ConfigDict(extra="forbid")


class PageQuery(Schema):
    """Which part of a list."""

    cursor: str = Field("", description="The `next_cursor` of the page before; empty for the first page.")
    limit: int = Field(50, ge=1, le=MOST_ITEMS)


class Page(Schema, Generic[Item]):
    """One part of a list; `next_cursor` is null on the last."""

    items: list[Item]
    next_cursor: str | None


class PlainJson(Parser):
    """Reads bodies as JSON that the whole product can keep: finite numbers, whole characters, no NUL."""

    def parse_body(self, request: HttpRequest) -> DictStrAny:
        """The body, or a refusal."""
        content = json.loads(request.body, parse_constant=_refuse_constant)
        if not _is_plain(content):
            raise HttpError(400, "not plain")
        return cast(DictStrAny, content)


def _refuse_constant(constant: str) -> float:
    raise HttpError(400, f"{constant} is no JSON")


def _is_plain(content: object) -> bool:
    """Whether every text in it can be stored as UTF-8 by every database."""
    pending = [content]
    while pending:
        node = pending.pop()
        if isinstance(node, str):
            if "\x00" in node or any("\ud800" <= character <= "\udfff" for character in node):
                return False
        elif isinstance(node, list):
            pending += node
        elif isinstance(node, dict):
            pending += [*node, *node.values()]
    return True


def page_of(items: Sequence[Item], query: PageQuery, place: Callable[[Item], str]) -> dict[str, object]:
    """The part of a list that a query asks for, in the order of a `place` that no item ever changes."""
    ordered = sorted(items, key=place)
    after = decode_cursor(query.cursor)
    rest = [item for item in ordered if after is None or place(item) > after]
    shown = rest[: query.limit]
    more = len(rest) > len(shown)
    return {"items": shown, "next_cursor": encode_cursor(place(shown[-1])) if more else None}


def encode_cursor(place: str) -> str:
    """A place in a list as clients carry it."""
    return base64.urlsafe_b64encode(place.encode()).decode()


def decode_cursor(cursor: str) -> str | None:
    """The place that a cursor names; None for the start."""
    if not cursor:
        return None
    try:
        return base64.b64decode(cursor.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError) as fault:
        told = "This cursor is none of ours; start over without one."
        raise Invalid(Problem("cursor", told)) from fault


def expected_version(request: HttpRequest, named: int | None) -> int:
    """The version that the client edits: from If-Match, else from the body."""
    tag = request.headers.get("If-Match", "").strip()
    if not tag:
        if named is None:
            told = "Say which version you edit: send If-Match with the ETag you got, or expected_version."
            raise Invalid(Problem("expected_version", told))
        return named
    found = _VERSION_TAG.fullmatch(tag)
    if found is None:
        raise Invalid(Problem("If-Match", "Send the ETag exactly as you got it."))
    return int(found[1])


def etag(version: int) -> str:
    """The entity tag of a version."""
    return f'"{version}"'


def project_of(request: HttpRequest, key: str) -> Project:
    """The project that the address names, if the actor may see it."""
    return access.project_by_key(actor_of(request), key)


def environment_of(project: Project, key: str) -> Environment:
    """The project's environment that the address names."""
    found = project.environment(key)
    if found is None:
        known = ", ".join(environment.key for environment in project.environments)
        told = f"The project has no environment “{key}”; it has: {known}."
        raise NotFound(Problem("environment", told))
    return found
