from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig


class HealthConfig(AppConfig):
    name = "equipoise_server.health"
    label = "health"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the room's due work, and let ramps wait for its checks."""
        import_module("equipoise_server.health.due").connect()
