"""Columns of people, projects, environments, roles and keys."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models

from equipoise_server.access.values import Role
from equipoise_server.foundation.exposure_tokens import TokenRule
from equipoise_server.foundation.ids import new_id


class User(AbstractBaseUser):
    """A person who signs in with an e-mail address."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=200)
    may_create_projects = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]
    objects: ClassVar[models.Manager[User]] = models.Manager()


class FailedSignIn(models.Model):
    """A wrong password, kept while it counts."""

    account = models.CharField(max_length=64)
    """The SHA-256 of the e-mail address that was typed."""
    address = models.CharField(max_length=64)
    at = models.DateTimeField(db_index=True)


class Project(models.Model):
    """A product or team: the scope of flags, experiments, metrics and roles."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    key = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=200)
    unit_types = models.JSONField(default=list)
    default_unit_type = models.CharField(max_length=64)
    is_pseudonymised = models.BooleanField(default=False)
    created_at = models.DateTimeField()


class Environment(models.Model):
    """Where snapshots go: development, production, …"""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="environments")
    key = models.CharField(max_length=64)
    name = models.CharField(max_length=200)
    is_protected = models.BooleanField(default=False)
    position = models.PositiveSmallIntegerField(default=0)
    exposure_tokens = models.CharField(max_length=16, default=TokenRule.OFF.value)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "key"], name="environment_key_once")]


class ExposureTokenKey(models.Model):
    """A key that signs an environment's exposure tokens; the newest signs, others are good for a time."""

    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="token_keys")
    number = models.PositiveIntegerField()
    secret = models.CharField(max_length=64)
    made_at = models.DateTimeField()
    until = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["environment", "number"], name="token_key_number_once")
        ]


class Membership(models.Model):
    """A person's role in a project."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=32, choices=[(role.value, role.value) for role in Role])

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "project"], name="one_role_per_project")]


class SdkKey(models.Model):
    """A key of an environment for SDKs; only the SHA-256 of its secret is kept."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="sdk_keys")
    kind = models.CharField(max_length=16)
    name = models.CharField(max_length=200)
    prefix = models.CharField(max_length=64, unique=True)
    secret_sha256 = models.CharField(max_length=64)
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)


class ApiToken(models.Model):
    """A person's token for the management API; it can do what the person can, until it expires."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=200)
    prefix = models.CharField(max_length=64, unique=True)
    secret_sha256 = models.CharField(max_length=64)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    # Both or neither: a token of one project has no more than this role there, and nothing elsewhere.
    project = models.ForeignKey(Project, on_delete=models.PROTECT, null=True, related_name="api_tokens")
    role = models.CharField(max_length=32, blank=True)
