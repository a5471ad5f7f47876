"""Where the two web doors hang: the dashboard at /, the management API at /api/."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from equipoise_server.api.app import addresses, unknown_address

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/", include((addresses(), "api"))),
    path("api/<path:rest>", unknown_address),
    path("", include("equipoise_server.dashboard.urls")),
]
