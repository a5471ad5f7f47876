"""Experiments: plan, check, launch, widen, stop, restart, pause, decide, archive."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Field, Query, Router
from ninja import Status as Answer

from equipoise_server.access.values import Project
from equipoise_server.api.authentication import actor_of
from equipoise_server.api.designs import ChecksShape, DesignBody, ExperimentShape
from equipoise_server.api.projects import UNSAID, Reason
from equipoise_server.api.reading import (
    Page,
    PageQuery,
    Strict,
    environment_of,
    etag,
    expected_version,
    page_of,
    project_of,
)
from equipoise_server.experiments import actions
from equipoise_server.experiments import reads as experiments
from equipoise_server.experiments.values import Check, DecisionKind, Experiment, Status

router = Router(tags=["experiments"])
EXPERIMENTS = "/projects/{project}/experiments"
EXPERIMENT = EXPERIMENTS + "/{experiment}"
VERSION = Field(None, description="Unless If-Match is sent.")


class NewExperiment(Strict):
    """A draft to create."""

    key: str
    name: str
    design: DesignBody = DesignBody()
    owner: str = ""


class ExperimentEdit(Strict):
    """The whole draft as it shall be; once it has started, only name and owner may differ."""

    name: str
    design: DesignBody
    owner: str | None = None
    expected_version: int | None = VERSION


class LaunchBody(Strict):
    """Where to start."""

    environment: str
    confirms_growth: bool = False
    expected_version: int | None = VERSION


class WidenBody(Strict):
    """The share of the enrolled slots that takes part from now on."""

    parts_per_million: int
    reason: str = ""
    expected_version: int | None = VERSION


class AddMetricBody(Strict):
    """A metric of the catalogue that a running experiment shall be measured by from now on."""

    metric: str
    reason: str = ""
    expected_version: int | None = VERSION


class RestartBody(Strict):
    """Why, and what shall differ; without design and environment they stay."""

    reason: str = ""
    environment: str | None = None
    design: DesignBody | None = None
    confirms_growth: bool = False
    expected_version: int | None = VERSION


class DecideBody(Strict):
    """What you choose, and why. `arm` says which treatment to ship."""

    kind: DecisionKind
    arm: str = ""
    reason: str


@router.get(EXPERIMENTS, response=Page[ExperimentShape])
def list_experiments(
    request: HttpRequest, project: str, page: Query[PageQuery], *, status: Status | None = None
) -> dict[str, object]:
    """The project's experiments by key, all or those of one status."""
    found = experiments.experiments_of(project_of(request, project).id)
    chosen = [one for one in found if status in {None, one.status}]
    return page_of(chosen, page, lambda experiment: experiment.key)


@router.post(EXPERIMENTS, response={201: ExperimentShape})
def create_experiment(
    request: HttpRequest, response: HttpResponse, project: str, body: NewExperiment
) -> Answer[Experiment]:
    """Create a draft, which may be incomplete."""
    command = actions.CreateExperiment(
        project_of(request, project).id, body.key, body.name, body.design.design(), body.owner
    )
    made = actions.create_experiment(actor_of(request), command, now=timezone.now())
    response["ETag"] = etag(made.version)
    return Answer(201, made)


@router.get(EXPERIMENT, response=ExperimentShape)
def get_experiment(request: HttpRequest, response: HttpResponse, project: str, experiment: str) -> Experiment:
    """One experiment with all its iterations."""
    _, found = _found(request, project, experiment)
    response["ETag"] = etag(found.version)
    return found


@router.put(EXPERIMENT, response=ExperimentShape)
def edit_experiment(
    request: HttpRequest, response: HttpResponse, project: str, experiment: str, body: ExperimentEdit
) -> Experiment:
    """Edit a draft. What has started is frozen; the problem names every frozen field that would change."""
    _, found = _found(request, project, experiment)
    version = expected_version(request, body.expected_version)
    command = actions.EditDesign(found.id, version, body.name, body.design.design(), body.owner)
    return _done(response, actions.edit_design(actor_of(request), command, now=timezone.now()))


@router.get(EXPERIMENT + "/launch-checks", response=ChecksShape)
def list_launch_checks(
    request: HttpRequest, project: str, experiment: str, *, environment: str
) -> dict[str, object]:
    """Everything that must hold before it may start in an environment, and what does not."""
    place, found = _found(request, project, experiment)
    target = environment_of(place, environment)
    return _checks(experiments.launch_checks(found, target, timezone.now()))


@router.get(EXPERIMENT + "/shipping-checks", response=ChecksShape)
def list_shipping_checks(
    request: HttpRequest, project: str, experiment: str, *, arm: str
) -> dict[str, object]:
    """Everything that must hold before a treatment may be shipped, and what does not."""
    _, found = _found(request, project, experiment)
    return _checks(experiments.decision_checks(found, arm))


