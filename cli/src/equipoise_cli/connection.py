"""Requests to the management API, and how its refusals become messages and exit codes. Knows no resource."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import IO, Self

import click
import httpx

from equipoise_cli.answers import JsonObject
from equipoise_cli.configuration import Access

TIMEOUT_SECONDS = 30.0
# An import answers with its finished report.
IMPORT_TIMEOUT_SECONDS = 600.0
SUCCESS_BELOW, REDIRECT_FROM = 400, 300


class Refused(click.ClickException):
    """The server said no. Exit code 1; every problem is listed with its field."""

    exit_code = 1

    def __init__(self, problem: JsonObject) -> None:
        super().__init__(str(problem.get("title") or problem.get("detail") or "The request was refused"))
        self.problem = problem
        # Known only while the command runs; the message is shown after it.
        context = click.get_current_context(silent=True)
        self._as_json = context is not None and bool(context.params.get("as_json"))

    def show(self, file: IO[str] | None = None) -> None:
        """Write the problems to standard error: a list for people, the document itself under --json."""
        if self._as_json:
            click.echo(json.dumps(self.problem, indent=2, ensure_ascii=False), err=True, file=file)
            return
        click.echo(f"{self.message}:" if self._lines() else self.message, err=True, file=file)
        for line in self._lines():
            click.echo(f"  - {line}", err=True, file=file)

    def _lines(self) -> list[str]:
        problems = self.problem.get("problems")
        if not isinstance(problems, list):
            return []
        named = [
            (str(p.get("field", "")), str(p.get("message", ""))) for p in problems if isinstance(p, dict)
        ]
        return [f"{field}: {message}" if field else message for field, message in named]


class Unreachable(click.ClickException):
    """No usable answer came back. Exit code 3; whether the server did anything is not known."""

    exit_code = 3


class Connection:
    """An authenticated conversation with one server."""

    def __init__(self, access: Access) -> None:
        self._server = access.server
        self._http = httpx.Client(
            base_url=f"{access.server}/api/v1",
            headers={"Authorization": f"Bearer {access.token}", "Accept": "application/json"},
            timeout=TIMEOUT_SECONDS,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, path: str, **query: str) -> JsonObject:
        """One resource."""
        return self._answer(self._http.build_request("GET", path, params=query))

    def items(self, path: str, **query: str) -> Iterator[JsonObject]:
        """All items of a paged list."""
        cursor: object = None
        while True:
            page = self.get(path, **query, **({"cursor": str(cursor)} if cursor else {}))
            items = page.get("items")
            if isinstance(items, list):
                yield from (item for item in items if isinstance(item, dict))
            cursor = page.get("next_cursor")
            if not cursor:
                return

    def post(self, path: str, body: JsonObject) -> JsonObject:
        """Make or do something."""
        return self._answer(self._http.build_request("POST", path, json=body))

    def put(self, path: str, body: JsonObject) -> JsonObject:
        """Put something in place of what is there."""
        return self._answer(self._http.build_request("PUT", path, json=body))

    def upload(self, path: str, file: tuple[str, IO[bytes]] | None, fields: Mapping[str, str]) -> JsonObject:
        """Send form fields, and a file if there is one; waits as long as an import may take."""
        files = None if file is None else {"file": file}
        return self._answer(
            self._http.build_request(
                "POST", path, files=files, data=dict(fields), timeout=IMPORT_TIMEOUT_SECONDS
            )
        )

    def _answer(self, request: httpx.Request) -> JsonObject:
        try:
            response = self._http.send(request)
        except httpx.HTTPError as error:
            raise Unreachable(
                f"{self._server} did not answer: {str(error) or type(error).__name__}"
            ) from error
        body = _body(response)
        if REDIRECT_FROM <= response.status_code < SUCCESS_BELOW or body is None:
            raise Unreachable(
                f"{self._server} answered {response.status_code} without JSON; is it an Equipoise server?"
            )
        if response.status_code >= SUCCESS_BELOW:
            raise Refused(body)
        return body


def _body(response: httpx.Response) -> JsonObject | None:
    if not response.content:
        return {}
    try:
        body = response.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None
