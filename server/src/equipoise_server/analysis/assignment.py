"""Who was assigned which arm: ids that sent something, put through the snapshot that clients had."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from equipoise_engine import Snapshot
from equipoise_server.analysis.evidence import Job
from equipoise_server.analysis.funnel import ArmOf, Known, funnel_of
from equipoise_server.analysis.health_values import Funnel
from equipoise_server.analysis.plan import Span
from equipoise_server.experiments.values import Iteration
from equipoise_server.foundation.refusals import NotFound
from equipoise_server.snapshots import reads as snapshots

AN_INSTANT = timedelta(microseconds=1)


def funnel_at(job: Job, span: Span) -> Funnel | None:
    """The funnel of an iteration's units; None where units are not what is randomised."""
    iteration = job.iteration
    if iteration.design.cluster_type or iteration.design.switchback is not None:
        return None
    known = _known(job, span)
    return funnel_of(iteration.design, job.warehouse.stages(job.plan, span), known)


def _known(job: Job, span: Span) -> Known:
    reason = _why_unknown(job.iteration)
    if reason:
        return Known((), 1, None, reason)
    try:
        snapshot = snapshots.compiled_at(job.iteration.environment_id, _while_it_ran(job.iteration, span))
    except NotFound:
        return Known((), 1, None, "the configuration of that time is not kept")
    units, one_in = job.warehouse.known(job.plan, span)
    return Known(units, one_in, _arm_of(job.iteration, snapshot))


def _why_unknown(iteration: Iteration) -> str:
    if iteration.is_outside:
        return "it was run elsewhere" if iteration.is_imported else "units are assigned outside"
    if iteration.design.eligibility is not None:
        return "who is eligible depends on attributes, which events of unexposed units do not carry"
    return ""


def _while_it_ran(iteration: Iteration, span: Span) -> datetime:
    stopped = iteration.stopped_at
    return span.until if stopped is None or span.until < stopped else stopped - AN_INSTANT


def _arm_of(iteration: Iteration, snapshot: Snapshot) -> ArmOf:
    flag = next(iter(iteration.design.arms[0].values))
    unit_type, wanted = iteration.design.unit_type, (iteration.experiment_key, iteration.number)

    def arm_of(unit: str) -> str | None:
        context: Mapping[str, object] = {"units": {unit_type: unit}}
        enrolled = snapshot.evaluate(flag, context, None).enrolment
        is_here = enrolled is not None and (enrolled.experiment, enrolled.iteration) == wanted
        return enrolled.arm if enrolled is not None and is_here else None

    return arm_of
