"""Who would get what of a flag with other settings: shares of variants and steps among many units. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from equipoise_engine import Decision, Snapshot
from equipoise_server.snapshots.composing import Document

MADE_UP_UNITS = 10_000
_NAMES = ("prerequisite", "holdout.key", "experiment.key", "rule", "kill_level")
"""The members of metadata that name what a step is about."""


@dataclass(frozen=True, slots=True)
class Proposed:
    """A flag in an environment, with the settings that somebody proposes; None means those of now."""

    environment_id: UUID
    flag_key: str
    node: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Served:
    """How many of some units got each variant, and by which step (its kind and what it is about)."""

    units: int
    variants: Mapping[str, int]
    steps: Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class FlagShares:
    """Shares among made-up units, and among units seen lately; `reason` says why there are none of these."""

    made_up: Served
    recent: Served | None
    reason: str


def with_node(document: Document, proposed: Proposed) -> Document:
    """The document with the proposed settings; what experiments and holdouts say of the flag stays."""
    if proposed.node is None:
        return document
    flags = document["flags"]
    assert isinstance(flags, dict)
    changed = {**flags[proposed.flag_key], "prerequisites": [], **proposed.node}
    rest = {name: value for name, value in document.items() if name != "hash"}
    return {**rest, "flags": {**flags, proposed.flag_key: changed}}


def made_up_contexts(
    unit_types: Sequence[str], attributes: Mapping[str, object], *, now: datetime
) -> Iterator[Mapping[str, object]]:
    """Units that nobody has, all with the same attributes."""
    for place in range(MADE_UP_UNITS):
        units = dict.fromkeys(unit_types, f"unit-{place}")
        yield {"units": units, "attributes": attributes, "now": now.timestamp()}


def served_by(snapshot: Snapshot, flag_key: str, contexts: Iterable[Mapping[str, object]]) -> Served:
    """Ask for every unit, and count."""
    variants: Counter[str] = Counter()
    steps: Counter[tuple[str, str]] = Counter()
    for context in contexts:
        decision = snapshot.evaluate(flag_key, context, None)
        variants[decision.variant or ""] += 1
        steps[_step(decision)] += 1
    return Served(variants.total(), dict(variants.most_common()), dict(steps.most_common()))


def _step(decision: Decision) -> tuple[str, str]:
    metadata = decision.metadata
    kind = str(metadata["step"])
    if kind == "default":
        return kind, ""
    about = next((str(metadata[name]) for name in _NAMES if name in metadata and _names(name, kind)), "")
    ring = metadata.get("ring")
    return kind, f"{about} / {ring}" if ring else about


def _names(member: str, kind: str) -> bool:
    """Whether a member of metadata names what this kind of step is about."""
    return member.partition(".")[0].removesuffix("_level") == kind
