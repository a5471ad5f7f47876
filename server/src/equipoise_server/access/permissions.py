"""Roles are named sets of permissions; this table is the whole truth."""

from __future__ import annotations

from equipoise_server.access.values import Permission, Role

_READ = frozenset({Permission.PROJECT_READ, Permission.AUDIT_READ})
_EXPERIMENT = frozenset(
    {
        Permission.EXPERIMENT_EDIT,
        Permission.EXPERIMENT_LAUNCH,
        Permission.EXPERIMENT_STOP,
        Permission.EXPERIMENT_DECIDE,
        Permission.EXPERIMENT_IMPORT,
        Permission.METRIC_EDIT,
        Permission.EVENT_REPLAY,
        Permission.JOB_MANAGE,
        Permission.FLAG_KILL,
    }
)
_ENGINEER = frozenset(
    {Permission.FLAG_EDIT, Permission.FLAG_UNKILL, Permission.KEY_MANAGE, Permission.METRIC_CERTIFY}
)

ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: _READ,
    Role.EXPERIMENTER: _READ | _EXPERIMENT | {Permission.FLAG_EDIT},
    Role.ENGINEER: _READ | _EXPERIMENT | _ENGINEER,
    Role.ADMIN: frozenset(Permission),
}

# What automation may do by itself: hold, stop and kill; never promote or decide.
AUTOMATION_PERMISSIONS = frozenset(
    {Permission.PROJECT_READ, Permission.FLAG_KILL, Permission.EXPERIMENT_STOP}
)
