"""Where the two web doors hang: the dashboard at /, the management API at /api/."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path, re_path

from equipoise_server.api.app import addresses, unknown_address
from equipoise_server.commands import due  # noqa: F401  # pages tell of all kinds of due work

handler500 = "equipoise_server.dashboard.views.sessions.broken"
urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/", include((addresses(), "api"))),
    re_path("^api(?:/|$)", unknown_address),
    path("", include("equipoise_server.dashboard.urls")),
]
