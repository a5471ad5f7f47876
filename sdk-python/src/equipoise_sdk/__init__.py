"""Equipoise for Python applications: local evaluation, exposures, events.

import equipoise_sdk

client = equipoise_sdk.connect("https://flags.example.org", "eq_…")
if client.boolean("checkout-button", False, {"units": {"user": "u1"}}):
    ...
"""

from __future__ import annotations

from equipoise_engine import Context, Decision, Enrolment, ErrorCode, Reason
from equipoise_sdk.client import Client, InMemoryClient, Status
from equipoise_sdk.keeper import Source
from equipoise_sdk.opening import connect, in_memory
from equipoise_sdk.settings import PER_USER, Outside

__all__ = [
    "PER_USER",
    "Client",
    "Context",
    "Decision",
    "Enrolment",
    "ErrorCode",
    "InMemoryClient",
    "Outside",
    "Reason",
    "Source",
    "Status",
    "connect",
    "in_memory",
]
