"""Erases units step by step. Whatever is killed when, the step is done again; what is done stays done.

The order matters: first tombstones, so that nothing comes back; at the end the request itself and free pages.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import OperationalError, transaction
from django.db.models import F, Sum

from equipoise_server.access import reads as access
from equipoise_server.access.values import ProjectKey
from equipoise_server.audit.actions import RedactUnits, change, redact_units
from equipoise_server.audit.values import Author, Subject
from equipoise_server.events import models, places, store
from equipoise_server.events.erasing_files import FilesWithout, name_gone
from equipoise_server.events.forgetting import Gone, When, forget
from equipoise_server.events.graves import cluster_token
from equipoise_server.events.leavings import delete_retired, unnamed_files
from equipoise_server.events.pseudonyms import kept_ids
from equipoise_server.events.rounds import compact
from equipoise_server.events.scrubbing import names
from equipoise_server.events.unit_scrubs import scrub_unclaimed, want_scrubs
from equipoise_server.events.values import ErasureStep
from equipoise_server.foundation.free_pages import PagesInUse, empty_free_pages
from equipoise_server.foundation.remembered import forget_units as forget_answers
from equipoise_server.foundation.scratch import scratch_directory

_log = logging.getLogger(__name__)
Passed = Callable[[ErasureStep], None]


def work_off(*, now: datetime, passed: Passed = lambda _step: None) -> int:
    """Bring every erasure as far as it goes now; how many are still open. `passed` hears of each step done.

    Raises the first fault, after every erasure had its turn.
    """
    fault: Exception | None = None
    for row in models.Erasure.objects.filter(finished_at=None).order_by("asked_at"):
        try:
            _advance(row, now, passed)
        except Exception as trouble:  # noqa: BLE001  # raised below: one erasure must not hold up the others
            _log.exception("the erasure %s has failed in step %s", row.pk, row.step)
            fault = fault or trouble
    if fault is not None:
        raise fault
    return models.Erasure.objects.filter(finished_at=None).count()


def _advance(row: models.Erasure, now: datetime, passed: Passed) -> None:
    while row.finished_at is None:
        step = ErasureStep(row.step)
        waits_for = _STEPS[step](_Job(row, now))
        passed(step)
        if waits_for:
            models.Erasure.objects.filter(pk=row.pk).update(waits_for=waits_for)
            return
        if step is not ErasureStep.DONE:
            order = list(ErasureStep)
            row.step, row.step_since, row.waits_for = order[order.index(step) + 1], now, ""
            row.save(update_fields=["step", "step_since", "waits_for"])


@dataclass(frozen=True, slots=True)
class _Job:
    """One erasure at one instant."""

    row: models.Erasure
    now: datetime

    @property
    def environments(self) -> tuple[UUID, ...]:
        """Of the project, all."""
        return tuple(one.id for one in access.project(self.row.project_id).environments)

    @property
    def key(self) -> ProjectKey:
        """The project's."""
        return access.project_key(self.row.project_id)

    @property
    def author(self) -> Author:
        """Who asked."""
        return Author(self.row.author_kind, self.row.author_id, self.row.author_name)

    def gone(self) -> Gone:
        """The units, by both of their names."""
        units = frozenset(self.row.units.values_list("unit", flat=True))
        kept_as = kept_ids(self.row.project_id, self.row.unit_type, units)
        return Gone(self.row.project_id, self.environments, self.row.unit_type, units, kept_as, self.author)

    def count(self, place: str, removed: int) -> None:
        """Add to what was taken out of a place."""
        if removed:
            held = dict(self.row.removed)
            self.row.removed = {**held, place: held.get(place, 0) + removed}
            self.row.save(update_fields=["removed"])


def _bury(job: _Job) -> str:
    """From here on nothing of the units is stored again: a compaction under way loses its race."""
    gone, key = job.gone(), job.key
    with transaction.atomic():
        models.Tombstone.objects.bulk_create(
            [
                models.Tombstone(
                    environment_id=one, digest=key.tombstone(one, gone.unit_type, unit), created_at=job.now
                )
                for one in gone.environments
                for unit in sorted(gone.kept_as)
            ],
            batch_size=1_000,
            ignore_conflicts=True,
        )
        models.StoreHead.objects.get_or_create(pk=1)
        models.StoreHead.objects.filter(pk=1).update(version=F("version") + 1)
    return ""


