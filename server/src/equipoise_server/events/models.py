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
    sender_key = models.CharField(max_length=200, blank=True)
    program = models.CharField(max_length=64, blank=True)

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


class SenderCount(models.Model):
    """What compaction has counted of one sender's events, by the UTC day on which they arrived.

    `sender_key` is the name of the SDK key, `program` what the sender calls itself; "" where unknown.
    """

    environment_id = models.UUIDField()
    day = models.DateField()
    sender_key = models.CharField(max_length=200, blank=True)
    program = models.CharField(max_length=64, blank=True)
    stored = models.PositiveBigIntegerField(default=0)
    duplicates = models.PositiveBigIntegerField(default=0)
    conflicting = models.PositiveBigIntegerField(default=0)
    quarantined = models.BigIntegerField(default=0)
    """Less what a replay took out; for an instant that may be counted first."""
    erased = models.PositiveBigIntegerField(default=0)
    late = models.PositiveBigIntegerField(default=0)
    early = models.PositiveBigIntegerField(default=0)
    corrected = models.PositiveBigIntegerField(default=0)
    """Sent by a clock that was over a minute off."""
    furthest_ahead_ms = models.PositiveBigIntegerField(default=0)
    furthest_behind_ms = models.PositiveBigIntegerField(default=0)
    last_received_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["environment_id", "day", "sender_key", "program"], name="one_count_a_sender"
            )
        ]


class LossCount(models.Model):
    """Events that senders say they dropped, by reason and the UTC day on which they told it."""

    environment_id = models.UUIDField()
    day = models.DateField()
    sender_key = models.CharField(max_length=200, blank=True)
    program = models.CharField(max_length=64, blank=True)
    reason = models.CharField(max_length=32)
    events = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["environment_id", "day", "sender_key", "program", "reason"], name="one_count_a_loss"
            )
        ]


class ToldBatch(models.Model):
    """A batch whose losses or releases were counted: sent again, they are not counted again."""

    environment_id = models.UUIDField()
    batch = models.UUIDField()
    received_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["environment_id", "batch"], name="one_telling")]


class HeldBatch(models.Model):
    """A batch below its inbox's watermark that is not in the store: it waits for its project's key."""

    inbox = models.CharField(max_length=64)
    batch = models.PositiveBigIntegerField()
    environment_id = models.UUIDField(db_index=True)
    events = models.PositiveBigIntegerField()
    held_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["inbox", "batch"], name="held_once")]


class Replay(models.Model):
    """Quarantined events that somebody asked to be judged again, and what became of them."""

    id = models.UUIDField(primary_key=True)
    environment_id = models.UUIDField(db_index=True)
    fault = models.CharField(max_length=16, blank=True)
    """The reason they share; "" where events were chosen one by one."""
    repairs = models.JSONField(default=list)
    vocabulary = models.JSONField(default=dict)
    """What messages of Segment's calls may name, as the environment said when it was asked."""
    author_name = models.CharField(max_length=200)
    asked_at = models.DateTimeField()
    chosen = models.PositiveIntegerField()
    accepted = models.PositiveIntegerField(default=0)
    finished_at = models.DateTimeField(null=True)


class ReplayedEvent(models.Model):
    """A quarantined event that a replay holds, by its place in an inbox file; one replay at a time."""

    replay = models.ForeignKey(Replay, on_delete=models.CASCADE, related_name="events")
    inbox = models.CharField(max_length=64)
    place = models.PositiveBigIntegerField()
    is_cleared = models.BooleanField(default=False)
    """Whether the inbox file has forgotten it, after it was taken."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["inbox", "place"], name="replayed_once")]
        indexes = [models.Index(fields=["inbox", "is_cleared"], name="replayed_in_inbox")]
