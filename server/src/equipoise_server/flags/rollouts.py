"""Rollouts that other people's decisions open, and their shares."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from equipoise_server.access import reads as access
from equipoise_server.access.values import Actor, Permission
from equipoise_server.audit.actions import change
from equipoise_server.audit.values import Author, Subject
from equipoise_server.flags import models, reads
from equipoise_server.flags.baselines import rollout_starts
from equipoise_server.flags.checks import PARTS, Surroundings, all_problems, rules_problems
from equipoise_server.flags.editing import MEANWHILE
from equipoise_server.flags.pins import refuse_if_needed_by_pinned, refuse_if_pinned
from equipoise_server.flags.ramp_rows import pause_where_lowered
from equipoise_server.flags.rows import found_flag, found_settings
from equipoise_server.flags.settings_json import rule_from_json, rule_to_json, variants_from_json
from equipoise_server.flags.values import Flag, Rule
from equipoise_server.foundation.ids import new_salt
from equipoise_server.foundation.refusals import Conflict, Invalid, NotFound, Problem, refuse_all


@dataclass(frozen=True, slots=True)
class SetRolloutShare:
    """A new share for one rollout rule, or for a ring of it; who is in already stays in when it grows."""

    flag_id: UUID
    environment_id: UUID
    rule_id: str
    parts_per_million: int
    expected_version: int
    reason: str = ""
    ring_id: str = ""


def add_rollout_rule(actor: Actor, flag_id: UUID, environment_id: UUID, rule: Rule, *, now: datetime) -> Flag:
    """Put a rollout before all other rules: what shipping a decision does. A salt that it brings is kept."""
    flag = found_flag(flag_id)
    _require_editing_or_deciding(actor, flag.project_id)
    row = found_settings(flag, environment_id)
    around = Surroundings(
        frozenset(variant.key for variant in variants_from_json(flag.variants)),
        access.project(flag.project_id).unit_types,
        reads.conditions_of(flag.project_id),
    )
    problems = all_problems(rules_problems([rule], around))
    if rule.rollout is None:
        problems.append(Problem("rule.rollout", "Shipping opens a rollout; say which variant and share."))
    if any(held["id"] == rule.id for held in row.rules):
        problems.append(Problem("rule.id", f"There is a rule “{rule.id}” already; leave the id empty."))
    refuse_all(Invalid, problems)
    refuse_if_pinned(flag, environment_id, "No rule can be added")
    refuse_if_needed_by_pinned(flag, environment_id, "No rule can be added")
    before = reads.flag(flag.pk)
    subject = Subject("flag", flag.pk, flag.key, flag.project_id, environment_id)
    with change(actor.author, "flag.add_rollout", subject, now=now) as entry:
        entry.after = {"rule": _put_first(row, rule)}
        rollout_starts(actor.author, before, environment_id, now=now)
        entry.touches(environment_id, flag.key)
    return reads.flag(flag.pk)


def keep_on(author: Author, flag_id: UUID, environment_id: UUID, rule: Rule, *, now: datetime) -> None:
    """Keep units on the variant they have, by a rollout before all other rules: what not shipping asks for.

    Called inside the change of the decision, which checks permission. It hits nobody who is enrolled in
    another experiment, so pins do not forbid it; and it is no start of anything, so no holdout covers it.
    """
    flag = found_flag(flag_id)
    subject = Subject("flag", flag.pk, flag.key, flag.project_id, environment_id)
    with change(author, "flag.keep_on", subject, now=now) as entry:
        entry.after = {"rule": _put_first(found_settings(flag, environment_id), rule)}
        entry.touches(environment_id, flag.key)


def _put_first(row: models.FlagSettings, rule: Rule) -> dict[str, object]:
    assert rule.rollout is not None
    rollout = replace(rule.rollout, salt=rule.rollout.salt or new_salt())
    added = rule_to_json(replace(rule, id=rule.id or f"r-{new_salt()}", rollout=rollout))
    _write(row, [added, *row.rules], row.version)
    return added


def _require_editing_or_deciding(actor: Actor, project_id: UUID) -> None:
    """Who may decide an experiment may open the rollout that the decision asks for."""
    if not actor.may(Permission.EXPERIMENT_DECIDE, project_id):
        actor.require(Permission.FLAG_EDIT, project_id)


def set_rollout_share(actor: Actor, command: SetRolloutShare, *, now: datetime) -> Flag:
    """Grow or shrink a rollout. Shrinking pauses the schedule that would let it grow again."""
    flag = found_flag(command.flag_id)
    actor.require(Permission.FLAG_EDIT, flag.project_id)
    row = found_settings(flag, command.environment_id)
    before = found_share(flag, row, command.rule_id, command.ring_id)
    if not 0 <= command.parts_per_million <= PARTS:
        told = "The share goes from 0 % (0) to 100 % (1,000,000)."
        raise Invalid(Problem("parts_per_million", told))
    refuse_if_pinned(flag, command.environment_id, "The share cannot change")
    refuse_if_needed_by_pinned(flag, command.environment_id, "The share cannot change")
    place = {"rule": command.rule_id, **({"ring": command.ring_id} if command.ring_id else {})}
    subject = Subject("flag", flag.pk, flag.key, flag.project_id, command.environment_id)
    with change(actor.author, "flag.set_rollout_share", subject, now=now, reason=command.reason) as entry:
        entry.before = {**place, "parts_per_million": before}
        entry.after = {**place, "parts_per_million": command.parts_per_million}
        rules = _rules_with_share(row, (command.rule_id, command.ring_id), command.parts_per_million)
        _write(row, rules, command.expected_version)
        pause_where_lowered(row, rules, now)
        entry.touches(command.environment_id, flag.key)
    return reads.flag(flag.pk)


def found_share(flag: models.Flag, row: models.FlagSettings, rule_id: str, ring_id: str = "") -> int:
    """The share of a rollout, or of a ring of it, in parts per million; or a refusal."""
    rule = next((rule for rule in map(rule_from_json, row.rules) if rule.id == rule_id), None)
    if rule is None or rule.rollout is None:
        told = f"The flag “{flag.key}” has no rollout “{rule_id}” in this environment."
        raise NotFound(Problem("rule_id", told))
    if not rule.rollout.rings and not ring_id:
        return rule.rollout.parts_per_million
    shares = {ring.id: ring.parts_per_million for ring in rule.rollout.rings}
    if ring_id not in shares:
        told = f"Say which ring of “{rule_id}”; it has: {', '.join(shares) or 'none'}."
        raise NotFound(Problem("ring_id", told))
    return shares[ring_id]


def write_share(
    row: models.FlagSettings, place: tuple[str, str], parts_per_million: int, expected_version: int
) -> None:
    """Write the share of a rule, or of a ring of it; the place is (rule, ring or "")."""
    _write(row, _rules_with_share(row, place, parts_per_million), expected_version)


def _rules_with_share(
    row: models.FlagSettings, place: tuple[str, str], parts_per_million: int
) -> list[dict[str, object]]:
    return [
        rule_to_json(_with_share(rule, place[1], parts_per_million) if rule.id == place[0] else rule)
        for rule in map(rule_from_json, row.rules)
    ]


def _with_share(rule: Rule, ring_id: str, parts_per_million: int) -> Rule:
    rollout = rule.rollout
    assert rollout is not None
    if not ring_id:
        return replace(rule, rollout=replace(rollout, parts_per_million=parts_per_million))
    rings = tuple(
        replace(ring, parts_per_million=parts_per_million) if ring.id == ring_id else ring
        for ring in rollout.rings
    )
    return replace(rule, rollout=replace(rollout, rings=rings))


def _write(row: models.FlagSettings, rules: list[dict[str, object]], expected_version: int) -> None:
    held = models.FlagSettings.objects.filter(pk=row.pk, version=expected_version)
    if not held.update(rules=rules, version=expected_version + 1):
        raise Conflict(Problem("expected_version", MEANWHILE))
