"""The pages on which flags are edited: what an environment serves, and a flag's words and variants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from equipoise_server.dashboard.forms import Form
from equipoise_server.dashboard.pages.flags import Explanation, RuleLine, rule_names, value_texts
from equipoise_server.dashboard.words import percent
from equipoise_server.flags.values import Flag, FlagSettings, Rule, Segment
from equipoise_server.snapshots.reads import FlagShares, Served

_Key = TypeVar("_Key", bound=str | tuple[str, str])


@dataclass(frozen=True, slots=True)
class ShareRow:
    """A variant, or a step, and its part of the units."""

    name: str
    made_up: str
    recent: str


@dataclass(frozen=True, slots=True)
class WhoGetsWhat:
    """What the settings in the form would serve to many units, and to one."""

    variants: tuple[ShareRow, ...]
    steps: tuple[ShareRow, ...]
    made_up_units: int
    recent_units: int
    reason: str
    explanation: Explanation | None


_STEPS = {
    "kill": "Killed ({about})",
    "prerequisite": "{about} is not as it must be",
    "override": "Overridden",
    "holdout": "Held out by {about}",
    "experiment": "Experiment {about}",
    "rule": "Rule {about}",
    "default": "Everybody else",
    "error": "Cannot be evaluated",
}


def who_gets_what(
    shares: FlagShares, flag: Flag, explanation: Explanation | None, *, rules: Sequence[Rule] = ()
) -> WhoGetsWhat:
    """Shares in words; `rules` are those that were tried, to name them."""
    recent, names = shares.recent, rule_names(rules)
    steps = dict.fromkeys([*shares.made_up.steps, *(() if recent is None else recent.steps)])
    return WhoGetsWhat(
        variants=tuple(
            ShareRow(
                one.key, _part(shares.made_up.variants, one.key, shares.made_up), _recent(recent, one.key)
            )
            for one in flag.variants
        ),
        steps=tuple(
            ShareRow(
                _STEPS.get(step[0], step[0]).format(about=_about(step, names)),
                _part(shares.made_up.steps, step, shares.made_up),
                "" if recent is None else _part(recent.steps, step, recent),
            )
            for step in steps
        ),
        made_up_units=shares.made_up.units,
        recent_units=0 if recent is None else recent.units,
        reason=shares.reason,
        explanation=explanation,
    )


def _about(step: tuple[str, str], rules: Mapping[str, str]) -> str:
    kind, key = step
    return rules.get(key, key) if kind == "rule" else key


def _part(counts: Mapping[_Key, int], key: _Key, served: Served) -> str:
    return percent(counts.get(key, 0) / served.units)


def _recent(recent: Served | None, variant: str) -> str:
    return "" if recent is None else _part(recent.variants, variant, recent)


@dataclass(frozen=True, slots=True)
class EditFlagPage:
    """The form of a flag's settings in one environment. `rules` are there when they cannot be edited."""

    flag: Flag
    settings: FlagSettings
    form: Form
    rule_numbers: tuple[int, ...]
    clause_counts: dict[int, int]
    rings: dict[int, dict[int, int]]
    """Of each rule: its rings, and how many condition lines each shows."""
    override_count: int
    need_count: int
    flags: Sequence[Flag]
    segments: tuple[Segment, ...]
    unit_types: tuple[str, ...]
    rules: tuple[RuleLine, ...] = ()
    held_by: str = ""
    """Why all but the overrides is held still; "" when it is not."""
    tried: WhoGetsWhat | None = None

    @property
    def variant_options(self) -> list[tuple[str, str]]:
        """The flag's variants with their values."""
        values = value_texts(self.flag)
        return [(key, key if key == value else f"{key}: {value}"[:60]) for key, value in values.items()]

    @property
    def unit_options(self) -> list[tuple[str, str]]:
        """The project's unit types."""
        return [(unit_type, unit_type) for unit_type in self.unit_types]

    @property
    def segment_options(self) -> list[tuple[str, str]]:
        """The project's segments, or none."""
        return [("", "none"), *((segment.key, segment.name) for segment in self.segments)]

    @property
    def flag_options(self) -> list[tuple[str, str]]:
        """The other flags that it may need, with their variants."""
        others = [flag for flag in self.flags if flag.key != self.flag.key]
        return [("", "no flag"), *((one.key, f"{one.key} ({_variants(one)})") for one in others)]


def _variants(flag: Flag) -> str:
    return ", ".join(variant.key for variant in flag.variants)[:60]


@dataclass(frozen=True, slots=True)
class FlagWordsPage:
    """The form of a flag's name, description, owner, kind and variants."""

    flag: Flag
    form: Form
    variant_count: int
    is_held: bool
    """Whether a running experiment holds the values of its variants still."""
