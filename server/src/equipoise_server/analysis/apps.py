from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig


class AnalysisConfig(AppConfig):
    name = "equipoise_server.analysis"
    label = "analysis"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Forget erased units, and say which events are still needed."""
        import_module("equipoise_server.analysis.forgetting").connect()
