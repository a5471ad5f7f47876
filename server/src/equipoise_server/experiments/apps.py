from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig


class ExperimentsConfig(AppConfig):
    name = "equipoise_server.experiments"
    label = "experiments"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the room's due work, and let holdouts hear of rollouts."""
        import_module("equipoise_server.experiments.due").connect()
        import_module("equipoise_server.experiments.forgetting")
