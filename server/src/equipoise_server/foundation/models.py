"""Columns of what every room stands on: environments' revisions and due work."""

from __future__ import annotations

from django.db import models


class EnvironmentRevision(models.Model):
    """The number of an environment's configuration. It only grows; a restore starts a new epoch."""

    environment_id = models.UUIDField(primary_key=True)
    epoch = models.PositiveIntegerField(default=1)
    number = models.PositiveIntegerField(default=0)
    changed_at = models.DateTimeField()


class DueWork(models.Model):
    """One piece of work that falls due at a time. A slot (kind, key) exists once while it is open."""

    kind = models.CharField(max_length=64)
    key = models.CharField(max_length=200)
    payload = models.JSONField(default=dict)
    project_id = models.UUIDField(null=True)
    """Whose work it is; None for the installation's."""
    label = models.CharField(max_length=200, default="", blank=True)
    """What it is about, in words."""
    holds = models.CharField(max_length=100, default="", blank=True)
    """What it alone may touch while it runs; "" for nothing."""
    due_at = models.DateTimeField()
    opened_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    """When the attempt under way, or the last one, began."""
    leased_until = models.DateTimeField(null=True)
    leased_by = models.CharField(max_length=64, default="", blank=True)
    token = models.PositiveBigIntegerField(default=0)
    """Grows with every lease: whoever holds an older one commits nothing any more."""
    attempts = models.PositiveIntegerField(default=0)
    last_error = models.TextField(default="", blank=True)
    last_problems = models.JSONField(default=list)
    """Of the last attempt that failed: [field, sentence with the way out]."""
    failed_at = models.DateTimeField(null=True)
    progress = models.JSONField(null=True)
    cost = models.JSONField(null=True)
    cancel_asked_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=16, default="", blank=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "key"],
                condition=models.Q(finished_at=None),
                name="one_open_slot_per_key",
            ),
            models.UniqueConstraint(
                fields=["holds"],
                condition=models.Q(finished_at=None) & ~models.Q(leased_by="") & ~models.Q(holds=""),
                name="one_holder_at_a_time",
            ),
        ]
        indexes = [
            models.Index(fields=["finished_at", "due_at"], name="due_work_open"),
            models.Index(fields=["kind", "key", "finished_at"], name="due_work_slot"),
            models.Index(fields=["project_id", "finished_at"], name="due_work_project"),
        ]


class WorkerBeat(models.Model):
    """A worker process, and when it was last known to live."""

    owner = models.CharField(max_length=64, primary_key=True)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField(db_index=True)


class RememberedAnswer(models.Model):
    """The answer to a request that its client may repeat under the same key."""

    owner = models.CharField(max_length=64)
    key = models.CharField(max_length=200)
    request_sha256 = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(default=0)
    body = models.TextField(null=True)  # None: shown once, not kept
    etag = models.CharField(max_length=80, default="", blank=True)
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "key"], name="one_answer_per_key")]
