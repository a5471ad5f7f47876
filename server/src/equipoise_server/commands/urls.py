"""Where the two web doors hang: the dashboard at /, the management API at /api/."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver

urlpatterns: list[URLPattern | URLResolver] = []
