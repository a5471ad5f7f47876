"""A flag while it is read, and what it may refer to in its snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from equipoise_engine.decisions import Answer, Reason, Untold
from equipoise_engine.experiments import Experiments
from equipoise_engine.holdouts import Holdouts
from equipoise_engine.layers import Layers
from equipoise_engine.metadata import NOTHING, Scalar
from equipoise_engine.prerequisites import Ask, Prerequisites
from equipoise_engine.problems import Problem, Reader, pointer
from equipoise_engine.targeting import Segments

GROUP_MEMBERS = frozenset({"killed"})


class Groups:
    """The groups of flags that can be killed together."""

    def __init__(self, definitions: Mapping[str, object]) -> None:
        self.problems: list[Problem] = []
        self._killed: dict[str, bool | None] = {}
        for key, node in definitions.items():
            faults: list[Problem] = []
            killed = Reader(node, pointer("/groups", key), faults, known=GROUP_MEMBERS).truth("killed")
            self._killed[key] = None if faults else killed
            self.problems.extend(faults)

    def is_killed(self, key: str) -> bool | None:
        """Tell whether a group is killed; None when there is no sound one."""
        return self._killed.get(key)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a flag may refer to in its snapshot."""

    metadata: Mapping[str, Scalar]
    killed: bool
    groups: Groups
    segments: Segments
    layers: Layers
    prerequisites: Prerequisites
    holdouts: Holdouts
    experiments: Experiments
    unit_types: frozenset[str]

    def problems(self) -> list[Problem]:
        """Return what is wrong with groups, segments and holdouts, used or not."""
        return [*self.groups.problems, *self.segments.problems, *self.holdouts.problems]


@dataclass(slots=True)
class Draft:
    """A flag while it is read: its reader and the variants found so far."""

    key: str
    around: Surroundings
    reader: Reader
    ask: Ask
    kind: str | None = None
    values: dict[str, object] = field(default_factory=dict)

    def answer(self, variant: str, reason: Reason, step: str, told: Mapping[str, Scalar] = NOTHING) -> Answer:
        """Prepare the answer that serves a variant, with what its metadata tell beside the step."""
        metadata = Untold(self.around.metadata, {"step": step, **told})
        return Answer(self.key, self.values.get(variant), variant=variant, reason=reason, metadata=metadata)

    def variant(self, reader: Reader, member: str) -> str:
        """Return a required variant key of this flag."""
        key = reader.text(member)
        if key and key not in self.values:
            reader.senseless(member, f"{key!r} is no usable variant of this flag")
        return key
