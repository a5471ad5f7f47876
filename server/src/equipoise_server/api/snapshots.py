"""What clients get: an environment's snapshot, why a unit gets what it gets, and what it got at a time."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Field, File, Form, Query, Router, Schema, UploadedFile
from pydantic import AwareDatetime

from equipoise_engine import Decision, Step, canonical_json
from equipoise_server.access.values import Environment, Permission
from equipoise_server.api.authentication import actor_of
from equipoise_server.api.reading import Strict, environment_of, project_of
from equipoise_server.api.shapes import Json, Value
from equipoise_server.flags import reads as flags
from equipoise_server.foundation.exposure_tokens import MEMBER as EXPOSURE_TOKENS
from equipoise_server.foundation.refusals import Invalid, Problem, refuse_all
from equipoise_server.snapshots import reads as snapshots
from equipoise_server.snapshots.values import ReplayQuestion

router = Router(tags=["snapshots"])
ENVIRONMENT = "/projects/{project}/environments/{environment}"


class ContextBody(Strict):
    """Unit ids by type, and attributes."""

    units: dict[str, str | int] = {}
    attributes: Json = {}


class FullContextBody(ContextBody):
    """A context with everything that an evaluation may look at (spec/evaluation.md)."""

    overrides: dict[str, str] = {}
    clusters: dict[str, str] = {}
    now: AwareDatetime | None = None

    def context(self) -> dict[str, object]:
        """As the engine reads it."""
        content: dict[str, object] = {"units": self.units, "attributes": self.attributes}
        content |= {name: given for name, given in self._more() if given}
        return content if self.now is None else {**content, "now": self.now.timestamp()}

    def _more(self) -> tuple[tuple[str, dict[str, str]], ...]:
        return ("overrides", self.overrides), ("clusters", self.clusters)


class Explain(Strict):
    """Which flag for whom."""

    flag: str
    context: FullContextBody = FullContextBody()


class ReplayQuery(Schema):
    """Which unit got what of which flag, and when."""

    flag: str
    unit_type: str
    unit: str
    at: AwareDatetime = Field(description="RFC 3339 with an offset.")
    attributes: str = Field("{}", description="The unit's attributes then, as one JSON object.")


class DecisionShape(Schema):
    """What a context gets (spec/evaluation.md)."""

    value: Value | None
    variant: str | None
    reason: str
    error_code: str | None
    error_message: str | None
    metadata: Json


class StepShape(Schema):
    """One step of the evaluation."""

    kind: str
    key: str | None
    finding: str
    detail: Json


class ExplanationShape(Schema):
    """The decision, and how it came about."""

    decision: DecisionShape
    steps: list[StepShape]


class ReplayShape(ExplanationShape):
    """The same for a time in the past, with the snapshot that held then."""

    revision: str
    snapshot_hash: str
    snapshot_created_at: AwareDatetime


@router.get(ENVIRONMENT + "/snapshot", response=Json)
def preview_snapshot(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    """The snapshot that server keys of the environment get now (spec/schemas/snapshot.schema.json).

    Who may not edit flags gets it without the key that signs links to previews, and who may not manage
    keys without those that sign exposure tokens.
    """
    place = _place(request, project, environment)
    kept = snapshots.current(place.id)
    body, actor = kept.body, actor_of(request)
    secrets = {"preview_key": Permission.FLAG_EDIT, EXPOSURE_TOKENS: Permission.KEY_MANAGE}
    hidden = [name for name, needed in secrets.items() if not actor.may(needed, place.project_id)]
    if hidden:
        body = canonical_json({k: v for k, v in json.loads(body).items() if k not in hidden})
    return HttpResponse(body, content_type="application/json", headers={"ETag": kept.etag})


@router.post(ENVIRONMENT + "/explain", response=ExplanationShape)
def explain(request: HttpRequest, project: str, environment: str, body: Explain) -> dict[str, object]:
    """What a context gets of a flag now, and why, step by step. Changes nothing, exposes nobody."""
    place = _place(request, project, environment)
    flags.flag_by_key(place.project_id, body.flag)
    decision, steps = snapshots.explain(place.id, body.flag, body.context.context())
    return explanation_of(decision, steps)


@router.post(ENVIRONMENT + "/assignments")
def assign(
    request: HttpRequest,
    project: str,
    environment: str,
    *,
    flag: Form[str] = "",
    unit_type: Form[str] = "",
    file: File[UploadedFile | None] = None,
) -> HttpResponse:
    """What each unit of a CSV file gets of a flag now, as CSV. Changes nothing, exposes nobody.

    Ids are in the first column; a heading names the others, attributes. Up to 200,000 units.
    """
    place = _place(request, project, environment)
    unit_types = project_of(request, project).unit_types
    missing = {
        "flag": "" if flag else "Name the flag.",
        "unit_type": "" if unit_type in unit_types else f"The project has these: {', '.join(unit_types)}.",
        "file": "" if file else "Send the units as the form's “file”, a CSV with ids in its first column.",
    }
    refuse_all(Invalid, [Problem(field, told) for field, told in missing.items() if told])
    flags.flag_by_key(place.project_id, flag)
    assert file is not None, "it was asked for"
    assert file.file is not None, "an upload has its content"
    table = snapshots.UnitTable(file.file, file.size or 0, unit_type)
    written = io.StringIO()
    rows = csv.writer(written, lineterminator="\n")
    rows.writerow(("unit", "variant", "reason", "experiment", "iteration", "arm"))
    for one in snapshots.assigned(place.id, flag, table, now=timezone.now()):
        rows.writerow((one.unit, one.variant, one.reason, one.experiment, one.iteration, one.arm))
    return HttpResponse(written.getvalue(), content_type="text/csv; charset=utf-8")


@router.get(ENVIRONMENT + "/replay", response=ReplayShape)
def replay(
    request: HttpRequest, project: str, environment: str, asked: Query[ReplayQuery]
) -> dict[str, object]:
    """What a unit got of a flag at a time, and why, from the snapshot that held then."""
    place = _place(request, project, environment)
    flags.flag_by_key(place.project_id, asked.flag)
    question = ReplayQuestion(
        asked.flag, asked.unit_type, asked.unit, asked.at, _attributes(asked.attributes)
    )
    found = snapshots.replay(place.id, question)
    return {
        **explanation_of(found.decision, found.steps),
        "revision": f"{found.revision.epoch}.{found.revision.number}",
        "snapshot_hash": found.hash,
        "snapshot_created_at": found.created_at,
    }


def _place(request: HttpRequest, project: str, environment: str) -> Environment:
    return environment_of(project_of(request, project), environment)


def _attributes(text: str) -> dict[str, object]:
    try:
        attributes = json.loads(text)
    except ValueError:
        attributes = None
    if not isinstance(attributes, dict):
        raise Invalid(Problem("attributes", "Write the attributes as one JSON object."))
    return attributes


def explanation_of(decision: Decision, steps: Sequence[Step]) -> dict[str, object]:
    """Plain members, because metadata are read-only mappings."""
    return {
        "decision": decision._asdict() | {"metadata": dict(decision.metadata)},
        "steps": [
            {"kind": step.kind, "key": step.key, "finding": step.finding, "detail": dict(step.detail)}
            for step in steps
        ],
    }
