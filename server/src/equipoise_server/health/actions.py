"""What changes health checks, tries plans, and asks about what is due."""

from __future__ import annotations

from equipoise_server.health.asking import ask_due, take_on, try_plan
from equipoise_server.health.checking import (
    CreateCheck,
    DeleteCheck,
    ReviseCheck,
    create_check,
    delete_check,
    revise_check,
)

__all__ = [
    "CreateCheck",
    "DeleteCheck",
    "ReviseCheck",
    "ask_due",
    "create_check",
    "delete_check",
    "revise_check",
    "take_on",
    "try_plan",
]
