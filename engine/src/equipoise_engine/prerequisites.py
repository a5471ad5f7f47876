"""Flags that must serve certain variants before another flag may decide; and how far that reaches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple, final

from equipoise_engine.contexts import Units
from equipoise_engine.decisions import Answer, decided
from equipoise_engine.explanations import Finding
from equipoise_engine.problems import Reader
from equipoise_engine.steps import Decider, FlagStep, Found, Reading

PREREQUISITE_MEMBERS = frozenset({"flag", "variants"})
LARGEST_DEPTH = 16
LARGEST_COUNT = 64

# Returns the variant that a flag serves to a context, None when it serves none.
Ask = Callable[[str, object], str | None]


class Reach(NamedTuple):
    """How far the prerequisites of a flag go.

    Attributes:
        depth: levels of flags, the flag's own included.
        asked: flags that are asked for one answer, each as often as it is asked.
    """

    depth: int
    asked: int


class Prerequisites:
    """Which flags of a snapshot ask which others."""

    def __init__(self, flags: Mapping[str, object]) -> None:
        self._flags = flags
        self._asked = {key: names for key, node in flags.items() if (names := _named(node))}
        self._reach = _reaches(self._asked)

    def check(self, flag_key: str, reader: Reader) -> None:
        """Note when a flag waits for itself or asks too many others."""
        if flag_key not in self._asked:
            return
        reach = self._reach.get(flag_key)
        if reach is None:
            reader.senseless("prerequisites", "lead back to a flag that they began with")
        elif reach.depth > LARGEST_DEPTH:
            reader.senseless("prerequisites", f"go deeper than {LARGEST_DEPTH} flags")
        elif reach.asked > LARGEST_COUNT:
            reader.senseless("prerequisites", f"ask more than {LARGEST_COUNT} flags, theirs included")

    def read(self, reader: Reader) -> tuple[str, frozenset[str]]:
        """Return the flag that is asked and the variants of which it must serve one."""
        key, wanted = reader.text("flag"), reader.texts("variants")
        if not wanted:
            reader.malformed("variants", "must name at least one variant")
        if key and key not in self._flags:
            reader.senseless("flag", f"there is no flag {key!r}")
        elif key:
            unknown = sorted(set(wanted) - _variants(self._flags[key]))
            if unknown:
                reader.senseless("variants", f"{unknown[0]!r} is no variant of flag {key!r}")
        return key, frozenset(wanted)


@final
class Required(Decider):
    """Serves the off variant unless another flag serves the same context one of some variants."""

    __slots__ = ("_ask", "_key", "_off", "_wanted")

    def __init__(self, off: Answer, key: str, wanted: frozenset[str], ask: Ask) -> None:
        self._off = decided(off)
        self._key = key
        self._wanted = wanted
        self._ask = ask

    def decide(self, _units: Units, context: object) -> Found:
        """Answer, or pass."""
        return None if self._ask(self._key, context) in self._wanted else self._off


def prerequisite_step(off: Answer, key: str, wanted: frozenset[str], ask: Ask) -> FlagStep:
    """Serve the off variant unless another flag serves the same context one of some variants."""

    def read(_units: Units, context: object) -> Reading:
        served = ask(key, context)
        finding = Finding.MET if served in wanted else Finding.NOT_MET
        return Reading(finding, {} if served is None else {"variant": served})

    return FlagStep("prerequisite", key, None, Required(off, key, wanted, ask), read)


def _named(node: object) -> tuple[str, ...]:
    """Return the flags that a definition asks, whatever its form, each as often as it does."""
    entries = node.get("prerequisites") if isinstance(node, dict) else None
    named = (
        [entry.get("flag") for entry in entries if isinstance(entry, dict)]
        if isinstance(entries, list)
        else []
    )
    return tuple(name for name in named if isinstance(name, str))


def _variants(node: object) -> set[str]:
    variants = node.get("variants") if isinstance(node, dict) else None
    return set(variants) if isinstance(variants, dict) else set()


def _reaches(asked: Mapping[str, tuple[str, ...]]) -> dict[str, Reach]:
    """Return the reach of every flag that asks others; those in or behind a cycle have none."""
    reaches: dict[str, Reach] = {}
    sorter = TopologicalSorter(asked)
    with suppress(CycleError):
        sorter.prepare()
    while ready := sorter.get_ready():
        for key in ready:
            inner = [reaches[name] for name in asked.get(key, ())]
            depth = 1 + max((one.depth for one in inner), default=0)
            # Counts double from level to level; nobody needs to know by how much a limit is passed.
            count = min(sum(1 + one.asked for one in inner), LARGEST_COUNT + 1)
            reaches[key] = Reach(depth, count)
        sorter.done(*ready)
    return reaches
