from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig


class FlagsConfig(AppConfig):
    name = "equipoise_server.flags"
    label = "flags"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the room's due work."""
        import_module("equipoise_server.flags.due")
        import_module("equipoise_server.flags.forgetting")
