"""Columns of health checks and of their last results."""

from __future__ import annotations

from django.db import models

from equipoise_server.foundation.ids import new_id


class HealthCheck(models.Model):
    """A named check of one flag in one environment, and where it stands."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project_id = models.UUIDField(db_index=True)
    environment_id = models.UUIDField()
    flag_id = models.UUIDField(db_index=True)
    flag_key = models.CharField(max_length=64)
    key = models.CharField(max_length=64)
    name = models.CharField(max_length=200)
    plan = models.JSONField()
    next_at = models.DateTimeField(db_index=True)
    state = models.CharField(max_length=16)
    since = models.DateTimeField(null=True)
    asked_at = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)
    acted_at = models.DateTimeField(null=True)
    why = models.CharField(max_length=32, blank=True)
    told = models.TextField(blank=True)
    edition = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["flag_id", "environment_id", "key"], name="health_check_key_once")
        ]


class HealthResult(models.Model):
    """One look of a check; the oldest go."""

    check_of = models.ForeignKey(HealthCheck, on_delete=models.CASCADE, related_name="results")
    at = models.DateTimeField()
    finding = models.JSONField()

    class Meta:
        indexes = [models.Index(fields=["check_of", "-at"], name="health_result_newest")]
