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
from equipoise_server.flags.rows import found_flag, found_settings
from equipoise_server.flags.settings_json import rule_from_json, rule_to_json, variants_from_json
from equipoise_server.flags.values import Flag, Rule
from equipoise_server.foundation.ids import new_salt
from equipoise_server.foundation.refusals import Conflict, Invalid, NotFound, Problem, refuse_all


@dataclass(frozen=True, slots=True)
class SetRolloutShare:
    """A new share for one rollout rule; who is in already stays in when it grows."""

    flag_id: UUID
    environment_id: UUID
    rule_id: str
    parts_per_million: int
    expected_version: int
    reason: str = ""


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
    """Grow or shrink a rollout."""
    flag = found_flag(command.flag_id)
    actor.require(Permission.FLAG_EDIT, flag.project_id)
    row = found_settings(flag, command.environment_id)
    rules = list(map(rule_from_json, row.rules))
    place = next((i for i, rule in enumerate(rules) if rule.id == command.rule_id), None)
    if place is None or (rollout := rules[place].rollout) is None:
        raise NotFound(
            Problem("rule_id", f"The flag has no rollout “{command.rule_id}” in this environment.")
        )
    if not 0 <= command.parts_per_million <= PARTS:
        told = "The share goes from 0 % (0) to 100 % (1,000,000)."
        raise Invalid(Problem("parts_per_million", told))
    refuse_if_pinned(flag, command.environment_id, "The share cannot change")
    refuse_if_needed_by_pinned(flag, command.environment_id, "The share cannot change")
    before = rollout.parts_per_million
    rules[place] = replace(
        rules[place], rollout=replace(rollout, parts_per_million=command.parts_per_million)
    )
    subject = Subject("flag", flag.pk, flag.key, flag.project_id, command.environment_id)
    with change(actor.author, "flag.set_rollout_share", subject, now=now, reason=command.reason) as entry:
        entry.before = {"rule": command.rule_id, "parts_per_million": before}
        entry.after = {"rule": command.rule_id, "parts_per_million": command.parts_per_million}
        _write(row, list(map(rule_to_json, rules)), command.expected_version)
        entry.touches(command.environment_id, flag.key)
    return reads.flag(flag.pk)


def _write(row: models.FlagSettings, rules: list[dict[str, object]], expected_version: int) -> None:
    held = models.FlagSettings.objects.filter(pk=row.pk, version=expected_version)
    if not held.update(rules=rules, version=expected_version + 1):
        raise Conflict(Problem("expected_version", MEANWHILE))
