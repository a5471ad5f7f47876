"""Pure evaluation of Equipoise flags and experiments: a snapshot and a context in, a decision out.

Knows no network, no disk, no clock and no randomness. What it computes is written in spec/.
"""

from __future__ import annotations

from equipoise_engine.canonical import canonical_json, content_hash
from equipoise_engine.contexts import Context
from equipoise_engine.decisions import Decision, Enrolment, ErrorCode, Reason
from equipoise_engine.explanations import Finding, Step
from equipoise_engine.hashing import canonical_unit, hash_unit, pick, slot
from equipoise_engine.members import Members, members_blob
from equipoise_engine.metadata import Scalar
from equipoise_engine.problems import Problem, SnapshotError
from equipoise_engine.snapshot import Snapshot, compile_snapshot
from equipoise_engine.validation import validate_snapshot

__all__ = [
    "Context",
    "Decision",
    "Enrolment",
    "ErrorCode",
    "Finding",
    "Members",
    "Problem",
    "Reason",
    "Scalar",
    "Snapshot",
    "SnapshotError",
    "Step",
    "canonical_json",
    "canonical_unit",
    "compile_snapshot",
    "content_hash",
    "hash_unit",
    "members_blob",
    "pick",
    "slot",
    "validate_snapshot",
]
