"""Prerequisites: which flags of an environment need which others, and which needs cannot be met.

Pure but for `graph_of`. A chain has at most 16 flags; one flag asks at most 64 others, theirs included.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from equipoise_server.flags import models
from equipoise_server.flags.settings_json import prerequisites_from_json
from equipoise_server.flags.values import Prerequisite
from equipoise_server.foundation.refusals import Problem

LONGEST_CHAIN = 16
MOST_ASKED = 64
ARROW = " → "


@dataclass(frozen=True, slots=True)
class NeedsGraph:
    """The flags of one environment that are not archived: their variants, and what they need."""

    variants: Mapping[str, frozenset[str]]
    needs: Mapping[str, tuple[Prerequisite, ...]]
    offs: Mapping[str, str] = field(default_factory=dict)
    """The off variant of each."""

    def with_needs(self, key: str, needs: tuple[Prerequisite, ...]) -> NeedsGraph:
        """The graph if a flag had these needs."""
        return replace(self, needs={**self.needs, key: needs})

    def needed_by(self, key: str) -> tuple[str, ...]:
        """The flags that ask for this one themselves."""
        return tuple(
            sorted(other for other, needs in self.needs.items() if any(need.flag == key for need in needs))
        )

    def closure(self, key: str) -> frozenset[str]:
        """The flag and all that it needs, however far."""
        reached, pending = {key}, [key]
        while pending:
            fresh = {need.flag for need in self.needs.get(pending.pop(), ())} - reached
            reached |= fresh
            pending += fresh
        return frozenset(reached)

    def silenced_by(self, killed: Iterable[str]) -> frozenset[str]:
        """The flags that serve everybody off when these are killed: they, and those that need better."""
        silent = set(killed)
        while fresh := {key for key in self.needs if key not in silent and self._waits_for(key, silent)}:
            silent |= fresh
        return frozenset(silent)

    def _waits_for(self, key: str, silent: Container[str]) -> bool:
        return any(
            need.flag in silent and self.offs.get(need.flag) not in need.variants for need in self.needs[key]
        )

    def silencing(self, key: str) -> tuple[str, ...]:
        """The flags whose kill lets this one serve everybody off: itself, and those that it waits for."""
        return tuple(sorted(one for one in self.closure(key) if key in self.silenced_by([one])))


def graph_of(environment_id: UUID) -> NeedsGraph:
    """The environment's flags and their needs."""
    rows = models.FlagSettings.objects.filter(environment_id=environment_id, flag__archived_at=None)
    found = list(rows.values_list("flag__key", "flag__variants", "prerequisites", "off"))
    return NeedsGraph(
        {key: frozenset(variant["key"] for variant in variants) for key, variants, _, _ in found},
        {key: prerequisites_from_json(needs) for key, _, needs, _ in found if needs},
        {key: off for key, _, _, off in found},
    )


def needs_problems(key: str, asked: Sequence[Prerequisite], graph: NeedsGraph) -> Iterator[Problem]:
    """Whether a flag may need these others."""
    for place, need in enumerate(asked):
        yield from _need_problems(f"prerequisites.{place}", need, graph)
    if len({need.flag for need in asked}) < len(asked):
        yield Problem("prerequisites", "Two of them ask for the same flag; put their variants together.")
    changed = graph.with_needs(key, tuple(asked))
    for place, need in enumerate(asked):
        path = _way_back(changed, need.flag, key)
        if path:
            told = f"“{key}” would wait for itself: {ARROW.join([key, *path])}. Take one of these needs away."
            yield Problem(f"prerequisites.{place}.flag", told)
            return
    yield from _reach_problems(key, changed)


def _need_problems(place: str, need: Prerequisite, graph: NeedsGraph) -> Iterator[Problem]:
    known = graph.variants.get(need.flag)
    if known is None:
        told = f"There is no flag “{need.flag}” in this environment, or it is archived."
        yield Problem(f"{place}.flag", told)
        return
    if not need.variants:
        told = f"Say which variants of “{need.flag}” are good: {', '.join(sorted(known))}."
        yield Problem(f"{place}.variants", told)
    for variant in need.variants:
        if variant not in known:
            told = f"The flag “{need.flag}” has no variant “{variant}”; it has: {', '.join(sorted(known))}."
            yield Problem(f"{place}.variants", told)


def _way_back(graph: NeedsGraph, start: str, goal: str) -> list[str]:
    """The shortest way from a flag to another along needs; empty when there is none."""
    ways = {start: [start]}
    pending = [start]
    while pending:
        flag = pending.pop(0)
        if flag == goal:
            return ways[flag]
        for need in graph.needs.get(flag, ()):
            if need.flag not in ways:
                ways[need.flag] = [*ways[flag], need.flag]
                pending.append(need.flag)
    return []


def _reach_problems(key: str, graph: NeedsGraph) -> Iterator[Problem]:
    """Whether a chain through the flag got too long, or a flag asks too many others. There is no cycle."""
    chains: dict[str, tuple[str, ...]] = {}
    asked: dict[str, int] = {}
    for flag in graph.needs:
        if key not in graph.closure(flag):
            continue
        chain = _longest(flag, graph, chains)
        if len(chain) > LONGEST_CHAIN:
            told = f"The chain {ARROW.join(chain)} has {len(chain)} flags; {LONGEST_CHAIN} are allowed."
            yield Problem("prerequisites", told)
            return
        if _count(flag, graph, asked) > MOST_ASKED:
            told = f"“{flag}” would ask more than {MOST_ASKED} flags, theirs included; ask fewer."
            yield Problem("prerequisites", told)
            return


def _longest(flag: str, graph: NeedsGraph, known: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    if flag not in known:
        inner = [_longest(need.flag, graph, known) for need in graph.needs.get(flag, ())]
        known[flag] = (flag, *max(inner, key=len, default=()))
    return known[flag]


def _count(flag: str, graph: NeedsGraph, known: dict[str, int]) -> int:
    if flag not in known:
        counts = [1 + _count(need.flag, graph, known) for need in graph.needs.get(flag, ())]
        known[flag] = min(sum(counts), MOST_ASKED + 1)
    return known[flag]
