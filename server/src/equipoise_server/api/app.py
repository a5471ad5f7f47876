"""The management API: its routers, conventions and addresses (docs/reference/api.md)."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from urllib.parse import unquote

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, re_path
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation
from ninja.types import DictStrAny

from equipoise_server.api import (
    audit,
    data_quality,
    drafts,
    experiments,
    exposures,
    flags,
    groups,
    health_checks,
    holdouts,
    impact,
    imports,
    jobs,
    layers,
    metric_certification,
    metric_files,
    metric_previews,
    metrics,
    power,
    previews,
    privacy,
    projects,
    proposals,
    ramps,
    reports,
    segments,
    snapshots,
    sources,
    traffic,
)
from equipoise_server.api.authentication import AUTHENTICATION
from equipoise_server.api.problems import plain_problem, translate_exceptions
from equipoise_server.api.reading import PlainJson
from equipoise_server.api.repeating import repeatable

PREFIX = "/api/v1/"
LARGEST_JSON_BODY = 10_000_000
ROUTERS = (
    projects.router,
    flags.router,
    groups.router,
    segments.router,
    previews.router,
    ramps.router,
    health_checks.router,
    proposals.router,
    metrics.router,
    metric_files.router,
    metric_certification.router,
    metric_previews.router,
    sources.router,
    experiments.router,
    exposures.router,
    drafts.router,
    layers.router,
    holdouts.router,
    impact.router,
    reports.router,
    data_quality.router,
    jobs.router,
    power.router,
    imports.router,
    traffic.router,
    privacy.router,
    snapshots.router,
    audit.router,
)

View = Callable[..., HttpResponse]


class ManagementApi(NinjaAPI):
    """The API with short operation ids, and its conventions written into every operation."""

    def get_openapi_operation_id(self, operation: Operation) -> str:
        """The operation's function, whose name is unique in the API."""
        return operation.view_func.__name__

    def get_openapi_schema(
        self, *, path_prefix: str | None = None, path_params: DictStrAny | None = None
    ) -> OpenAPISchema:
        """The description, with problems and idempotency keys where they apply."""
        schema = super().get_openapi_schema(path_prefix=path_prefix or PREFIX, path_params=path_params)
        schema["components"].setdefault("schemas", {})["Problem"] = _PROBLEM
        for methods in schema["paths"].values():
            for method, operation in methods.items():
                operation["responses"].setdefault("default", _PROBLEM_RESPONSE)
                if method == "post":
                    operation.setdefault("parameters", []).append(_IDEMPOTENCY_KEY)
        return schema


def build() -> ManagementApi:
    """The API with all its routers."""
    api = ManagementApi(
        title="Equipoise management API",
        version="1",
        description="Flags, experiments, metrics and reports. docs/reference/api.md has the conventions.",
        docs_url=None,
        auth=AUTHENTICATION,
        parser=PlainJson(),
    )
    translate_exceptions(api)
    api.add_decorator(repeatable, mode="view")
    for router in ROUTERS:
        api.add_router("", router)
    return api


def addresses() -> list[URLPattern | URLResolver]:
    """The API's addresses, relative to /api/v1/; an unknown one is a problem too."""
    patterns, _, _ = build().urls
    for pattern in patterns:
        assert isinstance(pattern, URLPattern), "no router nests another URL configuration"
        pattern.callback = guarded(pattern.callback)
    return [*patterns, re_path("", unknown_address)]


@csrf_exempt
def unknown_address(request: HttpRequest) -> HttpResponse:
    """What is at no address."""
    return plain_problem(
        404, f"There is nothing at {request.path}; /api/v1/openapi.json lists what there is."
    )


def guarded(view: View) -> View:
    """What every address does around its operations: refuse what nobody can read, answer in problems."""

    @wraps(view)
    def answer(request: HttpRequest, *args: object, **path: object) -> HttpResponse:
        if "\x00" in unquote(request.get_full_path()):
            return plain_problem(400, "The address holds a NUL character, which no key or text may have.")
        if _is_too_large(request):
            return plain_problem(413, f"A JSON body may have {LARGEST_JSON_BODY:,} bytes.")
        try:
            response = view(request, *args, **path)
        except Http404:
            return unknown_address(request)
        if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            allowed = response.headers["Allow"]
            return plain_problem(405, f"Use one of: {allowed}.", headers={"Allow": allowed})
        response.headers.setdefault("Cache-Control", "private, no-cache")
        return response

    return answer


def _is_too_large(request: HttpRequest) -> bool:
    """Files of imports have a limit of their own."""
    length = request.headers.get("Content-Length", "0")
    is_form = (request.content_type or "").startswith("multipart/")
    return not is_form and length.isdigit() and int(length) > LARGEST_JSON_BODY


_PROBLEM = {
    "type": "object",
    "description": "RFC 9457. `problems` lists every fault at once; `field` is a dotted path, or empty.",
    "required": ["type", "title", "status", "detail", "code", "problems"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "problems": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}
_PROBLEM_RESPONSE = {
    "description": "A problem",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
_IDEMPOTENCY_KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "required": False,
    "schema": {"type": "string", "maxLength": 200},
    "description": "Repeat the request under the same key for a day: it acts once.",
}
