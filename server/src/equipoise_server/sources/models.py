"""Columns of connections and sources: entries and their versions. Passwords have no column."""

from __future__ import annotations

from django.db import models

from equipoise_server.foundation.ids import new_id


class Connection(models.Model):
    """A way to data. Its key is taken for ever."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project_id = models.UUIDField(db_index=True)
    key = models.CharField(max_length=64)
    kind = models.CharField(max_length=16)
    location = models.CharField(max_length=500)
    password_from = models.CharField(max_length=500, blank=True)
    edition = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField()
    archived_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project_id", "key"], name="connection_key_once")]


class Source(models.Model):
    """A source's words. Its key is taken for ever."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project_id = models.UUIDField(db_index=True)
    key = models.CharField(max_length=64)
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    owner = models.CharField(max_length=200, blank=True)
    edition = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField()
    archived_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project_id", "key"], name="source_key_once")]


class SourceVersion(models.Model):
    """One shape of a source. Rows are only ever added."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    shape = models.JSONField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "number"], name="source_version_once")]
