"""Every refusal and failure of the management API as an RFC 9457 problem that lists all faults."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from django.db import DatabaseError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from equipoise_server.foundation.database_troubles import way_out
from equipoise_server.foundation.refusals import Conflict, Problem, Refusal

_log = logging.getLogger(__name__)
_UNREADABLE = "The body must be one JSON value in UTF-8, with finite numbers and plain text."
_TITLES = {
    400: ("malformed", "The request cannot be read"),
    401: ("unauthenticated", "Sign in first"),
    403: ("forbidden", "Not permitted"),
    404: ("not_found", "Not found"),
    405: ("method_not_allowed", "This cannot be done with it"),
    413: ("too_large", "The request is too large"),
    415: ("unsupported_media_type", "The body's type is not understood"),
}


def problem_response(
    status: int,
    code: str,
    title: str,
    problems: Iterable[Problem],
    *,
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """One problem document."""
    faults = [{"field": problem.field, "message": problem.message} for problem in problems]
    content = {
        "type": f"urn:equipoise:problem:{code}",
        "title": title,
        "status": status,
        "detail": " ".join(dict.fromkeys(fault["message"] for fault in faults)),
        "code": code,
        "problems": faults,
    }
    body = json.dumps(content, ensure_ascii=False)
    kept = {"Cache-Control": "no-store", **(headers or {})}
    return HttpResponse(body, status=status, content_type="application/problem+json", headers=kept)


def plain_problem(status: int, message: str, *, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """A problem of the request as a whole."""
    code, title = _TITLES.get(status, ("refused", "The request was refused"))
    return problem_response(status, code, title, [Problem("", message)], headers=headers)


def translate_exceptions(api: NinjaAPI) -> None:
    """Let the API answer every exception with a problem."""
    answers: tuple[tuple[type[Exception], Callable[[HttpRequest, Any], HttpResponse]], ...] = (
        (Refusal, _refusal),
        (ValidationError, _validation),
        (AuthenticationError, _unauthenticated),
        (HttpError, _http_error),
        (Http404, _missing),
        (OperationalError, _database_trouble),
        (Exception, _unexpected),
    )
    for kind, answer in answers:
        api.add_exception_handler(kind, answer)


def _refusal(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    if isinstance(refusal, Conflict) and "If-Match" in request.headers and _is_about_version(refusal):
        return problem_response(412, "precondition_failed", refusal.title, refusal.problems)
    return problem_response(refusal.status, refusal.code, refusal.title, refusal.problems)


def _is_about_version(refusal: Refusal) -> bool:
    return any(problem.field == "expected_version" for problem in refusal.problems)


def _validation(_request: HttpRequest, failure: ValidationError) -> HttpResponse:
    problems = [Problem(_place(error["loc"]), f"{error['msg']}.") for error in failure.errors]
    return problem_response(422, "invalid", "Some fields need attention", problems)


def _place(location: Sequence[str | int]) -> str:
    """The dotted path of a field as the client knows it: without where it was read and by which name."""
    skipped = 2 if location[0] in {"body", "form"} else 1
    return ".".join(map(str, location[skipped:]))


def _unauthenticated(request: HttpRequest, _failure: AuthenticationError) -> HttpResponse:
    needed = "Send a management token: “Authorization: Bearer eq_api_…”, or sign in with a browser."
    is_token = request.headers.get("Authorization", "").startswith("Bearer eq_api_")
    told = "This management token is unknown, revoked or expired. Make a new one." if is_token else needed
    return plain_problem(401, told, headers={"WWW-Authenticate": 'Bearer realm="equipoise"'})


def _http_error(_request: HttpRequest, failure: HttpError) -> HttpResponse:
    if failure.status_code == HTTPStatus.BAD_REQUEST:
        return plain_problem(400, _UNREADABLE)
    return plain_problem(failure.status_code, str(failure))


def _missing(_request: HttpRequest, _failure: Http404) -> HttpResponse:
    return plain_problem(404, "There is nothing at this address.")


def _database_trouble(_request: HttpRequest, failure: DatabaseError) -> HttpResponse:
    _log.error("the database refused a request: %s", failure)
    told = f"{way_out(failure) or 'The database is busy or away.'} Nothing was changed; try again."
    headers = {"Retry-After": "2"}
    return problem_response(503, "unavailable", "Try again", [Problem("", told)], headers=headers)


def _unexpected(request: HttpRequest, failure: Exception) -> HttpResponse:
    if isinstance(failure, DatabaseError) and way_out(failure) is not None:  # PostgreSQL without its tables
        return _database_trouble(request, failure)
    _log.error("%s %s failed", request.method, request.path, exc_info=failure)
    told = "The server failed on this request; its log says why. Look before you repeat it."
    return problem_response(500, "failed", "Something went wrong here", [Problem("", told)])
