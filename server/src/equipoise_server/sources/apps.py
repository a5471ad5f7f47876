from __future__ import annotations

from django.apps import AppConfig


class SourcesConfig(AppConfig):
    name = "equipoise_server.sources"
    label = "sources"
    default_auto_field = "django.db.models.BigAutoField"
