"""Columns of layers, experiments, their iterations and the slots these hold."""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.db.models import F, Q

from equipoise_server.foundation.ids import new_id


class Layer(models.Model):
    """An independently randomised division of an environment's units; its salt never changes."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project_id = models.UUIDField(db_index=True)
    environment_id = models.UUIDField()
    key = models.CharField(max_length=64)
    name = models.CharField(max_length=200)
    unit_type = models.CharField(max_length=64)
    salt = models.CharField(max_length=16)
    own_of = models.ForeignKey("Experiment", on_delete=models.PROTECT, null=True, related_name="own_layers")
    is_launch = models.BooleanField(default=False)
    inside = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="nested")
    domain = models.JSONField(default=list)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["environment_id", "key"], name="layer_key_once"),
            models.UniqueConstraint(fields=["environment_id", "own_of"], name="one_own_layer"),
        ]


class Experiment(models.Model):
    """An experiment: its one status, and the design that its next iteration will freeze."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project_id = models.UUIDField(db_index=True)
    key = models.CharField(max_length=64)
    name = models.CharField(max_length=200)
    owner = models.CharField(max_length=200, blank=True)
    status = models.CharField(max_length=16)
    design = models.JSONField()
    decision = models.JSONField(null=True)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project_id", "key"], name="experiment_key_once")]


class Iteration(models.Model):
    """One run. All but the gate, the end and the verdict is written once."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    experiment = models.ForeignKey(Experiment, on_delete=models.PROTECT, related_name="iterations")
    environment_id = models.UUIDField(db_index=True)
    number = models.PositiveIntegerField()
    design = models.JSONField()
    salt = models.CharField(max_length=16, blank=True)
    gate_salt = models.CharField(max_length=16, blank=True)
    gate_parts_per_million = models.PositiveIntegerField()
    layer = models.ForeignKey(Layer, on_delete=models.PROTECT, null=True, related_name="iterations")
    slots = models.JSONField(default=list)
    started_at = models.DateTimeField()
    planned_end_at = models.DateTimeField(null=True)
    stopped_at = models.DateTimeField(null=True)
    stop_reason = models.TextField(blank=True)
    stop_cause = models.CharField(max_length=16, null=True)
    is_imported = models.BooleanField(default=False)
    verdict = models.JSONField(null=True)
    schedule = models.JSONField(null=True)
    gates = models.JSONField(default=list)
    ramp_paused_at = models.DateTimeField(null=True)
    ramp_held_since = models.DateTimeField(null=True)
    ramp_note = models.TextField(blank=True)
    ramp_delay = models.DurationField(default=timedelta)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["experiment", "number"], name="iteration_number_once"),
            models.UniqueConstraint(
                fields=["experiment"], condition=Q(stopped_at=None), name="one_running_iteration"
            ),
            models.CheckConstraint(
                condition=Q(gate_parts_per_million__lte=1_000_000), name="gate_within_the_whole"
            ),
        ]


class SlotRange(models.Model):
    """Slots of a layer: of an iteration, from its launch until people have decided, or of a nested layer."""

    layer = models.ForeignKey(Layer, on_delete=models.PROTECT, related_name="held")
    iteration = models.ForeignKey(Iteration, on_delete=models.PROTECT, null=True, related_name="held")
    nested = models.ForeignKey(Layer, on_delete=models.PROTECT, null=True, related_name="holds")
    first = models.PositiveIntegerField()
    end = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["layer", "first"], name="slot_held_once"),
            models.CheckConstraint(
                condition=Q(first__lt=F("end")) & Q(end__lte=10_000), name="slots_within_the_layer"
            ),
            models.CheckConstraint(
                condition=Q(iteration=None, nested__isnull=False) | Q(iteration__isnull=False, nested=None),
                name="slots_have_one_holder",
            ),
        ]


class Holdout(models.Model):
    """Units that the organisation keeps on the baseline; its key is taken for ever."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    key = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    unit_type = models.CharField(max_length=64)
    parts_per_million = models.PositiveIntegerField()
    scope = models.JSONField()
    closed_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    version = models.PositiveIntegerField(default=1)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(parts_per_million__gt=0) & Q(parts_per_million__lte=1_000_000),
                name="holdout_within_the_whole",
            )
        ]


class Season(models.Model):
    """One draw of a holdout's units, by a salt of its own."""

    holdout = models.ForeignKey(Holdout, on_delete=models.PROTECT, related_name="seasons")
    number = models.PositiveIntegerField()
    salt = models.CharField(max_length=16)
    started_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["holdout", "number"], name="season_number_once")]
