"""Who else reads over a connection, as rooms above say it. A connection in use is not archived."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

Users = Callable[[UUID, str], tuple[str, ...]]
_users: list[Users] = []


def fill_usage_port(users: Users) -> None:
    """Let a room name what it has over a project's connection. Called at start-up."""
    if users not in _users:
        _users.append(users)


def others_using(project_id: UUID, connection: str) -> tuple[str, ...]:
    """What rooms above have over a connection, as people read it."""
    return tuple(named for users in _users for named in users(project_id, connection))
