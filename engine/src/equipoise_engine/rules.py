"""Reads the rules of a flag: whom they are about, and what they serve or roll out, ring by ring."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from equipoise_engine.decisions import Reason
from equipoise_engine.drafts import Draft
from equipoise_engine.experiments import read_eligibility
from equipoise_engine.hashing import PARTS
from equipoise_engine.layers import read_unit_type
from equipoise_engine.problems import Reader, pointer
from equipoise_engine.steps import Draw, FlagStep, Ring, ring_rule, rollout_rule, serve_rule

SERVE_MEMBERS = frozenset({"id", "eligibility", "serve"})
ROLLOUT_RULE_MEMBERS = frozenset({"id", "eligibility", "rollout"})
ROLLOUT_MEMBERS = frozenset({"variant", "unit_type", "salt", "parts_per_million"})
RINGS_MEMBERS = frozenset({"variant", "unit_type", "salt", "rings"})
RING_MEMBERS = frozenset({"id", "eligibility", "parts_per_million"})


def read_rules(draft: Draft) -> Iterator[FlagStep]:
    """Yield the steps of a flag's rules, in order."""
    for index, node in enumerate(draft.reader.array("rules")):
        path = f"{draft.reader.path}/rules/{index}"
        is_rollout = isinstance(node, dict) and "rollout" in node
        read: Callable[[Draft, Reader], FlagStep] = _rollout if is_rollout else _serve
        known = ROLLOUT_RULE_MEMBERS if is_rollout else SERVE_MEMBERS
        yield read(draft, Reader(node, path, draft.reader.problems, known=known))


def _serve(draft: Draft, reader: Reader) -> FlagStep:
    rule = reader.text("id")
    variant = draft.variant(reader, "serve")
    answer = draft.answer(variant, Reason.TARGETING_MATCH, "rule", {"rule": rule})
    return serve_rule(answer, rule, read_eligibility(reader, draft.around.segments))


def _rollout(draft: Draft, reader: Reader) -> FlagStep:
    rule = reader.text("id")
    eligible = read_eligibility(reader, draft.around.segments)
    node = reader.get("rollout")
    has_rings = isinstance(node, dict) and "rings" in node
    known = RINGS_MEMBERS if has_rings else ROLLOUT_MEMBERS
    body = Reader(node, pointer(reader.path, "rollout"), reader.problems, known=known)
    variant, salt = draft.variant(body, "variant"), body.salt("salt")
    draw = Draw(read_unit_type(body, draft.around.unit_types), salt)
    if has_rings:
        rings = tuple(_rings(draft, body, variant, rule))
        return ring_rule(rings, rule, eligible, draw)
    answer = draft.answer(variant, Reason.SPLIT, "rule", {"rule": rule})
    whole = Ring(None, None, body.integer("parts_per_million", 0, PARTS), answer)
    return rollout_rule(whole, rule, eligible, draw)


def _rings(draft: Draft, body: Reader, variant: str, rule: str) -> Iterator[Ring]:
    seen: set[str] = set()
    for index, node in enumerate(body.array("rings")):
        reader = Reader(node, f"{body.path}/rings/{index}", body.problems, known=RING_MEMBERS)
        key = reader.text("id")
        if key in seen:
            reader.senseless("id", f"there is a ring {key!r} before")
        seen.add(key)
        answer = draft.answer(variant, Reason.SPLIT, "rule", {"rule": rule, "ring": key})
        eligible = read_eligibility(reader, draft.around.segments)
        yield Ring(key, eligible, reader.integer("parts_per_million", 0, PARTS), answer)
    if not seen:
        body.malformed("rings", "must hold at least one ring")
