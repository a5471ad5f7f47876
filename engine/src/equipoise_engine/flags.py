"""A flag that was read, and what is kept of it: closures that decide by its steps, in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from types import NoneType
from typing import NamedTuple

from equipoise_engine.contexts import Asked, Attributes, Units, context_parts
from equipoise_engine.decisions import (
    NOTHING,
    Decision,
    Enrolment,
    ErrorCode,
    Finding,
    Metadata,
    Reason,
    Scalar,
    Skip,
    Step,
)
from equipoise_engine.problems import Problem
from equipoise_engine.steps import FlagStep, Found

Notes = tuple[Skip | Enrolment, ...]

KINDS: Mapping[str, tuple[type, ...]] = {
    "boolean": (bool,),
    "string": (str,),
    "number": (int, float),
    "object": (dict, list),
}
# Classes of code defaults that surely fit; others are looked at twice.
_ACCEPTED = {"": frozenset[type](), **{kind: frozenset((*types, NoneType)) for kind, types in KINDS.items()}}


def fits(value: object, kind: str) -> bool:
    """Tell whether a value is of a flag type; a boolean is not a number."""
    return isinstance(value, KINDS[kind]) and (kind == "boolean" or not isinstance(value, bool))


def error(flag_key: str, code: ErrorCode, message: str, metadata: Mapping[str, Scalar]) -> Decision:
    """Return an error without a variant: the code default takes the place of its value."""
    noted = Metadata({**metadata, "step": "error"})
    return Decision(flag_key, None, None, Reason.ERROR, code, message, noted)


class Refusals(NamedTuple):
    """How a flag refuses what callers pass; both answers carry the code default."""

    flag_key: str
    kind: str | None
    metadata: Mapping[str, Scalar]

    def of_code_default(self, code_default: object) -> Decision | None:
        """Refuse a code default of another type; None when it fits."""
        if self.kind is None or code_default is None or fits(code_default, self.kind):
            return None
        told = f"the flag is of type {self.kind}"
        refused = error(self.flag_key, ErrorCode.TYPE_MISMATCH, told, self.metadata)
        return refused._replace(value=code_default)

    def of_context(self, code_default: object) -> Decision:
        """Refuse what is no context."""
        told = 'a context is an object with the objects "units" and "attributes"'
        refused = error(self.flag_key, ErrorCode.INVALID_CONTEXT, told, self.metadata)
        return refused._replace(value=code_default)


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag as it was read.

    Attributes:
        kills: the levels, outermost first, and whether each is killed.
        fixed: the answer that no context can change (killed or faulty), or None.
        steps: what may decide, in order.
        default: the last step's answer.
        refusals: the answers to what is no context or no code default of the flag.
        problems: what is wrong with the definition.
    """

    kills: tuple[tuple[str, bool], ...]
    fixed: Decision | None
    steps: tuple[FlagStep, ...]
    default: Decision
    refusals: Refusals
    problems: tuple[Problem, ...]

    def explain(self, context: object) -> Iterator[Step]:
        """Yield the steps up to the one that decides, by the closures that `compiled` keeps."""
        for level, killed in self.kills:
            decision = self.fixed if killed else None
            yield Step("kill", level, Finding.KILLED if killed else Finding.NOT_KILLED, decision)
            if killed:
                return
        if self.fixed is not None:
            yield Step("error", None, Finding.FAULTY, self.fixed)
            return
        parts = context_parts(context)
        if parts is None:
            yield Step("error", None, Finding.CONTEXT_INVALID, self.refusals.of_context(None))
            return
        yield from self._retraced(*parts, context)

    def _retraced(self, units: Units, attributes: Attributes, context: object) -> Iterator[Step]:
        final = compiled(self).evaluate(context, None)
        is_linked = isinstance(context, Mapping) and "overrides" in context
        for step in self.steps:
            if step.is_link and not is_linked:
                continue
            eligible = step.eligible is None or step.eligible(attributes, units)
            found = step.found(units, context) if eligible else Found(step.passed, NOTHING)
            decides = eligible and isinstance(step.decide(units, context), Decision)
            yield Step(step.kind, step.key, found.finding, final if decides else None, found.detail)
            if decides:
                return
        yield Step("default", None, Finding.SERVED, final)


