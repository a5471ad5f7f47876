"""Equipoise for Python applications: local evaluation, exposures, events.

import equipoise_sdk

client = equipoise_sdk.connect("https://flags.example.org", "eq_…")
if client.boolean("checkout-button", False, {"units": {"user": "u1"}}):
    ...
"""

from __future__ import annotations

from equipoise_engine import Context, Decision, Enrolment, ErrorCode, Reason, Step
from equipoise_sdk.client import Client, Status
from equipoise_sdk.keeper import Source
from equipoise_sdk.news import Event, Turn
from equipoise_sdk.opening import connect, in_memory
from equipoise_sdk.outbox import Drop
from equipoise_sdk.rehearsal import InMemoryClient
from equipoise_sdk.settings import PER_USER, Outside
from equipoise_sdk.stickiness import MemoryStickyStore, SqliteStickyStore, StickyStore
from equipoise_sdk.timing import Evaluations

__all__ = [
    "PER_USER",
    "Client",
    "Context",
    "Decision",
    "Drop",
    "Enrolment",
    "ErrorCode",
    "Evaluations",
    "Event",
    "InMemoryClient",
    "MemoryStickyStore",
    "Outside",
    "Reason",
    "Source",
    "SqliteStickyStore",
    "Status",
    "Step",
    "StickyStore",
    "Turn",
    "connect",
    "in_memory",
]
