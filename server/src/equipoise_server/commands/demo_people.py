"""The demo's accounts: who can sign in, and what the terminal says about them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who can sign in to the demo; `role` is one of the project's roles."""

    email: str
    name: str
    role: str
    does: str


ADA = Account("ada@example.com", "Ada Lovelace", "admin", "everything")
GRACE = Account("grace@example.com", "Grace Hopper", "engineer", "flags, keys and experiments")
PAT = Account("pat@example.com", "Pat Lee", "experimenter", "plans, launches and decides experiments")
VIC = Account("vic@example.com", "Vic Stone", "viewer", "reads")
ACCOUNTS = (ADA, GRACE, PAT, VIC)
PASSWORD = "equipoise-demo"  # noqa: S105  # printed for everybody; the demo listens on this machine alone
