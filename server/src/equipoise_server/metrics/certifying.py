"""Certification: somebody other than the author vouches for one version; a new one has to earn it anew."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from equipoise_server.access.values import Actor, Permission
from equipoise_server.audit.actions import change
from equipoise_server.audit.values import Subject
from equipoise_server.foundation.refusals import Conflict, Forbidden, Invalid, Problem, refuse_all
from equipoise_server.foundation.texts import text_problems
from equipoise_server.metrics import models, reads
from equipoise_server.metrics.values import CatalogueRules, Metric

SHORTEST_NOTE = 10


@dataclass(frozen=True, slots=True)
class CertifyMetric:
    """Vouch for the newest version. `expected_version` is the edition that was read."""

    metric_id: UUID
    expected_version: int
    note: str


@dataclass(frozen=True, slots=True)
class WithdrawCertification:
    """Take it back, with the reason."""

    metric_id: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class SetCatalogueRules:
    """What the project asks of its metrics from now on."""

    project_id: UUID
    requires_certified_oec: bool


def certify_metric(actor: Actor, command: CertifyMetric, *, now: datetime) -> Metric:
    """Mark the newest version as certified; its author cannot."""
    held = reads.metric(command.metric_id)
    actor.require(Permission.METRIC_CERTIFY, held.project_id)
    if actor.author.kind != "person":
        raise Forbidden(Problem("", "A person vouches for a metric; sign in, or use a person's token."))
    if actor.author.id == held.author_id:
        told = f"You wrote version {held.version} of “{held.key}”; ask somebody else to certify it."
        raise Forbidden(Problem("", told))
    refuse_all(Invalid, _note_problems("note", command.note))
    subject = Subject("metric", held.id, held.key, held.project_id)
    with change(actor.author, "metric.certify", subject, now=now, reason=command.note) as entry:
        row = models.Metric.objects.select_for_update().get(pk=held.id)
        current = reads.metric(held.id)
        _refuse_unless_certifiable(current, command.expected_version)
        models.MetricVersion.objects.filter(pk=current.version_id).update(
            certified_by=actor.author.name, certified_at=now, certification_note=command.note.strip()
        )
        models.Metric.objects.filter(pk=row.pk).update(edition=row.edition + 1)
        entry.before = {"version": current.version, "certified": False}
        entry.after = {"version": current.version, "certified": True}
    return reads.metric(held.id)


def withdraw_certification(actor: Actor, command: WithdrawCertification, *, now: datetime) -> Metric:
    """Make the newest version a draft again."""
    held = reads.metric(command.metric_id)
    actor.require(Permission.METRIC_CERTIFY, held.project_id)
    refuse_all(Invalid, _note_problems("reason", command.reason))
    subject = Subject("metric", held.id, held.key, held.project_id)
    with change(actor.author, "metric.uncertify", subject, now=now, reason=command.reason) as entry:
        row = models.Metric.objects.select_for_update().get(pk=held.id)
        current = reads.metric(held.id)
        if current.certification is None:
            raise Conflict(Problem("", f"“{held.key}” is not certified."))
        models.MetricVersion.objects.filter(pk=current.version_id).update(
            certified_by="", certified_at=None, certification_note=""
        )
        models.Metric.objects.filter(pk=row.pk).update(edition=row.edition + 1)
        entry.before = {
            "version": current.version,
            "certified": True,
            "by": current.certification.by,
            "note": current.certification.note,
        }
        entry.after = {"version": current.version, "certified": False}
    return reads.metric(held.id)


def set_catalogue_rules(actor: Actor, command: SetCatalogueRules, *, now: datetime) -> CatalogueRules:
    """Say whether an experiment may start with a metric that nobody has certified."""
    actor.require(Permission.PROJECT_EDIT, command.project_id)
    subject = Subject("metrics", command.project_id, "metrics", command.project_id)
    with change(actor.author, "metrics.rules", subject, now=now) as entry:
        entry.before = {"requires_certified_oec": reads.rules_of(command.project_id).requires_certified_oec}
        models.CatalogueRules.objects.update_or_create(
            project_id=command.project_id,
            defaults={"requires_certified_oec": command.requires_certified_oec},
        )
        entry.after = {"requires_certified_oec": command.requires_certified_oec}
    return reads.rules_of(command.project_id)


def _refuse_unless_certifiable(metric: Metric, expected_version: int) -> None:
    if metric.archived_at is not None:
        raise Conflict(Problem("", f"“{metric.key}” is archived; there is nothing to certify."))
    if metric.edition != expected_version:
        told = f"Somebody changed “{metric.key}” meanwhile; read it again before you vouch for it."
        raise Conflict(Problem("expected_version", told))
    if metric.certification is not None:
        raise Conflict(Problem("", f"{metric.certification.by} has certified this version already."))


def _note_problems(field: str, note: str) -> list[Problem]:
    if len(note.strip()) < SHORTEST_NOTE:
        told = f"Say in at least {SHORTEST_NOTE} characters what you looked at."
        return [Problem(field, told)]
    return [*text_problems(**{field: note})]
