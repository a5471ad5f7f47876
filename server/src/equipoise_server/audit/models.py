"""Columns of the audit chain. Rows are only ever added."""

from __future__ import annotations

from django.db import models


class ChainHead(models.Model):
    """The newest record's number and hash; locking it orders all writers."""

    number = models.PositiveBigIntegerField(default=0)
    hash = models.CharField(max_length=64)


class AuditRecord(models.Model):
    """One mutation: its author, its changes and the link to the record before it."""

    number = models.PositiveBigIntegerField(primary_key=True)
    at = models.DateTimeField(db_index=True)
    author_kind = models.CharField(max_length=16)
    author_id = models.CharField(max_length=64)
    author_name = models.CharField(max_length=200)
    action = models.CharField(max_length=64)
    reason = models.TextField(blank=True)
    changes = models.JSONField()
    revisions = models.JSONField()
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)


class AuditedSubject(models.Model):
    """Which subjects a record is about, for reading one subject's history."""

    record = models.ForeignKey(AuditRecord, on_delete=models.PROTECT, related_name="subjects")
    kind = models.CharField(max_length=32)
    subject_id = models.UUIDField()
    project_id = models.UUIDField(null=True, db_index=True)

    class Meta:
        indexes = [models.Index(fields=["kind", "subject_id"], name="audit_by_subject")]
