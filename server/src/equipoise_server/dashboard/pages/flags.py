"""Flags as pages show them: the list, one flag in one environment, and the explanation for one unit."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from equipoise_engine import Decision
from equipoise_engine import Step as EngineStep
from equipoise_server.access.values import Permission, Project
from equipoise_server.dashboard import conditions, words
from equipoise_server.dashboard.forms import Form
from equipoise_server.dashboard.pages.activity import ActivityLine
from equipoise_server.dashboard.pages.flag_relations import Relations
from equipoise_server.dashboard.pages.health_checks import CheckLine
from equipoise_server.dashboard.pages.rollout_lines import ShareLine, share_lines
from equipoise_server.flags.reads import HeldFlag
from equipoise_server.flags.values import Flag, FlagSettings, FlagType, FlagValue, Group, Override, Ramp, Rule


class FlagState(StrEnum):
    """What a flag does in an environment, in one word."""

    KILLED = "killed"
    EXPERIMENT = "experiment"
    ROLLOUT = "rollout"
    RULES = "rules"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class StateIn:
    """A flag's state in one environment."""

    environment: str
    key: str
    state: FlagState
    serves: str
    is_shown: bool


@dataclass(frozen=True, slots=True)
class FlagRow:
    """One flag in the list."""

    key: str
    name: str
    kind: str
    type: str
    owner: str
    states: tuple[StateIn, ...]


@dataclass(frozen=True, slots=True)
class FlagsPage:
    """The list of flags as searched."""

    search: str
    rows: tuple[FlagRow, ...]
    is_empty: bool


@dataclass(frozen=True, slots=True)
class RuleLine:
    """One rule in words; `share` only for rollouts."""

    id: str
    number: int
    description: str
    who: str
    variant: str
    value: str
    share: str
    percent: str
    unit_type: str
    shares: tuple[ShareLine, ...] = ()
    """Of a rollout: its one share, or those of its rings."""

    @property
    def has_rings(self) -> bool:
        """Whether the rollout goes ring by ring."""
        return any(line.ring for line in self.shares)


@dataclass(frozen=True, slots=True)
class FlagPowers:
    """What the person may do with the flag here and now; the server checks again."""

    edit: bool
    kill: bool
    unkill: bool
    archive: bool


@dataclass(frozen=True, slots=True)
class ExplainedStep:
    """One step of an evaluation in words."""

    title: str
    says: str
    decided: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """What one unit gets, and why, step by step."""

    unit: str
    variant: str
    value: str
    reason: str
    error: str
    steps: tuple[ExplainedStep, ...]


@dataclass(frozen=True, slots=True)
class FlagPage:
    """One flag in one environment."""

    flag: Flag
    settings: FlagSettings
    states: tuple[StateIn, ...]
    values: dict[str, str]
    """Each variant's value as text."""
    rules: tuple[RuleLine, ...]
    relations: Relations
    powers: FlagPowers
    history: tuple[ActivityLine, ...]
    unit_types: tuple[str, ...]
    question: Form
    explanation: Explanation | None
    snippet: str
    held_back: tuple[HeldFlag, ...] = ()
    """The holdouts that keep their units on a baseline of it here."""
    checks: tuple[CheckLine, ...] = ()
    """Its health checks here."""

    @property
    def unit_options(self) -> list[tuple[str, str]]:
        """The project's unit types."""
        return [(unit_type, unit_type) for unit_type in self.unit_types]

    @property
    def is_pinned(self) -> bool:
        """Whether an experiment holds the settings still."""
        return bool(self.settings.pins)


@dataclass(frozen=True, slots=True)
class KillsAbove:
    """What is killed above single flags: environments, and groups (key and environment)."""

    environments: frozenset[UUID] = frozenset()
    groups: frozenset[tuple[str, UUID]] = frozenset()

    def reach(self, flag: Flag, environment_id: UUID) -> bool:
        """Whether one of them switches the flag off."""
        return environment_id in self.environments or any(
            (group, environment_id) in self.groups for group in flag.groups
        )


NOTHING_ABOVE = KillsAbove()


