"""Columns of the event store's manifest: files, watermarks, counters and conflicts."""

from __future__ import annotations

from django.db import models


class StoreHead(models.Model):
    """One row. Its version grows with every compaction, so that of two at once only one commits."""

    version = models.PositiveBigIntegerField(default=0)


class StoreFile(models.Model):
    """One immutable Parquet file. A retired one is deleted after a grace period for its readers."""

    id = models.UUIDField(primary_key=True)
    environment_id = models.UUIDField()
    kind = models.CharField(max_length=16)
    day = models.DateField()
    path = models.CharField(max_length=200)
    rows = models.PositiveIntegerField()
    earliest = models.DateTimeField()
    latest = models.DateTimeField()
    created_at = models.DateTimeField()
    arrival = models.PositiveBigIntegerField(default=0)
    """The last round of compaction whose events it holds; its rows say each their own."""
    retired_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["environment_id", "kind", "day"], name="store_file_partition"),
            models.Index(fields=["retired_at"], name="store_file_retired"),
        ]


class InboxWatermark(models.Model):
    """Up to which batch an inbox file is in the store."""

    inbox = models.CharField(max_length=64, primary_key=True)
    batch = models.PositiveBigIntegerField()


class EventCounter(models.Model):
    """What compaction has counted in one environment."""

    environment_id = models.UUIDField(primary_key=True)
    stored = models.PositiveBigIntegerField(default=0)
    duplicates = models.PositiveBigIntegerField(default=0)
    conflicting = models.PositiveBigIntegerField(default=0)
    quarantined = models.PositiveBigIntegerField(default=0)
    late = models.PositiveBigIntegerField(default=0)
    early = models.PositiveBigIntegerField(default=0)


class ConflictingEvent(models.Model):
    """An event whose id is in the store with other content; kept redacted."""

    environment_id = models.UUIDField()
    event_id = models.UUIDField()
    received_at = models.DateTimeField()
    event = models.TextField()

    class Meta:
        indexes = [models.Index(fields=["environment_id", "-received_at"], name="conflict_newest")]
