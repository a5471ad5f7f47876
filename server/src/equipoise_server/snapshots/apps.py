from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig


class SnapshotsConfig(AppConfig):
    name = "equipoise_server.snapshots"
    label = "snapshots"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Vet and keep every payload from now on."""
        from equipoise_server.foundation.revisions import (  # noqa: PLC0415  # models load after apps
            fill_publisher_port,
        )
        from equipoise_server.snapshots.publishing import publish  # noqa: PLC0415  # models load after apps

        fill_publisher_port(publish)
        import_module("equipoise_server.snapshots.forgetting")
