"""Locks of the split that were false alarms: two people sign, once as many units again have come in balance.

A lock is never waived. What chance did does not go on; what is broken does. So the units that came after the
lock decide whether anybody may sign, and the split is judged by them from then on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from equipoise_server.access.values import Actor, Permission
from equipoise_server.analysis import models, renewing, sentences
from equipoise_server.analysis.codec import from_json
from equipoise_server.analysis.split import day_of_lock
from equipoise_server.analysis.values import Afterwards, Report, Signature, Srm, SrmState
from equipoise_server.audit.actions import change
from equipoise_server.audit.values import Subject
from equipoise_server.experiments import reads as experiments
from equipoise_server.experiments.values import Iteration
from equipoise_server.foundation.clashes import refused_if_taken
from equipoise_server.foundation.refusals import Conflict, Forbidden, Invalid, Problem, refuse_all
from equipoise_server.foundation.texts import text_problems

SIGNATURES = 2
SHORTEST_REASON = 10
LONGEST_REASON = 1_000
_TWICE = Problem("", "You have signed this lock already; somebody else has to sign, too.")


@dataclass(frozen=True, slots=True)
class SignFalseAlarm:
    """Put one's name to it that the lock of an experiment's newest iteration came by chance."""

    experiment_id: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class FalseAlarm:
    """How far a lock is from being ended: what stands in the way, and who has signed."""

    came: Afterwards
    problems: tuple[Problem, ...]
    """Why nobody may sign now."""
    signatures: tuple[Signature, ...]
    is_signed: bool
    """Whether the one who asks has signed."""


def false_alarm_of(iteration: Iteration, srm: Srm, *, person_id: str) -> FalseAlarm | None:
    """Of the lock that a report tells of; None while nothing is locked, or when no more units come."""
    locked_at, is_over = srm.confirmed_at, iteration.is_imported or iteration.stopped_at is not None
    if srm.state is not SrmState.LOCKED or srm.afterwards is None or locked_at is None or is_over:
        return None
    mine = models.SplitSignature.objects.filter(
        iteration_id=iteration.id, locked_at=locked_at, author_id=person_id
    )
    return FalseAlarm(
        srm.afterwards,
        tuple(sign_problems(iteration, srm)),
        _signed(iteration.id, locked_at),
        is_signed=mine.exists(),
    )


def sign_false_alarm(actor: Actor, command: SignFalseAlarm, *, now: datetime) -> tuple[Signature, ...]:
    """Sign; the second person's signature ends the lock. Returns all signatures of this lock."""
    experiment = experiments.experiment(command.experiment_id)
    actor.require(Permission.EXPERIMENT_DECIDE, experiment.project_id)
    if actor.author.kind != "person":
        raise Forbidden(Problem("", "A person signs; sign in, or use a person's token."))
    iteration = experiment.iteration
    refuse_all(Invalid, list(_reason_problems(command.reason)))
    if iteration is None:
        raise Conflict(Problem("", "The experiment has not started, so nothing is locked."))
    srm = _srm_of(iteration.id)
    refuse_all(Conflict, list(sign_problems(iteration, srm)))
    assert srm is not None, "without a report nothing is signed"
    subject = Subject(
        "experiment", experiment.id, experiment.key, experiment.project_id, iteration.environment_id
    )
    told = change(actor.author, "split.sign_false_alarm", subject, now=now, reason=command.reason)
    with refused_if_taken(_TWICE), told as entry:
        watch = models.SplitWatch.objects.select_for_update().get(iteration_id=iteration.id)
        if watch.confirmed_at is None:
            raise Conflict(Problem("", "Somebody else has just ended this lock."))
        if watch.confirmed_at != srm.confirmed_at:  # what was shown is not what would be signed
            raise Conflict(Problem("", "The split was locked anew meanwhile. Read the next report first."))
        models.SplitSignature.objects.create(
            iteration_id=iteration.id, locked_at=watch.confirmed_at, author_id=actor.author.id,
            author_name=actor.author.name, reason=command.reason.strip(), signed_at=now,
        )  # fmt: skip
        signed = _signed(iteration.id, watch.confirmed_at)
        if len(signed) >= SIGNATURES:
            _end(watch)
            renewing.make_asked(iteration, now=now)
        entry.after = {
            "iteration": iteration.number,
            "signatures": len(signed),
            "lock": "ended" if len(signed) >= SIGNATURES else "holds",
        }
    return signed


def sign_problems(iteration: Iteration, srm: Srm | None) -> Iterator[Problem]:
    """Why nobody may sign now; nothing when somebody may."""
    if srm is None or srm.state is not SrmState.LOCKED or srm.afterwards is None:
        yield Problem("", "The split is not locked, so there is nothing to sign.")
        return
    if iteration.is_imported or iteration.stopped_at is not None:
        told = "No more units come that could show a false alarm. Start a new iteration with fresh units."
        yield Problem("", told)
        return
    if not srm.afterwards.is_balanced:
        yield Problem("", sentences.afterwards(srm.afterwards))
    if srm.afterwards.suspects:
        named = ", ".join(f"{one.attribute} “{one.value}”" for one in srm.afterwards.suspects)
        told = f"Of the units that came since, those with {named} are out of balance: that is no chance."
        yield Problem("", f"{told} Mend it, and start a new iteration.")


def with_signatures(iteration_id: UUID, srm: Srm) -> Srm:
    """The gate with who has signed its lock, or the last one that was ended."""
    rows = models.SplitSignature.objects.filter(iteration_id=iteration_id)
    if srm.confirmed_at is not None:
        return replace(srm, signatures=_signed(iteration_id, srm.confirmed_at))
    newest = rows.order_by("-locked_at").first() if srm.cleared_through is not None else None
    return srm if newest is None else replace(srm, signatures=_signed(iteration_id, newest.locked_at))


def _end(watch: models.SplitWatch) -> None:
    assert watch.confirmed_at is not None, "only a lock is ended"
    watch.cleared_through = day_of_lock(watch.confirmed_at)
    watch.alerted_at = watch.confirmed_at = None
    watch.save()


def _signed(iteration_id: UUID, locked_at: datetime) -> tuple[Signature, ...]:
    rows = models.SplitSignature.objects.filter(iteration_id=iteration_id, locked_at=locked_at)
    return tuple(
        Signature(row.author_name, row.reason, row.signed_at) for row in rows.order_by("signed_at", "pk")
    )


def _srm_of(iteration_id: UUID) -> Srm | None:
    """As the last report has it: it is what whoever signs has seen."""
    row = models.StoredReport.objects.filter(iteration_id=iteration_id).first()
    report = None if row is None else from_json(row.report, Report)
    return None if report is None else report.srm


def _reason_problems(reason: str) -> Iterator[Problem]:
    yield from text_problems(LONGEST_REASON, reason=reason)
    if len(reason.strip()) < SHORTEST_REASON:
        yield Problem("reason", "Say why this was chance, for whoever reads the record: ten letters or more.")
