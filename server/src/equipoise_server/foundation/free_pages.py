"""Frees the configuration store of deleted rows: its pages are written anew, and the log of writes is cut."""

from __future__ import annotations

from django.apps import apps
from django.db import connection, models


class PagesInUse(Exception):
    """Somebody reads an older state; the log cannot be cut yet."""


def empty_free_pages() -> None:
    """Write the store anew without what was deleted. Raises PagesInUse, or OperationalError while locked."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("VACUUM")
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            is_busy = cursor.fetchone()[0]
            if is_busy:
                raise PagesInUse("its log is being read")
            return
        for table in _tables_of_texts():
            cursor.execute(f"VACUUM (FULL) {connection.ops.quote_name(table)}")


def _tables_of_texts() -> list[str]:
    """The tables that may have held a unit's id."""
    kinds = (models.JSONField, models.TextField, models.CharField)
    return sorted(
        model._meta.db_table  # noqa: SLF001  # Django's public way to a model's table
        for model in apps.get_models()
        if any(isinstance(field, kinds) for field in model._meta.get_fields())  # noqa: SLF001  # as above
    )
