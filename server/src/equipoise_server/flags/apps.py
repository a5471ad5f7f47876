from __future__ import annotations

from django.apps import AppConfig


class FlagsConfig(AppConfig):
    name = "equipoise_server.flags"
    label = "flags"
    default_auto_field = "django.db.models.BigAutoField"
