"""Columns of what analysis keeps: frozen facts of an iteration, its ledger of looks, its last report."""

from __future__ import annotations

from django.db import models


class FrozenFacts(models.Model):
    """What the first build of an iteration fixes for good, and alarms that have sounded."""

    iteration_id = models.UUIDField(primary_key=True)
    pivots = models.JSONField()
    expected_units = models.PositiveIntegerField()
    breached = models.JSONField(default=list)


class Look(models.Model):
    """One look: decision numbers as of an instant. Written once; taken away while results are withheld."""

    iteration_id = models.UUIDField()
    number = models.PositiveIntegerField()
    as_of = models.DateTimeField()
    is_final = models.BooleanField()
    found = models.JSONField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["iteration_id", "as_of"], name="one_look_at_an_instant"),
            models.UniqueConstraint(fields=["iteration_id", "number"], name="looks_are_numbered"),
        ]


class StoredReport(models.Model):
    """The last report of an iteration."""

    iteration_id = models.UUIDField(primary_key=True)
    computed_at = models.DateTimeField()
    is_final = models.BooleanField(default=False)
    report = models.JSONField()


class SplitWatch(models.Model):
    """What the sample-ratio gate remembers of an iteration between refreshes."""

    iteration_id = models.UUIDField(primary_key=True)
    looked_at = models.DateTimeField(null=True)
    alerted_at = models.DateTimeField(null=True)
    confirmed_at = models.DateTimeField(null=True)
    cleared_through = models.DateField(null=True)


class SplitSignature(models.Model):
    """Somebody signed that a lock is a false alarm; `locked_at` says which lock."""

    iteration_id = models.UUIDField()
    locked_at = models.DateTimeField()
    author_id = models.CharField(max_length=100)
    author_name = models.CharField(max_length=200)
    reason = models.TextField()
    signed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["iteration_id", "locked_at", "author_id"], name="nobody_signs_a_lock_twice"
            ),
        ]


class ExposureReading(models.Model):
    """How far the table of exposures of an iteration was read; without a row it was not read yet."""

    iteration_id = models.UUIDField(primary_key=True)
    read_at = models.DateTimeField()
    whole_at = models.DateTimeField()
    seen_until = models.DateTimeField(null=True)
    rows = models.PositiveBigIntegerField()
    bytes = models.PositiveBigIntegerField()
    seconds = models.FloatField()
    taken = models.PositiveBigIntegerField()
    unusable = models.PositiveBigIntegerField()
    erased = models.PositiveBigIntegerField()


class StateDoubt(models.Model):
    """An iteration whose state was found to differ from the raw events; its results are withheld."""

    iteration_id = models.UUIDField(primary_key=True)
    found_at = models.DateTimeField()
    told = models.TextField()


class LookEvidence(models.Model):
    """The moments and the plan that the last look was judged by; gone while results are withheld."""

    iteration_id = models.UUIDField(primary_key=True)
    as_of = models.DateTimeField()
    document = models.JSONField()


class TrafficFilterVersion(models.Model):
    """One version of a project's traffic filter; never changed, and one without rules leaves nobody out."""

    project_id = models.UUIDField()
    version = models.PositiveIntegerField()
    rules = models.JSONField()
    created_at = models.DateTimeField()
    author = models.CharField(max_length=200)
    reason = models.TextField(default="", blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project_id", "version"], name="traffic_filters_are_versioned"),
        ]


class HoldoutReport(models.Model):
    """What was found last about one season of a holdout in one environment."""

    holdout_id = models.UUIDField()
    environment_id = models.UUIDField()
    season = models.PositiveIntegerField()
    computed_at = models.DateTimeField()
    report = models.JSONField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["holdout_id", "environment_id", "season"], name="one_holdout_report"
            ),
        ]
