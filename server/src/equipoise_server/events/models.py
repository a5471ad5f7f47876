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
    erased = models.PositiveBigIntegerField(default=0)
    """Of erased units, after their erasure: taken in, not stored."""


class ConflictingEvent(models.Model):
    """An event whose id is in the store with other content; kept redacted."""

    environment_id = models.UUIDField()
    event_id = models.UUIDField()
    received_at = models.DateTimeField()
    event = models.TextField()

    class Meta:
        indexes = [models.Index(fields=["environment_id", "-received_at"], name="conflict_newest")]


class Erasure(models.Model):
    """A request to erase units, and how far it is. What is left of it at the end names no unit."""

    id = models.UUIDField(primary_key=True)
    project_id = models.UUIDField(db_index=True)
    unit_type = models.CharField(max_length=64)
    asked = models.PositiveIntegerField()
    request_sha256 = models.CharField(max_length=64)
    author_kind = models.CharField(max_length=16)
    author_id = models.CharField(max_length=64)
    author_name = models.CharField(max_length=200)
    asked_at = models.DateTimeField()
    step = models.CharField(max_length=16)
    step_since = models.DateTimeField()
    removed = models.JSONField(default=dict)
    """By place: how much was taken out there."""
    waits_for = models.TextField(blank=True)
    finished_at = models.DateTimeField(null=True)


class ErasureUnit(models.Model):
    """A unit to erase. Deleted, and its page overwritten, before the erasure is called finished."""

    erasure = models.ForeignKey(Erasure, on_delete=models.CASCADE, related_name="units")
    unit = models.CharField(max_length=256)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["erasure", "unit"], name="unit_asked_once")]


class Tombstone(models.Model):
    """An erased unit of an environment, as a keyed hash: its events are not stored any more."""

    environment_id = models.UUIDField()
    digest = models.CharField(max_length=64)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["environment_id", "digest"], name="one_tombstone")]


class InboxScrub(models.Model):
    """An inbox file from which an erasure wants everything that the store holds, free pages included."""

    erasure = models.ForeignKey(Erasure, on_delete=models.CASCADE, related_name="scrubs")
    inbox = models.CharField(max_length=64)
    quarantined = models.PositiveIntegerField(default=0)
    done_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["erasure", "inbox"], name="one_scrub_each")]


class Retention(models.Model):
    """How long an environment keeps raw events and refused ones. No row: for ever, and 30 days."""

    environment_id = models.UUIDField(primary_key=True)
    event_days = models.PositiveIntegerField(null=True)
    quarantine_days = models.PositiveIntegerField(default=30)
    version = models.PositiveIntegerField(default=1)
    dropped_through = models.DateField(null=True)
    """The last day whose events are gone."""
    waits_for = models.TextField(blank=True)