class Compiled:
    """What is kept of a flag: its steps, and the answers that they may give.

    `evaluate` raises for contexts that raise themselves.
    """

    __slots__ = ("accepted", "default", "linked_steps", "refusals", "steps")

    def __init__(self, flag: Flag) -> None:
        self.linked_steps = tuple((step.eligible, step.decide) for step in flag.steps)
        unlinked = zip(flag.steps, self.linked_steps, strict=True)
        self.steps = tuple(pair for step, pair in unlinked if not step.is_link)
        self.default = flag.default
        self.refusals = flag.refusals
        self.accepted = _ACCEPTED[flag.refusals.kind or ""]

    def evaluate(self, context: object, code_default: object) -> Decision:  # noqa: C901 - calls cost more
        """Decide for a context and a code default."""
        if code_default.__class__ not in self.accepted:
            refused = self.refusals.of_code_default(code_default)
            if refused is not None:
                return refused
        units = attributes = None
        steps = self.linked_steps
        if type(context) is dict:  # nearly all contexts
            units, attributes = context.get("units"), context.get("attributes")
            if len(context) == 2:  # noqa: PLR2004 - units and attributes, or the next lines look again
                steps = self.steps
        if type(units) is not dict or type(attributes) is not dict:
            parts = context_parts(context)
            if parts is None:
                return self.refusals.of_context(code_default)
            units, attributes = parts
            steps = self.linked_steps
        notes: Notes = ()
        for eligible, decide in steps:
            if eligible is not None and not eligible(attributes, units):
                continue
            found = decide(units, context)
            if type(found) is Decision:
                return _noted(found, notes) if notes else found
            if found is not None:
                notes += (found,)
        return _noted(self.default, notes)

    def answer(self, asked: Asked) -> Decision:
        """Decide for a context in parts, by the loop of `evaluate`; remember which conditions hold."""
        units, attributes, whole, is_linked, holding = asked
        notes: Notes = ()
        for eligible, decide in self.linked_steps if is_linked else self.steps:
            if eligible is not None:
                holds = holding.get(eligible)
                if holds is None:
                    holds = holding[eligible] = eligible(attributes, units)
                if not holds:
                    continue
            found = decide(units, whole)
            if type(found) is Decision:
                return _noted(found, notes) if notes else found
            if found is not None:
                notes += (found,)
        return _noted(self.default, notes)


class _Settled(Compiled):
    """A flag that answers the same to every context."""

    __slots__ = ("fixed",)

    def __init__(self, flag: Flag, fixed: Decision) -> None:
        super().__init__(flag)
        self.fixed = fixed

    def evaluate(self, _context: object, code_default: object) -> Decision:
        refused = self.refusals.of_code_default(code_default)
        if refused is not None:
            return refused
        return self.fixed if self.fixed.variant is not None else self.fixed._replace(value=code_default)

    def answer(self, _asked: Asked) -> Decision:
        return self.fixed


class _Copying(Compiled):
    """A flag whose values are objects: callers may change what they get, so they get copies."""

    __slots__ = ("made",)

    def __init__(self, flag: Flag, made: Compiled) -> None:
        super().__init__(flag)
        self.made = made

    def evaluate(self, context: object, code_default: object) -> Decision:
        return _copied(self.made.evaluate(context, code_default))

    def answer(self, asked: Asked) -> Decision:
        return _copied(self.made.answer(asked))


def compiled(flag: Flag) -> Compiled:
    """Keep what evaluations need of a flag."""
    made = Compiled(flag) if flag.fixed is None else _Settled(flag, flag.fixed)
    return _Copying(flag, made) if flag.refusals.kind == "object" else made


def _copied(decision: Decision) -> Decision:
    return decision if decision.variant is None else decision._replace(value=deepcopy(decision.value))


def _noted(decision: Decision, notes: Notes) -> Decision:
    """Keep what steps before noted: the first reason why one passed the unit over, and places in holdouts."""
    if not notes:
        return decision
    told: dict[str, Scalar] = {}
    skips = [note.value for note in notes if isinstance(note, Skip)]
    if skips:
        told["skipped"] = skips[0]
    places = tuple(note for note in notes if isinstance(note, Enrolment))
    if places and not decision.holdouts:
        told |= places[0].told_of_holdout()
    metadata = Metadata({**decision.metadata, **told})
    return decision._replace(metadata=metadata, holdouts=(*places, *decision.holdouts))
