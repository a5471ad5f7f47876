"""Files of metrics: the schema, the catalogue as a file, what a file would change, and the change."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from ninja import Field, Router, Schema

from equipoise_server.api.authentication import actor_of
from equipoise_server.api.metric_language import file_schema, read_file, write_file
from equipoise_server.api.reading import Strict, project_of
from equipoise_server.metrics import reads as metrics
from equipoise_server.metrics.actions import MetricStep, Step, apply_metrics, plan_metrics

router = Router(tags=["metrics"])
FILES = "/projects/{project}/metric-file"


class FileBody(Strict):
    """A file of metrics as text."""

    yaml: str = Field(description="The file; its JSON Schema is at /metric-file-schema.")


class FileShape(Schema):
    """The catalogue as a file."""

    yaml: str


class StepShape(Schema):
    """One metric of the file: what happens to it, in which fields, and the version it then has."""

    key: str
    step: Step
    fields: list[str]
    version: int


class StepsShape(Schema):
    """What happens to the metrics of a file, in its order."""

    steps: list[StepShape]


@router.get("/metric-file-schema", response=dict[str, Any])
def get_metric_file_schema(request: HttpRequest) -> dict[str, Any]:  # noqa: ARG001  # Ninja passes it
    """The JSON Schema of a file of metrics."""
    return file_schema()


@router.get(FILES, response=FileShape)
def export_metrics(request: HttpRequest, project: str) -> dict[str, str]:
    """The catalogue as a YAML file that reads back the same."""
    return {"yaml": write_file(metrics.metrics_of(project_of(request, project).id))}


@router.post(FILES + "/plan", response=StepsShape)
def plan_metric_file(request: HttpRequest, project: str, body: FileBody) -> dict[str, tuple[MetricStep, ...]]:
    """What applying a file would change; nothing is changed."""
    return {"steps": plan_metrics(read_file(body.yaml, project_of(request, project).id))}


@router.post(FILES + "/apply", response=StepsShape)
def apply_metric_file(
    request: HttpRequest, project: str, body: FileBody
) -> dict[str, tuple[MetricStep, ...]]:
    """Make the catalogue say what the file says, all or nothing; metrics it does not name stay."""
    project_id = project_of(request, project).id
    entries = read_file(body.yaml, project_id)
    return {"steps": apply_metrics(actor_of(request), project_id, entries, now=timezone.now())}
