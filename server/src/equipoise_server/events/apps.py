from __future__ import annotations

from django.apps import AppConfig


class EventsConfig(AppConfig):
    name = "equipoise_server.events"
    label = "events"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Offer the room's due work."""
        from equipoise_server.events import due  # noqa: F401, PLC0415  # models load after apps