def _forget_configuration(job: _Job) -> str:
    gone = job.gone()
    for place, removed in forget(When.CONFIGURATION, gone, now=job.now).items():
        job.count(place, removed)
    project = access.project(gone.project_id)
    subject = Subject("project", project.id, project.key, project.id)
    command = RedactUnits(subject, gone.unit_type, gone.units)
    job.count("audit records", redact_units(job.author, command, now=job.now))
    job.count("remembered answers", forget_answers(gone.unit_type, gone.units))
    return ""


def _erase_events(job: _Job) -> str:
    """Store what waits, without the units; then write the files again that hold them."""
    compact(now=job.now)
    want_scrubs(job.row)
    gone = job.gone()
    database = store.open_database(scratch_directory())
    try:
        files = FilesWithout(database, places.store_directory(), gone.unit_type)
        for environment_id in gone.environments:
            _erase_from(job, environment_id, files)
    finally:
        database.close()
    job.count("refused events", _forget_conflicts(gone))
    return ""


def _erase_from(job: _Job, environment_id: UUID, files: FilesWithout) -> None:
    gone, key = job.gone(), job.key
    tokens = {unit: cluster_token(key, environment_id, gone.unit_type, unit) for unit in gone.kept_as}
    name_gone(files.database, tokens)
    while True:
        live = models.StoreFile.objects.filter(environment_id=environment_id, retired_at=None)
        done = files.erase(list(live.order_by("day", "id")), now=job.now)
        job.count("event files", done.files)
        job.count("events", done.rows)
        if not done.passed_over:
            return


def _forget_conflicts(gone: Gone) -> int:
    rows = models.ConflictingEvent.objects.filter(environment_id__in=gone.environments)
    both = gone.units | gone.kept_as
    naming = [row.pk for row in rows.iterator() if names(row.event, both)]
    return models.ConflictingEvent.objects.filter(pk__in=naming).delete()[0]


def _scrub_inboxes(job: _Job) -> str:
    left = scrub_unclaimed(job.row, now=job.now)
    if left:
        return f"{len(left)} inbox files of running servers; each is done within seconds by its own process"
    scrubbed = job.row.scrubs.aggregate(Sum("quarantined"))["quarantined__sum"] or 0
    job.count("refused events", scrubbed)
    return ""


def _forget_derived(job: _Job) -> str:
    for place, removed in forget(When.DERIVED, job.gone(), now=job.now).items():
        job.count(place, removed)
    return ""


def _await_leftovers(job: _Job) -> str:
    """Files that were replaced stay for whoever reads them; they are gone within 15 minutes."""
    delete_retired(now=job.now)
    retired = models.StoreFile.objects.filter(
        environment_id__in=job.environments, retired_at__lte=job.row.step_since
    ).count()
    if retired:
        return f"{retired} replaced event files that somebody may still be reading; 10 minutes at most"
    orphans = len(unnamed_files(before=job.row.step_since.timestamp()))
    return f"{orphans} unfinished files of a round that was killed; an hour at most" if orphans else ""


def _empty_free_pages(job: _Job) -> str:
    """The request goes, and then whatever was deleted before leaves the pages it was on."""
    job.row.units.all().delete()
    try:
        empty_free_pages()
    except (OperationalError, PagesInUse) as fault:
        return f"a moment without other readers of the configuration store ({fault})"
    return ""


def _prove(job: _Job) -> str:
    """One audit record: who asked, when, how many, and how much was taken out of where."""
    row = job.row
    subject = Subject("erasure", row.pk, str(row.pk)[:8], row.project_id)
    with change(job.author, "erasure.finish", subject, now=job.now) as entry:
        entry.after = {
            "unit_type": row.unit_type, "units": row.asked, "fingerprint": row.request_sha256,
            "asked_at": row.asked_at.isoformat(), "removed": dict(row.removed),
        }  # fmt: skip
        row.finished_at = job.now
        row.save(update_fields=["finished_at"])
    return ""


_STEPS: dict[ErasureStep, Callable[[_Job], str]] = {
    ErasureStep.BURY: _bury,
    ErasureStep.CONFIGURATION: _forget_configuration,
    ErasureStep.STORE: _erase_events,
    ErasureStep.INBOXES: _scrub_inboxes,
    ErasureStep.DERIVED: _forget_derived,
    ErasureStep.LEFTOVERS: _await_leftovers,
    ErasureStep.FREE_PAGES: _empty_free_pages,
    ErasureStep.DONE: _prove,
}
"""Each answers what it waits for; "" when it is done."""
