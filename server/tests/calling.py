"""Calls the management API as somebody with a token, over Django's test client."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from equipoise_server.access.actions import issue_api_token
from equipoise_server.access.values import Actor


@dataclass(frozen=True, slots=True)
class Reply:
    """What the API answered."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> dict[str, object]:
        """The body as an object."""
        content = json.loads(self.text)
        assert isinstance(content, dict)
        return content

    @property
    def fields(self) -> list[str]:
        """Which fields a problem names."""
        assert self.headers["Content-Type"] == "application/problem+json", self.text
        problems = self.json["problems"]
        assert isinstance(problems, list)
        return [problem["field"] for problem in problems]


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who calls the API; without a token, anybody."""

    token: str = ""

    def call(
        self, method: str, path: str, body: object = None, *, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Send one request below /api/v1; bytes are sent as they are."""
        sent = dict(headers or {})
        if self.token:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        client = Client(enforce_csrf_checks=True, raise_request_exception=False)
        return reply(
            client.generic(
                method,
                f"/api/v1{path}",
                content if body is not None else b"",
                "application/json",
                headers=sent,
            )
        )

    def get(self, path: str, **headers: str) -> Reply:
        """Read."""
        return self.call("GET", path, headers=headers)

    def post(self, path: str, body: object, **headers: str) -> Reply:
        """Create or act."""
        return self.call("POST", path, body, headers=_dashed(headers))

    def put(self, path: str, body: object, **headers: str) -> Reply:
        """Replace."""
        return self.call("PUT", path, body, headers=_dashed(headers))


def _dashed(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def reply(response: HttpResponse) -> Reply:
    """A response as tests read it."""
    return Reply(response.status_code, response.headers, response.content.decode())


def caller(actor: Actor) -> Caller:
    """The actor with a fresh management token."""
    now = timezone.now()
    return Caller(issue_api_token(UUID(actor.author.id), "tests", life=timedelta(hours=1), now=now))
