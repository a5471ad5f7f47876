"""A compiled flag: decides by its steps, in order, and retraces them for an explanation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from types import MappingProxyType

from equipoise_engine.contexts import context_parts
from equipoise_engine.decisions import Decision, ErrorCode, Finding, Reason, Scalar, Step
from equipoise_engine.problems import Problem
from equipoise_engine.steps import UNIT_MISSING, FlagStep

Evaluate = Callable[[object, object], Decision]

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

    def explain(self, context: object) -> Iterator[Step]:
        """Yield the steps up to the one that decides, by the same closures as `evaluator`."""
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
        final = evaluator(self)(context, None)
        for step in self.steps:
            decision = step.decide(*parts)
            finding, detail = step.found(*parts)
            decides = decision is not None and decision is not UNIT_MISSING
            yield Step(step.kind, step.key, finding, final if decides else None, detail)
            if decides:
                return
        yield Step("default", None, Finding.SERVED, final)


def evaluator(flag: Flag) -> Evaluate:
    """Compile a flag into one closure; it may raise for contexts that raise themselves."""
    closures = tuple(step.decide for step in flag.steps)
    accepted, fixed, default = flag.accepted, flag.fixed, flag.default

    def evaluate(context: object, code_default: object) -> Decision:
        if code_default.__class__ not in accepted and not _accepts(flag.kind, code_default):
            return flag.mismatched._replace(value=code_default)
        if fixed is not None:
            return fixed if fixed.variant is not None else fixed._replace(value=code_default)
        parts = context_parts(context)
        if parts is None:
            return flag.invalid._replace(value=code_default)
        units, attributes = parts
        skipped = False
        for decide in closures:
            decision = decide(units, attributes)
            if decision is not None:
                if decision is not UNIT_MISSING:
                    return _with_skip(decision) if skipped else decision
                skipped = True
        return _with_skip(default) if skipped else default

    return _copying(evaluate) if flag.kind == "object" else evaluate


def _copying(evaluate: Evaluate) -> Evaluate:
    """Hand out copies: the caller may change the object that it gets."""

    def copied(context: object, code_default: object) -> Decision:
        decision = evaluate(context, code_default)
        return decision if decision.variant is None else decision._replace(value=deepcopy(decision.value))

    return copied


def _accepts(kind: str | None, code_default: object) -> bool:
    return kind is None or code_default is None or fits(code_default, kind)


def _with_skip(decision: Decision) -> Decision:
    """Keep the reason why an earlier experiment or rollout was passed over."""
    metadata = MappingProxyType({**decision.metadata, "skipped": "unit_missing"})
    return decision._replace(metadata=metadata)