def kills_above(environments: frozenset[UUID], groups: Sequence[Group]) -> KillsAbove:
    """The kills of a project's environments and groups."""
    return KillsAbove(environments, frozenset((group.key, each) for group in groups for each in group.killed))


def flags_page(
    flags: Sequence[Flag],
    project: Project,
    *,
    environment: str,
    search: str,
    above: KillsAbove = NOTHING_ABOVE,
) -> FlagsPage:
    """The list as searched."""
    sought = search.strip().lower()
    shown = [f for f in flags if not sought or sought in f"{f.key} {f.name} {f.owner}".lower()]
    rows = tuple(
        FlagRow(f.key, f.name, f.kind, f.type, f.owner, states_of(f, project, environment, above))
        for f in shown
    )
    return FlagsPage(search, rows, is_empty=not flags)


def states_of(
    flag: Flag, project: Project, shown: str, above: KillsAbove = NOTHING_ABOVE
) -> tuple[StateIn, ...]:
    """The flag's state in every environment of its project."""
    values = value_texts(flag)
    found = []
    for each in reversed(project.environments):
        if each.key in flag.settings:
            settings = flag.settings[each.key]
            state = FlagState.KILLED if above.reach(flag, each.id) else state_of(settings)
            serves = settings.off if state is FlagState.KILLED else settings.default
            found.append(StateIn(each.name, each.key, state, values.get(serves, serves), each.key == shown))
    return tuple(found)


def state_of(settings: FlagSettings) -> FlagState:
    """The word for what these settings do."""
    if settings.is_killed:
        return FlagState.KILLED
    if settings.pins:
        return FlagState.EXPERIMENT
    if any(rule.rollout is not None for rule in settings.rules):
        return FlagState.ROLLOUT
    return FlagState.RULES if settings.rules else FlagState.DEFAULT


_CALLS = {
    FlagType.BOOLEAN: "boolean",
    FlagType.STRING: "string",
    FlagType.NUMBER: "number",
    FlagType.OBJECT: "object",
}


def snippet(flag: Flag, environment: str, unit_type: str) -> str:
    """The one call that an engineer writes."""
    settings = flag.settings[environment]
    value = next(variant.value for variant in flag.variants if variant.key == settings.off)
    default = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
    call = f'client.{_CALLS[flag.type]}(\n    "{flag.key}",\n    {default},'
    return f'{call}\n    {{"units": {{"{unit_type}": {unit_type}_id}}}},\n)'


def value_texts(flag: Flag) -> dict[str, str]:
    """Each variant's value as code sees it."""
    return {variant.key: value_text(variant.value) for variant in flag.variants}


