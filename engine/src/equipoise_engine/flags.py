"""A flag that was read, and what is kept of it: what decides by its steps, in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import copy, deepcopy
from dataclasses import dataclass
from types import NoneType
from typing import NamedTuple, final

from equipoise_engine.combinations import Every
from equipoise_engine.contexts import Asked, Attributes, Units, context_parts
from equipoise_engine.decisions import Answer, Decision, Enrolment, ErrorCode, Fault, Reason, decided
from equipoise_engine.explanations import Finding, Step
from equipoise_engine.metadata import NOTHING, Metadata, Scalar
from equipoise_engine.problems import Problem
from equipoise_engine.steps import Decider, FlagStep, Reading, Served, Skip

Notes = tuple[Skip | Enrolment, ...]
# Who is eligible, what they all are served, or else who decides.
Steps = tuple[tuple[Every | None, Decision | None, Decider], ...]

KINDS: Mapping[str, tuple[type, ...]] = {
    "boolean": (bool,),
    "string": (str,),
    "number": (int, float),
    "object": (dict, list),
}


def fits(value: object, kind: str) -> bool:
    """Tell whether a value is of a flag type; a boolean is not a number."""
    return isinstance(value, KINDS[kind]) and (kind == "boolean" or not isinstance(value, bool))


def error(flag_key: str, fault: Fault, metadata: Mapping[str, Scalar], code_default: object) -> Decision:
    """Return an error without a variant: the code default takes the place of its value."""
    noted = Metadata({"step": "error", **metadata})
    return decided(
        Answer(flag_key, code_default, variant=None, reason=Reason.ERROR, metadata=noted, fault=fault)
    )


class Refusals(NamedTuple):
    """How a flag refuses what callers pass; both answers carry the code default."""

    flag_key: str
    kind: str | None
    metadata: Mapping[str, Scalar]

    def of_code_default(self, code_default: object) -> Decision | None:
        """Refuse a code default of another type; None when it fits."""
        if self.kind is None or code_default is None or fits(code_default, self.kind):
            return None
        fault = Fault(ErrorCode.TYPE_MISMATCH, f"the flag is of type {self.kind}")
        return error(self.flag_key, fault, self.metadata, code_default)

    def of_context(self, code_default: object) -> Decision:
        """Refuse what is no context."""
        told = 'a context is an object with the objects "units" and "attributes"'
        fault = Fault(ErrorCode.INVALID_CONTEXT, told)
        return error(self.flag_key, fault, self.metadata, code_default)


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
    default: Answer
    refusals: Refusals
    problems: tuple[Problem, ...]

    def explain(self, context: object) -> Iterator[Step]:
        """Yield the steps up to the one that decides, by what `Compiled` keeps."""
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
        final = Compiled(self).evaluate(context, None)
        is_linked = isinstance(context, Mapping) and "overrides" in context
        for step in self.steps:
            if step.is_link and not is_linked:
                continue
            eligible = step.eligible is None or step.eligible.holds(attributes, units)
            reading = step.read(units, context) if eligible else Reading(step.passed, NOTHING)
            decides = eligible and isinstance(step.decider.decide(units, context), Decision)
            yield Step(step.kind, step.key, reading.finding, final if decides else None, reading.detail)
            if decides:
                return
        yield Step("default", None, Finding.SERVED, final)


@final
class Compiled:
    """What is kept of a flag: its steps, and the answers that they may give.

    `evaluate` raises for contexts that raise themselves.
    """

    __slots__ = (
        "_copies",
        "_default",
        "_fixed",
        "_linked_steps",
        "_other_kind",
        "_refusals",
        "_steps",
        "kind",
    )

    def __init__(self, flag: Flag) -> None:
        self._linked_steps: Steps = tuple(
            [(step.eligible, _served(step.decider), step.decider) for step in flag.steps]
        )
        unlinked = zip(flag.steps, self._linked_steps, strict=True)
        self._steps = tuple(pair for step, pair in unlinked if not step.is_link)
        self._default = decided(flag.default)
        self._fixed = flag.fixed
        self._refusals = flag.refusals
        kinds = KINDS.get(flag.refusals.kind or "", (NoneType,))
        self.kind, self._other_kind = kinds[0], kinds[-1]
        # Callers may change objects that they get, so they get copies.
        self._copies = flag.refusals.kind == "object"

    def evaluate(self, context: object, code_default: object) -> Decision:  # noqa: C901 - calls cost more
        """Decide for a context and a code default."""
        kind = type(code_default)
        if kind is not self.kind and kind is not self._other_kind:
            refused = self._refusals.of_code_default(code_default)
            if refused is not None:
                return refused
        if self._fixed is not None:
            return self._settled(code_default)
        if (
            type(context) is dict  # as nearly all are
            and type(units := context.get("units")) is dict
            and type(attributes := context.get("attributes")) is dict
        ):
            steps = self._steps
            if len(context) > 2 and "overrides" in context:  # noqa: PLR2004 - the two from above
                steps = self._linked_steps
        else:
            parts = context_parts(context)
            if parts is None:
                return self._refusals.of_context(code_default)
            units, attributes = parts
            steps = self._linked_steps
        notes: Notes = ()
        for eligible, served, decider in steps:
            if eligible is not None and not eligible.holds(attributes, units):
                continue
            found = served or decider.decide(units, context)
            if type(found) is Decision:
                return self._finished(found, notes) if notes or self._copies else found
            if found is not None:
                notes += (found,)
        return self._finished(self._default, notes)

    def answer(self, asked: Asked) -> Decision:
        """Decide for a context in parts, as `evaluate` does; remember which conditions hold."""
        if self._fixed is not None:
            return self._settled(None)
        units, attributes, holding = asked.units, asked.attributes, asked.holding
        notes: Notes = ()
        for eligible, served, decider in self._linked_steps if asked.is_linked else self._steps:
            if eligible is not None:
                holds = holding.get(eligible)
                if holds is None:
                    holds = holding[eligible] = eligible.holds(attributes, units)
                if not holds:
                    continue
            found = served or decider.decide(units, asked.whole)
            if type(found) is Decision:
                return self._finished(found, notes) if notes or self._copies else found
            if found is not None:
                notes += (found,)
        return self._finished(self._default, notes)

    def behind_experiment(self) -> tuple[Every | None, Decider, Compiled] | None:
        """Return who is eligible for the first step, what decides it, and the flag without it.

        None when there is nothing to leave out: no step, one for contexts with overrides, a fixed answer.
        """
        if self._fixed is not None or self._copies or not self._steps:
            return None
        eligible, _, decider = self._steps[0]
        return eligible, decider, self._without_first()

    def _without_first(self) -> Compiled:
        rest = copy(self)
        first = self._steps[0]
        rest._steps = self._steps[1:]  # noqa: SLF001 - of its own class
        rest._linked_steps = tuple([step for step in self._linked_steps if step is not first])  # noqa: SLF001 - as above
        return rest

    def _settled(self, code_default: object) -> Decision:
        """Return the answer that is the same for every context."""
        fixed = self._default if self._fixed is None else self._fixed
        if fixed.variant is None:
            return fixed._replace(value=code_default)
        return self._finished(fixed, ())

    def _finished(self, decision: Decision, notes: Notes) -> Decision:
        """Keep what steps before noted; copy what callers may change."""
        noted = _noted(decision, notes) if notes else decision
        if not self._copies or noted.variant is None:
            return noted
        return noted._replace(value=deepcopy(noted.value))


def _served(decider: Decider) -> Decision | None:
    return decider.decision if isinstance(decider, Served) else None


def _noted(decision: Decision, notes: Notes) -> Decision:
    """Keep what steps before noted: the first reason why one passed the unit over, and places in holdouts."""
    told: dict[str, Scalar] = {}
    skips = [note.value for note in notes if isinstance(note, Skip)]
    if skips:
        told["skipped"] = skips[0]
    places = tuple(note for note in notes if isinstance(note, Enrolment))
    if places and not decision.holdouts:
        told |= places[0].told_of_holdout()
    return decision.told(Metadata({**decision.metadata, **told}), (*places, *decision.holdouts))
