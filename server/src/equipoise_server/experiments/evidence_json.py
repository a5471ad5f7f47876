"""How verdicts and decisions are kept as JSON."""

from __future__ import annotations

from datetime import datetime

from equipoise_server.experiments.json_reading import Json
from equipoise_server.experiments.values import Decision, DecisionKind, Verdict, VerdictState


def verdict_to_json(verdict: Verdict) -> dict[str, object]:
    """A verdict with every field."""
    return {
        "state": str(verdict.state),
        "sentence": verdict.sentence,
        "as_of": verdict.as_of.isoformat(),
        "blocks_shipping": list(verdict.blocks_shipping),
        "blocks_arms": {arm: list(reasons) for arm, reasons in verdict.blocks_arms.items()},
    }


def verdict_from_json(written: Json | None) -> Verdict | None:
    """The verdict of a row, if analysis has written one."""
    if written is None:
        return None
    blocks, arms = written["blocks_shipping"], written["blocks_arms"]
    assert isinstance(blocks, list)
    assert isinstance(arms, dict)
    return Verdict(
        VerdictState(str(written["state"])),
        str(written["sentence"]),
        datetime.fromisoformat(str(written["as_of"])),
        tuple(map(str, blocks)),
        {str(arm): tuple(map(str, reasons)) for arm, reasons in arms.items()},
    )


def decision_to_json(decision: Decision) -> dict[str, object]:
    """A decision with every field."""
    return {
        "kind": str(decision.kind),
        "arm": decision.arm,
        "reason": decision.reason,
        "decided_by": decision.decided_by,
        "decided_at": decision.decided_at.isoformat(),
    }


def decision_from_json(written: Json | None) -> Decision | None:
    """The decision of a row, if people have decided."""
    if written is None:
        return None
    return Decision(
        DecisionKind(str(written["kind"])),
        str(written["arm"]),
        str(written["reason"]),
        str(written["decided_by"]),
        datetime.fromisoformat(str(written["decided_at"])),
    )
