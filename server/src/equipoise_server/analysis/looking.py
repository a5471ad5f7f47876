"""Takes the looks that have fallen due and keeps them: the ledger of an iteration."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from django.db import transaction

import equipoise_stats as stats
from equipoise_server.analysis import looks, models, quality, rows, signs
from equipoise_server.analysis.assignment import funnel_at
from equipoise_server.analysis.codec import from_json, to_json
from equipoise_server.analysis.evidence import Gathered, Job, evidence_at, treatments_of
from equipoise_server.analysis.further import further_of
from equipoise_server.analysis.judging import deciding_by_moments, stats_design
from equipoise_server.analysis.looks import DueLook, LookFound
from equipoise_server.analysis.past import past_of
from equipoise_server.analysis.plan import ATTRIBUTE, MISSING, Span, covariates_of
from equipoise_server.analysis.values import Further, Method
from equipoise_server.foundation import running

_NOTHING_NEW = {stats.Status.LOOK_SKIPPED, stats.Status.LOOKS_ENDED}


def take_looks(job: Job, facts: models.FrozenFacts) -> tuple[LookFound, ...]:
    """The ledger, with the looks that have fallen due since the last refresh; none after the last."""
    iteration_id = job.iteration.id
    ledger = _kept_looks(iteration_id)
    due = [
        one
        for one in looks.due_looks(job.iteration, now=job.now)
        if not ledger or one.as_of > ledger[-1].as_of
    ]
    if due:
        job = replace(job, past=past_of(job.iteration, job.measured), expected_units=facts.expected_units)
    for place, one in enumerate(due):
        running.step(f"taking look {place + 1} of {len(due)}", 3, 5)
        if ledger and ledger[-1].is_final:
            break
        found = _look(job, facts, one, ledger, is_newest=place == len(due) - 1)
        if found is not None:
            ledger.append(found)
            _keep(iteration_id, found)
    return tuple(ledger)


def forget_looks(iteration_id: UUID) -> None:
    """Take the ledger away: hidden means absent. It can be made again from the events."""
    models.Look.objects.filter(iteration_id=iteration_id).delete()
    models.LookEvidence.objects.filter(iteration_id=iteration_id).delete()


def _kept_looks(iteration_id: UUID) -> list[LookFound]:
    """The ledger so far; none of it when a look has another release's shape: then all are taken again."""
    kept = models.Look.objects.filter(iteration_id=iteration_id).order_by("number")
    found = [from_json(row.found, LookFound) for row in kept]
    readable = [look for look in found if look is not None]
    if len(readable) < len(found):
        forget_looks(iteration_id)
        return []
    return readable


def _look(
    job: Job, facts: models.FrozenFacts, due: DueLook, ledger: list[LookFound], *, is_newest: bool
) -> LookFound | None:
    """One look; None when the data of that instant allow no results, or too little is new."""
    gathered = evidence_at(job, facts.pivots, due, ledger, is_newest=is_newest)
    design = stats_design(
        job.iteration,
        job.measured,
        job.plan,
        expected_units=facts.expected_units,
        planned_end_reached=due.is_planned_end or due.method is Method.FIXED,
        has_looks=due.method is Method.GROUP_SEQUENTIAL,
    )
    results = stats.analyse(gathered.evidence, design)
    if isinstance(results, stats.Withheld) or all(one.status in _NOTHING_NEW for one in results.metrics):
        return None
    _keep_evidence(job.iteration.id, due, gathered, design)
    further = further_of(job, facts.pivots, gathered, results) if is_newest else Further()
    found = _found(job, due, ledger, (gathered, results, further))
    if not is_newest:
        return found
    at = Span(due.as_of, due.as_of)
    return replace(found, funnel=funnel_at(job, at), null_p_value=_null_p_value(job, gathered))


def _null_p_value(job: Job, gathered: Gathered) -> float | None:
    """Of the first deciding metric and the first treatment: one of an experiment, for they move together."""
    before, design = gathered.evidence.quality.before, job.iteration.design
    deciding = deciding_by_moments(job.measured)
    if not deciding:
        return None
    return signs.null_p_value(before, (treatments_of(job.iteration)[0], design.control), deciding[0])


def _found(
    job: Job, due: DueLook, ledger: list[LookFound], seen: tuple[Gathered, stats.Results, Further]
) -> LookFound:
    gathered, results, further = seen
    found = rows.comparison_rows(results, job.measured, _adjusted_for(job))
    names = {arm.key: arm.name for arm in job.iteration.design.arms}
    taken = [row.look for row in found if row.look is not None]
    # The planned units may have come before the planned day: then this was the last look.
    is_final = due.is_final or any(look.is_last for look in taken)
    return LookFound(
        number=ledger[-1].number + 1 if ledger else 1,
        as_of=due.as_of,
        is_final=is_final,
        method=due.method,
        rows=found,
        verdict=rows.verdict_state(results, found, is_final=is_final),
        blocked=rows.blocks(found, names),
        notes=(
            *quality.metric_notes(results.quality, job.measured, gathered.arms),
            *quality.unit_notes(results.quality, gathered.evidence),
        ),
        smallest_p=looks.smallest_p(ledger[-1].smallest_p if ledger else {}, found),
        information=max((look.information for look in taken), default=None),
        further=further,
    )


def _adjusted_for(job: Job) -> dict[str, tuple[str, ...]]:
    """By metric, in words, what is taken out of its noise."""
    strata = (job.iteration.design.strata,) if job.iteration.design.strata else ()
    found = {}
    for one in job.measured:
        columns = [name for name in covariates_of(job.plan, one.metric.key) if not name.endswith(MISSING)]
        told = [
            name.removeprefix(ATTRIBUTE) if name.startswith(ATTRIBUTE) else "its own past" for name in columns
        ]
        found[one.metric.key] = tuple(dict.fromkeys((*told, *strata)))
    return found


def _keep(iteration_id: UUID, found: LookFound) -> None:
    with transaction.atomic():
        running.fence()
        models.Look.objects.get_or_create(
            iteration_id=iteration_id,
            as_of=found.as_of,
            defaults={"number": found.number, "is_final": found.is_final, "found": to_json(found)},
        )


def _keep_evidence(iteration_id: UUID, due: DueLook, gathered: Gathered, design: stats.Design) -> None:
    """What a notebook needs to make the same report; of the newest look alone."""
    document = stats.to_document(gathered.evidence, design)
    models.LookEvidence.objects.update_or_create(
        iteration_id=iteration_id, defaults={"as_of": due.as_of, "document": document}
    )
