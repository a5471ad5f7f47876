"""`Idempotency-Key`: a POST repeated under the same key within a day acts once and gets the same answer."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from equipoise_server.api.authentication import recognised
from equipoise_server.api.problems import problem_response
from equipoise_server.foundation import remembered
from equipoise_server.foundation.refusals import Conflict, Invalid, Problem
from equipoise_server.foundation.remembered import Remembered, Repeatable

LONGEST_KEY = 200
_SECRET = "equipoise.answer_is_secret"  # noqa: S105  # no secret itself

View = Callable[..., HttpResponse]


def shows_a_secret(request: HttpRequest) -> None:
    """Say that the answer is shown once and must not be kept."""
    request.META[_SECRET] = True


def repeatable(run: View) -> View:
    """Let an operation answer a repeated POST from memory. The answer commits with what was done."""

    @wraps(run)
    def run_once(request: HttpRequest, **path: object) -> HttpResponse:
        key = request.headers.get("Idempotency-Key", "")
        is_form = (request.content_type or "").startswith("multipart/")
        if request.method != "POST" or not key or is_form:
            return run(request, **path)
        if len(key) > LONGEST_KEY or not key.isprintable():
            told = f"An Idempotency-Key has at most {LONGEST_KEY} printable characters."
            return _refused(Invalid(Problem("Idempotency-Key", told)))
        actor = recognised(request)
        if actor is None:
            return run(request, **path)
        asked = hashlib.sha256(f"{request.get_full_path()}\n".encode() + request.body).hexdigest()
        return _run_once(run, request, path, Repeatable(actor.author.id, key, asked))

    return run_once


def _run_once(run: View, request: HttpRequest, path: dict[str, object], repeated: Repeatable) -> HttpResponse:
    with transaction.atomic():
        before = remembered.begin(repeated, now=timezone.now())
        if before is not None:
            return _again(before, repeated)
        response = run(request, **path)
        if response.status_code >= HTTPStatus.MULTIPLE_CHOICES:
            transaction.set_rollback(True)
            return response
        body = None if _SECRET in request.META else response.content.decode()
        remembered.remember(
            repeated, status=response.status_code, body=body, etag=response.headers.get("ETag", "")
        )
    return response


def _again(before: Remembered, repeated: Repeatable) -> HttpResponse:
    if before.request_sha256 != repeated.request_sha256:
        told = "This Idempotency-Key was used for another request; choose a new one."
        return _refused(Conflict(Problem("Idempotency-Key", told)))
    if before.body is None:
        told = "This was done already, and its secret was shown once. Revoke the key and issue another."
        return _refused(Conflict(Problem("Idempotency-Key", told)))
    headers = {"Idempotency-Replayed": "true"} | ({"ETag": before.etag} if before.etag else {})
    return HttpResponse(
        before.body, status=before.status, content_type="application/json; charset=utf-8", headers=headers
    )


def _refused(refusal: Conflict | Invalid) -> HttpResponse:
    return problem_response(refusal.status, refusal.code, refusal.title, refusal.problems)
