"""A compiled flag: decides by its steps, in order, and retraces them for an explanation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from types import MappingProxyType

from equipoise_engine.contexts import context_parts
from equipoise_engine.decisions import Decision, ErrorCode, Finding, Reason, Scalar, Step
from equipoise_engine.problems import Problem
from equipoise_engine.steps import UNIT_MISSING, FlagStep

KINDS: Mapping[str, tuple[type, ...]] = {
    "boolean": (bool,),
    "string": (str,),
    "number": (int, float),
    "object": (dict, list),
}


def fits(value: object, kind: str) -> bool:
    """Tell whether a value is of a flag type; a boolean is not a number."""
    return isinstance(value, KINDS[kind]) and (kind == "boolean" or not isinstance(value, bool))


def error(flag_key: str, code: ErrorCode, message: str, metadata: Mapping[str, Scalar]) -> Decision:
    """Return an error without a variant: the code default takes the place of its value."""
    noted = MappingProxyType({**metadata, "step": "error"})
    return Decision(flag_key, None, None, Reason.ERROR, code, message, noted, None)


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag, ready to decide.

    Attributes:
        kind: the declared type, or None when it cannot be read.
        accepted: classes of code defaults that surely fit; others are looked at twice.
        kills: the levels, outermost first, and whether each is killed.
        fixed: the answer that no context can change (killed or faulty), or None.
        steps: what may decide, in order.
        default: the last step's answer.
        invalid: the answer to what is not a context.
        mismatched: the answer to a code default of another type.
        problems: what is wrong with the definition.
    """

    key: str
    kind: str | None
    accepted: frozenset[type]
    kills: tuple[tuple[str, bool], ...]
    fixed: Decision | None
    steps: tuple[FlagStep, ...]
    default: Decision
    invalid: Decision
    mismatched: Decision
    problems: tuple[Problem, ...]

    def evaluate(self, context: object, code_default: object) -> Decision:
        """Return the answer for a context; may raise for contexts that raise themselves."""
        if code_default.__class__ not in self.accepted and not self._accepts(code_default):
            return self.mismatched._replace(value=code_default)
        decision = self._decide(context)
        if decision.variant is None:
            return decision._replace(value=code_default)
        if self.kind == "object":  # the caller may change what it gets
            return decision._replace(value=deepcopy(decision.value))
        return decision

    def _accepts(self, code_default: object) -> bool:
        return self.kind is None or code_default is None or fits(code_default, self.kind)

    def _decide(self, context: object) -> Decision:
        if self.fixed is not None:
            return self.fixed
        parts = context_parts(context)
        if parts is None:
            return self.invalid
        units, attributes = parts
        skipped = False
        for step in self.steps:
            decision = step.decide(units, attributes)
            if decision is not None:
                if decision is not UNIT_MISSING:
                    return _with_skip(decision) if skipped else decision
                skipped = True
        return _with_skip(self.default) if skipped else self.default

    def explain(self, context: object) -> Iterator[Step]:
        """Yield the steps up to the one that decides, by the same closures as `evaluate`."""
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
            yield Step("error", None, Finding.CONTEXT_INVALID, self.invalid)
            return
        final = self._decide(context)
        for step in self.steps:
            decision = step.decide(*parts)
            finding, detail = step.found(*parts)
            decides = decision is not None and decision is not UNIT_MISSING
            yield Step(step.kind, step.key, finding, final if decides else None, detail)
            if decides:
                return
        yield Step("default", None, Finding.SERVED, final)


def _with_skip(decision: Decision) -> Decision:
    """Keep the reason why an earlier experiment or rollout was passed over."""
    metadata = MappingProxyType({**decision.metadata, "skipped": "unit_missing"})
    return decision._replace(metadata=metadata)
