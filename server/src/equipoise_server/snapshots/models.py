"""Columns of kept snapshots: lists of content-addressed pieces. Rows are only ever added."""

from __future__ import annotations

from django.db import models


class Piece(models.Model):
    """The canonical JSON of one flag, experiment, layer or segment, under its SHA-256."""

    sha256 = models.CharField(max_length=64, primary_key=True)
    content = models.TextField()


class Snapshot(models.Model):
    """One environment's snapshot at one revision: its head, and the hashes of its pieces."""

    environment_id = models.UUIDField()
    epoch = models.PositiveIntegerField()
    number = models.PositiveIntegerField()
    created_at = models.DateTimeField()
    hash = models.CharField(max_length=64)
    byte_count = models.PositiveIntegerField()
    head = models.JSONField()
    pieces = models.JSONField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["environment_id", "epoch", "number"], name="one_snapshot_each")
        ]
        indexes = [models.Index(fields=["environment_id", "created_at"], name="snapshot_at_a_time")]