@router.post(EXPERIMENT + "/launch", response=ExperimentShape)
def launch_experiment(
    request: HttpRequest, response: HttpResponse, project: str, experiment: str, body: LaunchBody
) -> Experiment:
    """Start a draft: its design freezes and the split is served. 422 lists every failing check."""
    place, found = _found(request, project, experiment)
    command = actions.Launch(
        found.id, environment_of(place, body.environment).id,
        expected_version(request, body.expected_version), body.confirms_growth,
    )  # fmt: skip
    return _done(response, actions.launch(actor_of(request), command, now=timezone.now()))


@router.post(EXPERIMENT + "/widen", response=ExperimentShape)
def widen_experiment(
    request: HttpRequest, response: HttpResponse, project: str, experiment: str, body: WidenBody
) -> Experiment:
    """Let a larger share take part. Nobody leaves and nobody changes arms."""
    _, found = _found(request, project, experiment)
    version = expected_version(request, body.expected_version)
    command = actions.Widen(found.id, version, body.parts_per_million, body.reason)
    return _done(response, actions.widen(actor_of(request), command, now=timezone.now()))


@router.post(EXPERIMENT + "/metrics", response=ExperimentShape)
def add_metric_to_experiment(
    request: HttpRequest, response: HttpResponse, project: str, experiment: str, body: AddMetricBody
) -> Experiment:
    """Measure a running experiment by one more metric, a diagnostic, over its whole history."""
    _, found = _found(request, project, experiment)
    version = expected_version(request, body.expected_version)
    command = actions.AddMetric(found.id, version, body.metric, body.reason)
    return _done(response, actions.add_metric(actor_of(request), command, now=timezone.now()))


@router.post(EXPERIMENT + "/stop", response=ExperimentShape)
def stop_experiment(
    request: HttpRequest, response: HttpResponse, project: str, experiment: str, body: Reason = UNSAID
) -> Experiment:
    """End the iteration; control is served to everybody it enrolled. Needs no approval and no version."""
    _, found = _found(request, project, experiment)
    command = actions.Stop(found.id, body.reason)
    return _done(response, actions.stop(actor_of(request), command, now=timezone.now()))


@router.post(EXPERIMENT + "/restart", response=ExperimentShape)
def restart_experiment(
    request: HttpRequest, response: HttpResponse, project: str, experiment: str, body: RestartBody
) -> Experiment:
    """Begin a new iteration with a fresh salt; the old one stays readable."""
    place, found = _found(request, project, experiment)
    command = actions.Restart(
        found.id, expected_version(request, body.expected_version), body.reason,
        None if body.environment is None else environment_of(place, body.environment).id,
        None if body.design is None else body.design.design(), body.confirms_growth,
    )  # fmt: skip
    return _done(response, actions.restart(actor_of(request), command, now=timezone.now()))


@router.post(EXPERIMENT + "/decide", response=ExperimentShape)
def decide_experiment(
    request: HttpRequest, response: HttpResponse, project: str, experiment: str, body: DecideBody
) -> Experiment:
    """Ship a treatment, or none. 409 lists every reason that forbids shipping."""
    _, found = _found(request, project, experiment)
    command = actions.Decide(found.id, body.kind, body.arm, body.reason)
    return _done(response, actions.decide(actor_of(request), command, now=timezone.now()))


@router.post(EXPERIMENT + "/archive", response=ExperimentShape)
def archive_experiment(
    request: HttpRequest, response: HttpResponse, project: str, experiment: str, body: Reason
) -> Experiment:
    """Put a draft or a decided experiment away; it stays readable."""
    _, found = _found(request, project, experiment)
    command = actions.Archive(found.id, body.reason)
    return _done(response, actions.archive(actor_of(request), command, now=timezone.now()))


@router.post(EXPERIMENT + "/ramp/pause", response=ExperimentShape)
def pause_experiment_ramp(
    request: HttpRequest, response: HttpResponse, project: str, experiment: str, body: Reason
) -> Experiment:
    """Keep the gate as wide as it is until somebody resumes the ramp."""
    _, found = _found(request, project, experiment)
    command = actions.PauseRamp(found.id, body.reason)
    return _done(response, actions.pause_ramp(actor_of(request), command, now=timezone.now()))


@router.post(EXPERIMENT + "/ramp/resume", response=ExperimentShape)
def resume_experiment_ramp(
    request: HttpRequest, response: HttpResponse, project: str, experiment: str, body: Reason
) -> Experiment:
    """Go on with the ramp; its remaining steps move back by the length of the pause."""
    _, found = _found(request, project, experiment)
    command = actions.ResumeRamp(found.id, body.reason)
    return _done(response, actions.resume_ramp(actor_of(request), command, now=timezone.now()))


def _found(request: HttpRequest, project: str, experiment: str) -> tuple[Project, Experiment]:
    place = project_of(request, project)
    return place, experiments.experiment_by_key(place.id, experiment)


def _done(response: HttpResponse, experiment: Experiment) -> Experiment:
    response["ETag"] = etag(experiment.version)
    return experiment


def _checks(checks: tuple[Check, ...]) -> dict[str, object]:
    return {"passed": all(check.passed for check in checks), "checks": list(checks)}
