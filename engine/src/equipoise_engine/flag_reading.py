"""Reads the definition of one flag and compiles it. A fault spoils this flag and no other."""

from __future__ import annotations

import math
from collections.abc import Iterator

from equipoise_engine.combinations import Every
from equipoise_engine.decisions import Answer, Decision, ErrorCode, Fault, Reason, decided
from equipoise_engine.drafts import Draft, Surroundings
from equipoise_engine.enrolment import experiment_step
from equipoise_engine.experiments import Experiment, Service
from equipoise_engine.flags import KINDS, Flag, Refusals, error, fits
from equipoise_engine.holdouts import COVER_MEMBERS, holdout_step
from equipoise_engine.layers import read_unit_type
from equipoise_engine.members import read_units
from equipoise_engine.metadata import Scalar
from equipoise_engine.prerequisites import PREREQUISITE_MEMBERS, Ask, prerequisite_step
from equipoise_engine.problems import Problem, Reader, pointer
from equipoise_engine.rules import read_rules
from equipoise_engine.steps import FlagStep, override_by_link, override_by_segment, override_by_unit

FLAG_MEMBERS = frozenset(
    {"type", "variants", "off", "default", "killed", "groups"}
    | {"prerequisites", "overrides", "holdouts", "experiments", "rules"}
)
UNIT_OVERRIDE_MEMBERS = frozenset({"variant", "unit_type", "units"})
SEGMENT_OVERRIDE_MEMBERS = frozenset({"variant", "segment"})


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
    after = (*_overrides(draft), *_holdouts(draft), *_experiments(draft), *read_rules(draft))
    is_static = not before and not after
    return Flag(
        kills=kills,
        fixed=_killed(draft, kills, off) or _faulty(draft, default),
        steps=(*before, override_by_link(key, draft.values, around.metadata), *after),
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
        return decided(draft.answer(off, Reason.DISABLED, "kill", {"kill_level": level}))
    message = "; ".join(map(str, draft.reader.problems))
    return error(draft.key, Fault(ErrorCode.PARSE_ERROR, message), draft.around.metadata, None)


def _faulty(draft: Draft, default: str) -> Decision | None:
    problems = draft.reader.problems
    if not problems:
        return None
    parse = any(problem.code is ErrorCode.PARSE_ERROR for problem in problems)
    code = ErrorCode.PARSE_ERROR if parse else ErrorCode.GENERAL
    fault = Fault(code, "; ".join(map(str, problems)))
    if default not in draft.values:
        return error(draft.key, fault, draft.around.metadata, None)
    answer = draft.answer(default, Reason.ERROR, "error")
    answer.fault = fault
    return decided(answer)


def _prerequisites(draft: Draft, off: str) -> Iterator[FlagStep]:
    draft.around.prerequisites.check(draft.key, draft.reader)
    for index, node in enumerate(draft.reader.array("prerequisites")):
        path = f"{draft.reader.path}/prerequisites/{index}"
        reader = Reader(node, path, draft.reader.problems, known=PREREQUISITE_MEMBERS)
        key, wanted = draft.around.prerequisites.read(reader)
        answer = draft.answer(off, Reason.DEFAULT, "prerequisite", {"prerequisite": key})
        yield prerequisite_step(answer, key, wanted, draft.ask)


def _overrides(draft: Draft) -> Iterator[FlagStep]:
    for index, node in enumerate(draft.reader.array("overrides")):
        path = f"{draft.reader.path}/overrides/{index}"
        by_segment = isinstance(node, dict) and "segment" in node
        known = SEGMENT_OVERRIDE_MEMBERS if by_segment else UNIT_OVERRIDE_MEMBERS
        reader = Reader(node, path, draft.reader.problems, known=known)
        variant = draft.variant(reader, "variant")
        answer = draft.answer(variant, Reason.TARGETING_MATCH, "override", {"experiment.arm": "override"})
        if by_segment:
            name = reader.text("segment")
            member = draft.around.segments.condition(name, reader)
            if member is not None:
                yield override_by_segment(answer, name, Every((member.part,)))
        else:
            unit_type = read_unit_type(reader, draft.around.unit_types)
            yield override_by_unit(answer, unit_type, read_units(reader))


def _holdouts(draft: Draft) -> Iterator[FlagStep]:
    for index, node in enumerate(draft.reader.array("holdouts")):
        path = f"{draft.reader.path}/holdouts/{index}"
        reader = Reader(node, path, draft.reader.problems, known=COVER_MEMBERS)
        key, variant = reader.text("holdout"), draft.variant(reader, "baseline")
        holdout = draft.around.holdouts.holdout(key)
        if holdout is not None:
            yield holdout_step(
                holdout,
                draft.answer(
                    variant, Reason.SPLIT, "holdout", holdout.place("holdout", "").told_of_holdout()
                ),
            )
        elif key:
            reader.senseless("holdout", f"there is no sound holdout {key!r}")


def _experiments(draft: Draft) -> list[FlagStep]:
    """Return the running experiments before those that serve control alone, launch layers after others."""
    listed = draft.reader.texts("experiments")
    found = [read for key in listed if (read := _experiment(draft, key)) is not None]
    found.sort(key=lambda read: (read[0].layer.is_launch, read[0].service is not Service.SPLIT))
    return [step for _, step in found]


def _experiment(draft: Draft, key: str) -> tuple[Experiment, FlagStep] | None:
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
    return experiment, experiment_step(experiment, answers)


_REASONS = {
    Service.SPLIT: Reason.SPLIT,
    Service.STOPPED: Reason.DEFAULT,
    Service.KILLED: Reason.DISABLED,
}


def _experiment_answer(draft: Draft, experiment: Experiment, arm: str, variant: str) -> Answer:
    is_active = experiment.service is Service.SPLIT
    told: dict[str, Scalar] = {
        "experiment.key": experiment.key,
        "experiment.iteration": experiment.iteration,
        "experiment.arm": arm,
        "experiment.unit_type": experiment.unit_type,
        "experiment.layer": experiment.layer.key,
        "experiment.active": is_active,
    }
    if experiment.service is Service.KILLED:
        told["kill_level"] = "experiment"
    if experiment.cluster_type is not None:
        told["experiment.cluster_type"] = experiment.cluster_type
    if is_active:
        others = {other.values.get(draft.key) for other in experiment.arms}
        told["experiment.differs"] = others != {variant}
    return draft.answer(variant, _REASONS[experiment.service], "experiment", told)
