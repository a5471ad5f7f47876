from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig


class AutomationConfig(AppConfig):
    name = "equipoise_server.automation"
    label = "automation"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the room's due work."""
        import_module("equipoise_server.automation.kills")
        import_module("equipoise_server.automation.health_watch")
