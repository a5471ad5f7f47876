"""Groups of flags as pages show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from equipoise_server.dashboard.forms import Form
from equipoise_server.flags.values import Flag, Group


@dataclass(frozen=True, slots=True)
class GroupRow:
    """One group, and since when it is killed in the environment shown."""

    key: str
    name: str
    description: str
    flags: tuple[str, ...]
    killed_at: datetime | None


@dataclass(frozen=True, slots=True)
class GroupsPage:
    """The groups of a project, the killed ones first."""

    rows: tuple[GroupRow, ...]
    may_edit: bool
    may_kill: bool
    may_unkill: bool


@dataclass(frozen=True, slots=True)
class GroupPage:
    """The form of a group; without one, of a new group."""

    group: Group | None
    form: Form
    flags: Sequence[Flag]


def groups_page(
    groups: Sequence[Group], environment_id: UUID, *, may_edit: bool, may_kill: bool, may_unkill: bool
) -> GroupsPage:
    """The list in one environment."""
    rows = [
        GroupRow(one.key, one.name, one.description, one.flags, one.killed.get(environment_id))
        for one in groups
    ]
    ordered = tuple(sorted(rows, key=lambda row: row.killed_at is None))
    return GroupsPage(ordered, may_edit, may_kill, may_unkill)
