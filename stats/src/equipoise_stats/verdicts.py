"""From claims to a verdict per treatment and for the experiment. Suggests; people decide."""

from __future__ import annotations

from collections.abc import Sequence

from equipoise_stats.guardrails import Alarm, GuardrailVerdict
from equipoise_stats.plan import Design, MetricRole
from equipoise_stats.quality import CheckName, Outcome, QualityCheck
from equipoise_stats.results import MetricResult, Significance, TreatmentVerdict, Verdict

# The experiment's verdict is the first of these that some treatment has.
_PRECEDENCE = tuple(Verdict)


def treatment_verdicts(
    metrics: Sequence[MetricResult], design: Design, checks: Sequence[QualityCheck]
) -> tuple[TreatmentVerdict, ...]:
    """One verdict per treatment; a running experiment ships nothing before its first full week.

    A lift too good to be true proves nothing until somebody has looked into it.
    """
    week = all(c.outcome is Outcome.PASS for c in checks if c.name is CheckName.FULL_WEEK)
    may_ship = design.planned_end_reached or week
    doubted = {c.variant for c in checks if c.name is CheckName.SURPRISE and c.outcome is Outcome.BLOCK}
    return tuple(
        TreatmentVerdict(
            treatment,
            _verdict(
                [result for result in metrics if result.treatment == treatment],
                ended=design.planned_end_reached,
                may_ship=may_ship,
                believed=treatment not in doubted,
            ),
        )
        for treatment in design.treatments
    )


def overall(treatments: Sequence[TreatmentVerdict]) -> Verdict:
    """An alarm first, then a ship candidate, then whatever still runs, then how the rest ended."""
    found = {treatment.verdict for treatment in treatments}
    return next(verdict for verdict in _PRECEDENCE if verdict in found)


def _verdict(results: Sequence[MetricResult], *, ended: bool, may_ship: bool, believed: bool) -> Verdict:
    if any(isinstance(r.alarm, Alarm) and r.alarm.breached for r in results):
        return Verdict.ALARM
    guardrails = {r.guardrail.verdict for r in results if r.guardrail is not None}
    if GuardrailVerdict.FAIL in guardrails:
        return Verdict.GUARDRAIL_FAILED
    oec = next(r.significance for r in results if r.role is MetricRole.OEC)
    if oec is Significance.WORSE:
        return Verdict.HARMFUL
    succeeded = oec is Significance.BETTER and believed
    if succeeded and may_ship and guardrails <= {GuardrailVerdict.PASS}:
        return Verdict.SHIP_CANDIDATE
    if not ended:
        return Verdict.KEEP_RUNNING
    return Verdict.GUARDRAIL_UNPROVEN if succeeded else Verdict.INCONCLUSIVE
