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
    due_at = models.DateTimeField()
    leased_until = models.DateTimeField(null=True)
    leased_by = models.CharField(max_length=64, default="", blank=True)
    attempts = models.PositiveIntegerField(default=0)
    last_error = models.TextField(default="", blank=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "key"],
                condition=models.Q(finished_at=None),
                name="one_open_slot_per_key",
            )
        ]
        indexes = [models.Index(fields=["finished_at", "due_at"], name="due_work_open")]


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
