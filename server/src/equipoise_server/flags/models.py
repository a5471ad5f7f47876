"""Columns of flags, their settings per environment, segments, kills and pins."""

from __future__ import annotations

from django.db import models

from equipoise_server.foundation.ids import new_id


class Flag(models.Model):
    """A typed value that code asks for by key; its key is taken for ever, archived or not."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project_id = models.UUIDField(db_index=True)
    key = models.CharField(max_length=64)
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    type = models.CharField(max_length=16)
    kind = models.CharField(max_length=16)
    owner = models.CharField(max_length=200, blank=True)
    variants = models.JSONField()
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField()
    archived_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project_id", "key"], name="flag_key_once")]


class FlagSettings(models.Model):
    """What one environment serves of a flag."""

    flag = models.ForeignKey(Flag, on_delete=models.PROTECT, related_name="settings")
    environment_id = models.UUIDField(db_index=True)
    off = models.CharField(max_length=64)
    default = models.CharField(max_length=64)
    overrides = models.JSONField(default=list)
    rules = models.JSONField(default=list)
    prerequisites = models.JSONField(default=list)
    killed_at = models.DateTimeField(null=True)
    version = models.PositiveIntegerField(default=1)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["flag", "environment_id"], name="one_settings_per_environment")
        ]


class Pin(models.Model):
    """A running experiment that sets a flag in one environment."""

    flag = models.ForeignKey(Flag, on_delete=models.PROTECT, related_name="pins")
    environment_id = models.UUIDField()
    experiment_id = models.UUIDField(db_index=True)
    experiment_key = models.CharField(max_length=64)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["flag", "environment_id", "experiment_id"], name="one_pin_per_experiment"
            )
        ]


class Baseline(models.Model):
    """What units of a holdout get of a flag in one environment, for as long as its season is open."""

    flag = models.ForeignKey(Flag, on_delete=models.PROTECT, related_name="baselines")
    environment_id = models.UUIDField()
    holdout_id = models.UUIDField(db_index=True)
    holdout_key = models.CharField(max_length=64)
    unit_type = models.CharField(max_length=64)
    variant = models.CharField(max_length=64)
    since = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["flag", "environment_id", "unit_type"], name="one_holdout_per_unit_type"
            )
        ]


class Segment(models.Model):
    """A reusable named condition of a project."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project_id = models.UUIDField(db_index=True)
    key = models.CharField(max_length=64)
    name = models.CharField(max_length=200)
    condition = models.JSONField()
    is_computed = models.BooleanField(default=False)
    version = models.PositiveIntegerField(default=1)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project_id", "key"], name="segment_key_once")]


class MemberList(models.Model):
    """The list of units of a segment that is one: how it is hashed and what it holds now."""

    segment = models.OneToOneField(
        Segment, on_delete=models.CASCADE, related_name="members", primary_key=True
    )
    unit_type = models.CharField(max_length=64)
    salt = models.CharField(max_length=64)
    member_count = models.PositiveIntegerField(default=0)
    address = models.CharField(max_length=64, blank=True)
    changed_at = models.DateTimeField()


class MemberBlob(models.Model):
    """The hashes of a list under their SHA-256. Kept for as long as a replay may ask for them."""

    address = models.CharField(max_length=64, primary_key=True)
    project_id = models.UUIDField(db_index=True)
    content = models.BinaryField()
    created_at = models.DateTimeField()
    left_at = models.DateTimeField(null=True)


class SegmentPin(models.Model):
    """A running experiment whose eligibility uses a segment."""

    segment = models.ForeignKey(Segment, on_delete=models.PROTECT, related_name="pins")
    environment_id = models.UUIDField()
    experiment_id = models.UUIDField(db_index=True)
    experiment_key = models.CharField(max_length=64)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["segment", "environment_id", "experiment_id"],
                name="one_segment_pin_per_experiment",
            )
        ]


class EnvironmentKill(models.Model):
    """An environment whose every flag serves its off variant."""

    environment_id = models.UUIDField(primary_key=True)
    killed_at = models.DateTimeField()


class Group(models.Model):
    """A named set of a project's flags that can be killed together."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project_id = models.UUIDField(db_index=True)
    key = models.CharField(max_length=64)
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    flags = models.ManyToManyField(Flag, related_name="groups")
    version = models.PositiveIntegerField(default=1)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project_id", "key"], name="group_key_once")]


class GroupKill(models.Model):
    """A group whose flags serve their off variants in one environment."""

    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="kills")
    environment_id = models.UUIDField()
    killed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["group", "environment_id"], name="one_kill_per_environment")
        ]


class PreviewKey(models.Model):
    """The key that signs an environment's preview links; made with the first link, replaced by revoking."""

    environment_id = models.UUIDField(primary_key=True)
    key = models.CharField(max_length=64)
    created_at = models.DateTimeField()


class Ramp(models.Model):
    """A rollout whose share rises at set times."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    flag = models.ForeignKey(Flag, on_delete=models.CASCADE, related_name="ramps")
    environment_id = models.UUIDField(db_index=True)
    rule_id = models.CharField(max_length=64)
    ring_id = models.CharField(max_length=64, blank=True)
    steps = models.JSONField()
    done_count = models.PositiveSmallIntegerField(default=0)
    from_parts_per_million = models.PositiveIntegerField(null=True)
    held_since = models.DateTimeField(null=True)
    paused_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    note = models.TextField(blank=True)
    created_at = models.DateTimeField()
