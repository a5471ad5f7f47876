"""Columns of the metric catalogue: entries and their versions."""

from __future__ import annotations

from django.db import models

from equipoise_server.foundation.ids import new_id


class Metric(models.Model):
    """A catalogue entry: what people may reword without changing any number. Its key is taken for ever."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project_id = models.UUIDField(db_index=True)
    key = models.CharField(max_length=64)
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    tier = models.CharField(max_length=8)
    owner = models.CharField(max_length=200, blank=True)
    display = models.CharField(max_length=16)
    default_margin = models.JSONField(null=True)
    minimum_units = models.PositiveIntegerField()
    edition = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField()
    archived_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project_id", "key"], name="metric_key_once")]


class MetricVersion(models.Model):
    """One meaning of a metric. Rows are only ever added."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    metric = models.ForeignKey(Metric, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    definition = models.JSONField()
    direction = models.CharField(max_length=16)
    semantic_hash = models.CharField(max_length=64)
    created_at = models.DateTimeField()
    author_id = models.CharField(max_length=64, blank=True, default="")
    reads_sources = models.BooleanField(default=False)
    certified_by = models.CharField(max_length=200, blank=True, default="")
    certified_at = models.DateTimeField(null=True)
    certification_note = models.TextField(blank=True, default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["metric", "number"], name="metric_version_once")]


class CatalogueRules(models.Model):
    """What a project asks of its metrics; without a row, the usual."""

    project_id = models.UUIDField(primary_key=True)
    requires_certified_oec = models.BooleanField(default=False)
