"""Reads the definition of one flag and compiles it. A fault spoils this flag and no other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from equipoise_engine.decisions import Decision, ErrorCode, Metadata, Reason, Scalar
from equipoise_engine.enrolment import experiment_step
from equipoise_engine.experiments import (
    Experiment,
    Experiments,
    Gate,
    Service,
    read_eligibility,
)
from equipoise_engine.flags import KINDS, Flag, Refusals, error, fits
from equipoise_engine.hashing import PARTS, canonical_unit
from equipoise_engine.layers import Layers, read_unit_type
from equipoise_engine.prerequisites import PREREQUISITE_MEMBERS, Ask, Prerequisites, prerequisite_step
from equipoise_engine.problems import Problem, Reader, pointer
from equipoise_engine.steps import (
    FlagStep,
    override_by_link,
    override_by_segment,
    override_by_unit,
    rollout_rule,
    serve_rule,
)
from equipoise_engine.targeting import Segments

FLAG_MEMBERS = frozenset(
    {"type", "variants", "off", "default", "killed", "groups"}
    | {"prerequisites", "overrides", "experiments", "rules"}
)
GROUP_MEMBERS = frozenset({"killed"})
UNIT_OVERRIDE_MEMBERS = frozenset({"variant", "unit_type", "units"})
SEGMENT_OVERRIDE_MEMBERS = frozenset({"variant", "segment"})
SERVE_MEMBERS = frozenset({"id", "eligibility", "serve"})
ROLLOUT_RULE_MEMBERS = frozenset({"id", "eligibility", "rollout"})
ROLLOUT_MEMBERS = frozenset({"variant", "unit_type", "salt", "parts_per_million"})


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
    experiments: Experiments
    unit_types: frozenset[str]

    def problems(self) -> list[Problem]:
        """Return what is wrong with groups, segments and layers, used or not."""
        return [*self.groups.problems, *self.segments.problems, *self.layers.problems()]


@dataclass(slots=True)
class Draft:
    """A flag while it is read: its reader and the variants found so far."""

    key: str
    around: Surroundings
    reader: Reader
    ask: Ask
    kind: str | None = None
    values: dict[str, object] = field(default_factory=dict)

    def answer(self, variant: str, reason: Reason, step: str, **extra: Scalar) -> Decision:
        """Prepare the answer that serves a variant; dots in names are written as "__"."""
        named = {name.replace("__", "."): value for name, value in extra.items()}
        metadata = Metadata({**self.around.metadata, "step": step, **named})
        return Decision(self.key, self.values.get(variant), variant, reason, None, None, metadata)

    def variant(self, reader: Reader, member: str) -> str:
        """Return a required variant key of this flag."""
        key = reader.text(member)
        if key and key not in self.values:
            reader.senseless(member, f"{key!r} is no usable variant of this flag")
        return key


def read_flag(key: str, node: object, around: Surroundings, ask: Ask) -> Flag:
    """Compile a flag. A faulty one answers its default, or else the code default, with ERROR."""
    problems: list[Problem] = []
    reader = Reader(node, pointer("/flags", key), problems, known=FLAG_MEMBERS)
    draft = Draft(key, around, reader, ask)
    draft.kind = _kind(reader)
    draft.values = _values(reader, draft.kind)
    off, default = draft.variant(reader, "off"), draft.variant(reader, "default")
    kills = tuple(_kills(draft))
    before = tuple(_prerequisites(draft, off))
    after = (*_overrides(draft), *_experiments(draft), *_rules(draft))
    is_static = not before and not after
    return Flag(
        kills=kills,
        fixed=_killed(draft, kills, off) or _faulty(draft, default),
        steps=(*before, _link(draft), *after),
        default=draft.answer(default, Reason.STATIC if is_static else Reason.DEFAULT, "default"),
        refusals=Refusals(key, draft.kind, around.metadata),
        problems=tuple(problems),
    )


def _kind(reader: Reader) -> str | None:
    kind = reader.text("type")
    if kind in KINDS:
        return kind
    if kind:
        reader.malformed("type", f"must be one of {', '.join(KINDS)}, not {kind!r}")
    return None


def _values(reader: Reader, kind: str | None) -> dict[str, object]:
    """Return the usable variants; those of another type are noted."""
    variants = reader.table("variants")
    if not variants:
        reader.malformed("variants", "must hold at least one variant")
    usable = {}
    for key, value in variants.items():
        finite = not isinstance(value, float) or math.isfinite(value)
        if kind is not None and fits(value, kind) and finite:
            usable[key] = value
        elif kind is not None:
            path = pointer(reader.path, "variants")
            message = f"must be of type {kind}"
            reader.problems.append(Problem(pointer(path, key), message, ErrorCode.PARSE_ERROR))
    return usable


def _kills(draft: Draft) -> Iterator[tuple[str, bool]]:
    """Yield the levels of kill that reach this flag, outermost first."""
    yield "environment", draft.around.killed
    for group in draft.reader.texts("groups"):
        killed = draft.around.groups.is_killed(group)
        if killed is None:
            draft.reader.senseless("groups", f"there is no sound group {group!r}")
        yield "group", killed is True
    yield "flag", draft.reader.truth("killed")


def _killed(draft: Draft, kills: tuple[tuple[str, bool], ...], off: str) -> Decision | None:
    level = next((level for level, killed in kills if killed), None)
    if level is None:
        return None
    if off in draft.values:
        return draft.answer(off, Reason.DISABLED, "kill", kill_level=level)
    message = "; ".join(map(str, draft.reader.problems))
    return error(draft.key, ErrorCode.PARSE_ERROR, message, draft.around.metadata)


def _faulty(draft: Draft, default: str) -> Decision | None:
    problems = draft.reader.problems
    if not problems:
        return None
    parse = any(problem.code is ErrorCode.PARSE_ERROR for problem in problems)
    code = ErrorCode.PARSE_ERROR if parse else ErrorCode.GENERAL
    message = "; ".join(map(str, problems))
    if default not in draft.values:
        return error(draft.key, code, message, draft.around.metadata)
    answer = draft.answer(default, Reason.ERROR, "error")
    return answer._replace(error_code=code, error_message=message)


def _prerequisites(draft: Draft, off: str) -> Iterator[FlagStep]:
    draft.around.prerequisites.check(draft.key, draft.reader)
    for index, node in enumerate(draft.reader.array("prerequisites")):
        path = f"{draft.reader.path}/prerequisites/{index}"
        reader = Reader(node, path, draft.reader.problems, known=PREREQUISITE_MEMBERS)
        key, wanted = draft.around.prerequisites.read(reader)
        answer = draft.answer(off, Reason.DEFAULT, "prerequisite", prerequisite=key)
        yield prerequisite_step(answer, key, wanted, draft.ask)


def _link(draft: Draft) -> FlagStep:
    """Keep the variants; a link may ask for any of them."""
    key, values, head = draft.key, draft.values, draft.around.metadata

    def answer(variant: str) -> Decision | None:
        if variant not in values:
            return None
        metadata = Metadata({**head, "step": "override", "experiment.arm": "override"})
        return Decision(key, values[variant], variant, Reason.TARGETING_MATCH, None, None, metadata)

    return override_by_link(key, answer)


def _overrides(draft: Draft) -> Iterator[FlagStep]:
    for index, node in enumerate(draft.reader.array("overrides")):
        path = f"{draft.reader.path}/overrides/{index}"
        by_segment = isinstance(node, dict) and "segment" in node
        known = SEGMENT_OVERRIDE_MEMBERS if by_segment else UNIT_OVERRIDE_MEMBERS
        reader = Reader(node, path, draft.reader.problems, known=known)
        variant = draft.variant(reader, "variant")
        answer = draft.answer(variant, Reason.TARGETING_MATCH, "override", experiment__arm="override")
        if by_segment:
            name = reader.text("segment")
            member = draft.around.segments.condition(name, reader)
            if member is not None:
                yield override_by_segment(answer, name, member.test)
        else:
            unit_type = read_unit_type(reader, draft.around.unit_types)
            yield override_by_unit(answer, unit_type, _named_units(reader))


def _named_units(reader: Reader) -> frozenset[str]:
    units = [canonical_unit(unit) for unit in reader.array("units")]
    if "units" not in reader.members:
        reader.malformed("units", "is required")
    if None in units:
        reader.malformed("units", "must be unit ids: 1 to 256 bytes of text, or integers")
    return frozenset(unit for unit in units if unit is not None)


def _experiments(draft: Draft) -> Iterator[FlagStep]:
    """Yield the running experiments in their order, then those that serve control alone."""
    listed = draft.reader.texts("experiments")
    steps = [step for key in listed if (step := _experiment(draft, key)) is not None]
    yield from (step for service, step in steps if service is Service.SPLIT)
    yield from (step for service, step in steps if service is not Service.SPLIT)


def _experiment(draft: Draft, key: str) -> tuple[Service, FlagStep] | None:
    experiment = draft.around.experiments.experiment(key)
    if experiment is None:
        draft.reader.senseless("experiments", f"there is no sound experiment {key!r}")
        return None
    chosen = {arm.key: arm.values.get(draft.key) for arm in experiment.arms}
    for arm, variant in chosen.items():
        if variant not in draft.values:
            told = f"arm {arm!r} of experiment {key!r} gives this flag no usable variant"
            draft.reader.senseless("experiments", told)
            return None
    answers = {
        arm: _experiment_answer(draft, experiment, arm, variant)
        for arm, variant in chosen.items()
        if variant is not None
    }
    return experiment.service, experiment_step(experiment, answers)


_REASONS = {
    Service.SPLIT: Reason.SPLIT,
    Service.STOPPED: Reason.DEFAULT,
    Service.KILLED: Reason.DISABLED,
}


def _experiment_answer(draft: Draft, experiment: Experiment, arm: str, variant: str) -> Decision:
    killed = experiment.service is Service.KILLED
    extra: dict[str, Scalar] = {"kill_level": "experiment"} if killed else {}
    return draft.answer(
        variant,
        _REASONS[experiment.service],
        "experiment",
        experiment__key=experiment.key,
        experiment__iteration=experiment.iteration,
        experiment__arm=arm,
        experiment__unit_type=experiment.unit_type,
        experiment__layer=experiment.layer.key,
        experiment__active=experiment.service is Service.SPLIT,
        **extra,
    )


def _rules(draft: Draft) -> Iterator[FlagStep]:
    for index, node in enumerate(draft.reader.array("rules")):
        path = f"{draft.reader.path}/rules/{index}"
        is_rollout = isinstance(node, dict) and "rollout" in node
        read: Callable[[Draft, Reader], FlagStep] = _rollout if is_rollout else _serve
        known = ROLLOUT_RULE_MEMBERS if is_rollout else SERVE_MEMBERS
        yield read(draft, Reader(node, path, draft.reader.problems, known=known))


def _serve(draft: Draft, reader: Reader) -> FlagStep:
    rule = reader.text("id")
    variant = draft.variant(reader, "serve")
    answer = draft.answer(variant, Reason.TARGETING_MATCH, "rule", rule=rule)
    return serve_rule(answer, rule, read_eligibility(reader, draft.around.segments))


def _rollout(draft: Draft, reader: Reader) -> FlagStep:
    rule = reader.text("id")
    eligible = read_eligibility(reader, draft.around.segments)
    path = pointer(reader.path, "rollout")
    body = Reader(reader.get("rollout"), path, reader.problems, known=ROLLOUT_MEMBERS)
    answer = draft.answer(draft.variant(body, "variant"), Reason.SPLIT, "rule", rule=rule)
    unit_type = read_unit_type(body, draft.around.unit_types)
    gate = Gate(body.salt("salt"), body.integer("parts_per_million", 0, PARTS))
    return rollout_rule(answer, rule, eligible, unit_type, gate)