def value_text(value: FlagValue | object) -> str:
    """A value as JSON; texts without their quotes."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def rule_lines(
    settings: FlagSettings, values: dict[str, str], ramps: Sequence[Ramp] = ()
) -> tuple[RuleLine, ...]:
    """The rules in their order."""
    return tuple(_rule_line(rule, place + 1, values, ramps) for place, rule in enumerate(settings.rules))


def _rule_line(rule: Rule, number: int, values: dict[str, str], ramps: Sequence[Ramp]) -> RuleLine:
    rollout = rule.rollout
    variant = rollout.variant if rollout else rule.serve
    share = rollout.parts_per_million / 1_000_000 if rollout else None
    return RuleLine(
        id=rule.id,
        number=number,
        description=rule.description,
        who=conditions.sentence(rule.eligibility),
        variant=variant,
        value=values.get(variant, variant),
        share=words.percent(share, 2).replace(".00", "") if share is not None else "",
        percent=f"{share * 100:g}" if share is not None else "",
        unit_type=rollout.unit_type if rollout else "",
        shares=share_lines(rollout, rule.id, ramps) if rollout else (),
    )


def flag_powers(flag: Flag, settings: FlagSettings, permissions: frozenset[Permission]) -> FlagPowers:
    """What state and permissions allow."""
    is_live = flag.archived_at is None
    may_edit = is_live and Permission.FLAG_EDIT in permissions
    return FlagPowers(
        edit=may_edit,
        kill=is_live and not settings.is_killed and Permission.FLAG_KILL in permissions,
        unkill=is_live and settings.is_killed and Permission.FLAG_UNKILL in permissions,
        archive=may_edit and not any(each.pins for each in flag.settings.values()),
    )


def override_words(override: Override) -> str:
    """Whom an override names."""
    if override.segment:
        return f"segment {override.segment}"
    named = ", ".join(override.units[:5])
    more = len(override.units) - 5
    return f"{override.unit_type} {named}" + (f" and {more} more" if more > 0 else "")


_TITLES = {
    "unknown": "Is there such a flag?",
    "kill": "Is the {key} killed?",
    "error": "Can it be evaluated?",
    "prerequisite": "Does {key}, which it needs, serve the right variant?",
    "holdout": "Is it held out by {key}?",
    "override": "Is it named in an override ({key})?",
    "experiment": "Is it in the experiment {key}?",
    "rule": "Does rule {key} apply?",
    "default": "The default",
}
_PREVIEW = "Does a preview link ask for it?"
_FINDINGS = {
    "flag_unknown": "There is no such flag here.",
    "killed": "Killed: the off variant is served.",
    "not_killed": "Not killed.",
    "faulty": "Its definition is faulty: the default is served.",
    "context_invalid": "The unit or its attributes cannot be read.",
    "named": "Named, so this variant is fixed.",
    "not_named": "Not named.",
    "not_eligible": "Not eligible.",
    "unit_missing": "The unit id of this type is missing, so it is skipped.",
    "outside_slots": "Outside the experiment's part of the layer.",
    "outside_gate": "Outside the share that takes part.",
    "enrolled": "Takes part.",
    "outside_rollout": "Outside the rollout's share.",
    "outside_schedule": "No window of the schedule has it now.",
    "clock_missing": "No time was given, and a schedule goes by it: skipped.",
    "met": "Yes: it goes on.",
    "not_met": "No: this flag is off.",
    "held": "Held out: it keeps the baseline.",
    "open": "Not held out.",
    "served": "Applies.",
}


def rule_names(rules: Sequence[Rule]) -> dict[str, str]:
    """Rules by id as pages show them: their place, and what they are for."""
    return {
        rule.id: f"{place} ({rule.description})" if rule.description else str(place)
        for place, rule in enumerate(rules, 1)
    }


def explanation(
    unit: str, decision: Decision, steps: Sequence[EngineStep], *, rules: Sequence[Rule] = ()
) -> Explanation:
    """An evaluation in words; `rules` are those of the flag, to name them."""
    names = rule_names(rules)
    return Explanation(
        unit=unit,
        variant=decision.variant or "none",
        value=value_text(decision.value),
        reason=str(decision.reason),
        error=decision.error_message or "",
        steps=tuple(_explained(step, names) for step in steps),
    )


_SHOWN_DETAIL = (
    "variant", "cluster_type", "cluster", "layer", "slot", "gate_part", "gate_parts", "ring", "window",
    "burn_in", "arm",
)  # fmt: skip


def _explained(step: EngineStep, rules: Mapping[str, str]) -> ExplainedStep:
    is_link = step.kind == "override" and step.key == "context"
    key = step.key or ""
    name = rules.get(key, key) if step.kind == "rule" else key
    title = _PREVIEW if is_link else _TITLES.get(step.kind, step.kind).format(key=name)
    says = _FINDINGS.get(step.finding, step.finding)
    detail = ", ".join(
        f"{name.replace('_', ' ')} {step.detail[name]}" for name in _SHOWN_DETAIL if name in step.detail
    )
    return ExplainedStep(title, f"{says} ({detail})" if detail else says, decided=step.decision is not None)


@dataclass(frozen=True, slots=True)
class NewFlagPage:
    """The form of a new flag."""

    form: Form
    variant_count: int


@dataclass(frozen=True, slots=True)
class ConfirmKillPage:
    """The question before a kill, for browsers without dialogs."""

    flag: Flag
    environment: str
    since: datetime | None
    groups: tuple[Group, ...]
