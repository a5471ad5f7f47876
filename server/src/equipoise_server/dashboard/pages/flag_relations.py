"""What a flag hangs together with: the flags it needs and that need it, its groups, and who killed what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from equipoise_server.flags.reads import NeedsGraph
from equipoise_server.flags.values import Flag, FlagSettings, Group


@dataclass(frozen=True, slots=True)
class NeedLine:
    """A flag that is needed, and the variants that are good."""

    flag: str
    variants: str


@dataclass(frozen=True, slots=True)
class GroupLine:
    """A group of the flag, and since when it is killed here."""

    key: str
    name: str
    killed_at: datetime | None


@dataclass(frozen=True, slots=True)
class KillLevel:
    """A switch above or at the flag, the outermost first; `killed_at` is None while it is on."""

    kind: str
    key: str
    name: str
    killed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Relations:
    """Everything around one flag in one environment."""

    needs: tuple[NeedLine, ...]
    needed_by: tuple[str, ...]
    groups: tuple[GroupLine, ...]
    levels: tuple[KillLevel, ...]

    @property
    def killed_above(self) -> KillLevel | None:
        """The outermost switch above the flag that is off."""
        return next((one for one in self.levels if one.kind != "flag" and one.killed_at), None)


def relations(
    flag: Flag,
    settings: FlagSettings,
    graph: NeedsGraph,
    groups: Sequence[Group],
    *,
    environment: tuple[str, datetime | None],
) -> Relations:
    """The relations of a flag; `environment` is its name and since when it is killed."""
    here = settings.environment_id
    mine = tuple(
        GroupLine(group.key, group.name, group.killed.get(here))
        for group in groups
        if group.key in flag.groups
    )
    return Relations(
        needs=tuple(NeedLine(need.flag, " or ".join(need.variants)) for need in settings.prerequisites),
        needed_by=graph.needed_by(flag.key),
        groups=mine,
        levels=(
            KillLevel("environment", "", environment[0], environment[1]),
            *(KillLevel("group", one.key, one.name, one.killed_at) for one in mine),
            KillLevel("flag", flag.key, flag.name, settings.killed_at),
        ),
    )
