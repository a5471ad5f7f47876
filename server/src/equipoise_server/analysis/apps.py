from __future__ import annotations

from django.apps import AppConfig


class AnalysisConfig(AppConfig):
    name = "equipoise_server.analysis"
    label = "analysis"
    default_auto_field = "django.db.models.BigAutoField"
