"""What makes reports: refresh, a fresh start of the ledger after a back-fill, and the import of the past."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from uuid import UUID

from django.db import transaction

from equipoise_server.access.values import Actor
from equipoise_server.analysis import models
from equipoise_server.analysis.codec import to_json
from equipoise_server.analysis.false_alarms import SIGNATURES, SignFalseAlarm, sign_false_alarm
from equipoise_server.analysis.holdout_impact import measure_holdout, measure_holdouts
from equipoise_server.analysis.import_mapping import mapping_from_text
from equipoise_server.analysis.importing import ImportPast, load_past_experiment
from equipoise_server.analysis.looking import forget_looks
from equipoise_server.analysis.past_table import SUFFIXES
from equipoise_server.analysis.refreshing import STEPS, build_report
from equipoise_server.analysis.renewing import AskRefresh, ask_refresh
from equipoise_server.analysis.reporting import verdict_of
from equipoise_server.analysis.rollups.actions import audit_rollups, forget_units
from equipoise_server.analysis.rows import blocks
from equipoise_server.analysis.sources.exposing import take_exposures
from equipoise_server.analysis.sources.importing import ImportFromSource, as_file
from equipoise_server.analysis.traffic_filters import SetTrafficFilter, set_traffic_filter
from equipoise_server.analysis.values import Report
from equipoise_server.experiments import reads as experiments
from equipoise_server.experiments.actions import record_verdict
from equipoise_server.experiments.values import Experiment
from equipoise_server.foundation import running
from equipoise_server.foundation.scratch import scratch

FILE_SUFFIXES = SUFFIXES

__all__ = [
    "FILE_SUFFIXES",
    "SIGNATURES",
    "AskRefresh",
    "ImportFromSource",
    "ImportPast",
    "SetTrafficFilter",
    "SignFalseAlarm",
    "ask_refresh",
    "audit_rollups",
    "forget_units",
    "import_exposures",
    "import_past_experiment",
    "mapping_from_text",
    "measure_holdout",
    "measure_holdouts",
    "rebuild",
    "refresh",
    "set_traffic_filter",
    "sign_false_alarm",
]


def refresh(iteration_id: UUID, now: datetime) -> Report:
    """Look if a look is due, renew what is live, keep the report and tell the experiment its verdict."""
    take_exposures(experiments.iteration(iteration_id), now=now)
    report = replace(build_report(iteration_id, now=now), cost=running.cost_so_far())
    running.step("keeping the report", STEPS - 1, STEPS)
    blocked = {} if report.results is None else _blocked(report)
    with transaction.atomic():
        running.fence()
        models.StoredReport.objects.update_or_create(
            iteration_id=iteration_id,
            defaults={
                "computed_at": now,
                "is_final": _is_final(iteration_id, now=now),
                "report": to_json(report),
            },
        )
        record_verdict(iteration_id, verdict_of(report, blocked), now=now)
    return report


def rebuild(iteration_id: UUID, now: datetime) -> Report:
    """Take all looks again: for iterations whose events were loaded after the fact."""
    with transaction.atomic():
        forget_looks(iteration_id)
        models.FrozenFacts.objects.filter(iteration_id=iteration_id).delete()
        models.SplitWatch.objects.filter(iteration_id=iteration_id).delete()
    return refresh(iteration_id, now)


def import_past_experiment(actor: Actor, command: ImportPast, *, now: datetime) -> Experiment:
    """Enter an experiment that was run elsewhere, with its data and its fixed-horizon report."""
    experiment = load_past_experiment(actor, command, now=now)
    assert experiment.iteration is not None, "an import is an iteration"
    rebuild(experiment.iteration.id, now)
    return experiments.experiment(experiment.id)


def import_exposures(actor: Actor, command: ImportFromSource, *, now: datetime) -> Experiment:
    """Enter an experiment whose exposures are the rows of a source."""
    with scratch("import") as directory:
        return import_past_experiment(actor, as_file(actor, command, Path(directory), now=now), now=now)


def _is_final(iteration_id: UUID, *, now: datetime) -> bool:
    """The last look is taken; or it was stopped too early for any, and none will come."""
    stopped_at = experiments.iteration(iteration_id).stopped_at
    if stopped_at is not None and stopped_at <= now:
        return True
    return models.Look.objects.filter(iteration_id=iteration_id, is_final=True).exists()


def _blocked(report: Report) -> dict[str, tuple[str, ...]]:
    assert report.results is not None
    return blocks(report.results.rows, {arm.arm: arm.name for arm in report.arms})
