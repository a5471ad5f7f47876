"""An experiment's page: its head (badge, sentence, timeline, what may be done) and the tab that is open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from equipoise_server.access.values import Permission, Project
from equipoise_server.analysis.reads import LastReading
from equipoise_server.analysis.values import Report
from equipoise_server.dashboard import words
from equipoise_server.dashboard.badges import BREACHED, Badge, badge_of, days_left, needs_decision
from equipoise_server.dashboard.forms import Form
from equipoise_server.dashboard.pages import course
from equipoise_server.dashboard.pages.activity import ActivityLine
from equipoise_server.dashboard.pages.course import RampPanel, SchedulePanel
from equipoise_server.dashboard.pages.exposures import OutsidePanel, outside_panel
from equipoise_server.dashboard.pages.false_alarms import FalseAlarmPanel
from equipoise_server.dashboard.pages.figures import ArmNames
from equipoise_server.dashboard.pages.freshness import FreshnessPanel
from equipoise_server.dashboard.pages.health import HealthTab
from equipoise_server.dashboard.pages.health_checks import CheckLine
from equipoise_server.dashboard.pages.metrics import margin_words
from equipoise_server.dashboard.pages.results import ResultsTab
from equipoise_server.dashboard.pages.traffic_lines import left_out_words
from equipoise_server.experiments.values import (
    Arm,
    Check,
    Decision,
    Design,
    Experiment,
    Iteration,
    MetricRole,
    PlannedMetric,
    Status,
)
from equipoise_server.metrics.values import Metric, MetricKind


class Tab(StrEnum):
    """The tabs of an experiment, in their order."""

    RESULTS = "results"
    HEALTH = "health"
    DESIGN = "design"
    ACTIVITY = "activity"


class Stage(StrEnum):
    """How far a step of the timeline is."""

    DONE = "done"
    NOW = "now"
    AHEAD = "ahead"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the timeline."""

    label: str
    detail: str
    stage: Stage


@dataclass(frozen=True, slots=True)
class Powers:
    """What the person may do with the experiment now; the server checks again."""

    edit: bool
    launch: bool
    stop: bool
    widen: bool
    restart: bool
    decide: bool
    archive: bool
    measure: bool
    """Add a metric to what runs."""


@dataclass(frozen=True, slots=True)
class Run:
    """One iteration as the list of runs names it."""

    number: int
    started_at: datetime
    stopped_at: datetime | None
    is_shown: bool


@dataclass(frozen=True, slots=True)
class ExperimentHead:
    """What stands above every tab."""

    key: str
    name: str
    owner: str
    badge: Badge
    sentence: str
    hypothesis: str
    environment: str
    unit_type: str
    share: str
    run_number: int | None
    runs: tuple[Run, ...]
    is_imported: bool
    steps: tuple[Step, ...]
    progress: int | None
    """Percent of the planned days that are over; None when there is no plan or no run."""
    powers: Powers
    version: int
    gate_parts_per_million: int
    stop_reason: str
    flags: tuple[str, ...]
    killed: tuple[str, ...]
    """What is killed now of all that it depends on, in words."""
    ended_by_kill: bool
    waits_for_stop: bool
    """The evidence suffices to decide, but it still runs."""
    is_harmful: bool
    """A guardrail is breached, and it still runs."""
    decision: Decision | None
    decided_arm: str
    health_faults: int
    outside: OutsidePanel | None = None
    """Where exposures are read, when units are assigned outside."""


@dataclass(frozen=True, slots=True)
class PlannedMetricLine:
    """A metric of the design, with its catalogue name; `metric` is None when the catalogue lost it."""

    planned: PlannedMetric
    metric: Metric | None

    @property
    def margin(self) -> str:
        """How much worse a guardrail may get; other roles are not held to one."""
        if self.planned.role is not MetricRole.GUARDRAIL:
            return ""
        return margin_words(self.planned.margin, self.metric.display if self.metric else "number")


@dataclass(frozen=True, slots=True)
class DesignTab:
    """The plan, frozen once a run has started."""

    design: Design
    is_frozen: bool
    started_at: datetime | None
    slots: tuple[tuple[int, int], ...]
    layer: str
    weights_total: int
    metrics: tuple[PlannedMetricLine, ...]
    flags: tuple[str, ...]
    baseline: str
    randomised: str = ""
    spillover: str = ""
    ramp: RampPanel | None = None
    schedule: SchedulePanel | None = None
    left_out: str = ""
    """Who leaves the analysis, in words."""
    takes_metrics: str = ""
    """The key of a running experiment to which this person may add a metric; "" otherwise."""

    def in_role(self, role: MetricRole) -> tuple[PlannedMetricLine, ...]:
        """The metrics planned in a role."""
        return tuple(line for line in self.metrics if line.planned.role is role)


@dataclass(frozen=True, slots=True)
class ExperimentPage:
    """An experiment with one tab open."""

    head: ExperimentHead
    tab: Tab
    results: ResultsTab | None = None
    health: HealthTab | None = None
    checks: tuple[CheckLine, ...] = ()
    """The health checks of its flags while it runs; on the tab Health."""
    design: DesignTab | None = None
    activity: tuple[ActivityLine, ...] = ()
    freshness: FreshnessPanel | None = None
    """Of the newest run; None before the start and on other tabs."""
    false_alarm: FalseAlarmPanel | None = None
    """Of the newest run, while its split is locked."""


@dataclass(frozen=True, slots=True)
class ArmToShip:
    """A treatment on the decision page, with every condition of shipping it."""

    arm: Arm
    checks: tuple[Check, ...]
    index: int

    @property
    def may_ship(self) -> bool:
        """Whether nothing blocks it."""
        return all(check.passed for check in self.checks)


@dataclass(frozen=True, slots=True)
class DecidePage:
    """The decision: every treatment with its conditions, and the reason."""

    head: ExperimentHead
    arms: tuple[ArmToShip, ...]
    form: Form


@dataclass(frozen=True, slots=True)
class Shown:
    """An experiment, the run that is looked at, and what is known of that run."""

    experiment: Experiment
    iteration: Iteration | None
    report: Report | None
    killed: tuple[str, ...] = ()
    """What is killed now of all that it depends on."""
    reading: LastReading | None = None
    """How far its table of exposures was read."""

    @property
    def arms(self) -> ArmNames:
        """The names of the run's arms, or of the draft's."""
        return arm_names(self.iteration.design if self.iteration else self.experiment.design)


def iteration_shown(experiment: Experiment, run: int | None) -> Iteration | None:
    """The run asked for by its number, else the newest."""
    asked = next((each for each in experiment.iterations if each.number == run), None)
    return asked or experiment.iteration


def arm_names(design: Design) -> ArmNames:
    """The arms of a design as figures name them."""
    return ArmNames({arm.key: arm.name or arm.key for arm in design.arms}, design.control)


def experiment_head(
    shown: Shown, *, project: Project, permissions: frozenset[Permission], now: datetime
) -> ExperimentHead:
    """Everything above the tabs."""
    experiment, iteration, report = shown.experiment, shown.iteration, shown.report
    design = iteration.design if iteration else experiment.design
    decided = experiment.decision
    return ExperimentHead(
        key=experiment.key,
        name=experiment.name,
        owner=experiment.owner,
        badge=badge_of(experiment, now),
        sentence=_sentence(experiment, iteration, report),
        hypothesis=design.hypothesis,
        environment=_environment_name(project, iteration),
        unit_type=design.unit_type,
        share=words.percent(_gate(experiment, iteration) / 1_000_000 * design.slot_share),
        run_number=iteration.number if iteration else None,
        runs=_runs(experiment.iterations, iteration),
        is_imported=iteration.is_imported if iteration else False,
        steps=_steps(experiment, iteration, now),
        progress=_progress(iteration, now),
        powers=powers(experiment, iteration, permissions),
        version=experiment.version,
        gate_parts_per_million=_gate(experiment, iteration),
        stop_reason=iteration.stop_reason if iteration else "",
        flags=tuple(dict.fromkeys(flag for arm in design.arms for flag in arm.values)),
        killed=shown.killed,
        ended_by_kill=course.was_ended_by_a_kill(iteration),
        waits_for_stop=experiment.status is Status.RUNNING and needs_decision(badge_of(experiment, now)),
        is_harmful=experiment.status is Status.RUNNING and badge_of(experiment, now) == BREACHED,
        decision=decided,
        decided_arm=arm_names(design).name(decided.arm) if decided else "",
        outside=outside_panel(design, shown.reading),
        health_faults=0 if report is None else sum(1 for note in report.notes if note.level != "info"),
    )


def powers(experiment: Experiment, iteration: Iteration | None, permissions: frozenset[Permission]) -> Powers:
    """What state and permissions allow; what the server would refuse is not offered."""
    status = experiment.status
    is_draft, is_running = status is Status.DRAFT, status is Status.RUNNING
    is_stopped = status is Status.STOPPED
    is_imported = iteration is not None and iteration.is_imported
    gate_open = _gate(experiment, iteration) >= 1_000_000  # noqa: PLR2004  # parts per million
    return Powers(
        edit=is_draft and Permission.EXPERIMENT_EDIT in permissions,
        launch=is_draft and Permission.EXPERIMENT_LAUNCH in permissions,
        stop=is_running and Permission.EXPERIMENT_STOP in permissions,
        widen=is_running and not gate_open and Permission.EXPERIMENT_LAUNCH in permissions,
        restart=(is_running or is_stopped)
        and not is_imported
        and Permission.EXPERIMENT_LAUNCH in permissions,
        decide=is_stopped and Permission.EXPERIMENT_DECIDE in permissions,
        archive=(is_draft or status is Status.DECIDED) and Permission.EXPERIMENT_EDIT in permissions,
        measure=is_running and Permission.EXPERIMENT_EDIT in permissions,
    )


def design_tab(experiment: Experiment, iteration: Iteration | None, catalogue: Sequence[Metric]) -> DesignTab:
    """The plan of a run, or of the draft."""
    design = iteration.design if iteration else experiment.design
    by_key = {metric.key: metric for metric in catalogue}
    oec = next((by_key.get(m.key) for m in design.metrics if m.role is MetricRole.OEC), None)
    display = "percent" if oec and oec.definition.kind is MetricKind.CONVERSION else "number"
    return DesignTab(
        design=design,
        is_frozen=iteration is not None,
        started_at=iteration.started_at if iteration else None,
        slots=iteration.slots if iteration else (),
        layer=iteration.layer_key if iteration else design.layer,
        weights_total=sum(arm.weight for arm in design.arms),
        metrics=tuple(PlannedMetricLine(planned, by_key.get(planned.key)) for planned in design.metrics),
        flags=tuple(dict.fromkeys(flag for arm in design.arms for flag in arm.values)),
        baseline="" if design.baseline is None else words.measure(design.baseline, display),
        randomised=course.randomised_words(design),
        spillover=course.SPILLOVERS[design.spillover],
        schedule=course.schedule_panel(iteration),
        left_out=left_out_words(design.traffic),
    )


def _gate(experiment: Experiment, iteration: Iteration | None) -> int:
    return iteration.gate_parts_per_million if iteration else experiment.design.audience_parts_per_million


def _sentence(experiment: Experiment, iteration: Iteration | None, report: Report | None) -> str:
    if iteration is None:
        return ""
    if report is not None:
        # The locked panel says the rest; twice would be noise.
        return report.sentence if report.withheld is None else f"{report.withheld.title.rstrip('.')}."
    is_newest = iteration == experiment.iteration
    return experiment.verdict.sentence if is_newest and experiment.verdict is not None else ""


def _environment_name(project: Project, iteration: Iteration | None) -> str:
    if iteration is None:
        return ""
    return next((e.name for e in project.environments if e.id == iteration.environment_id), "")


def _runs(iterations: Sequence[Iteration], shown: Iteration | None) -> tuple[Run, ...]:
    return tuple(Run(each.number, each.started_at, each.stopped_at, each == shown) for each in iterations)


def _progress(iteration: Iteration | None, now: datetime) -> int | None:
    if iteration is None or iteration.planned_end_at is None:
        return None
    whole = iteration.planned_end_at - iteration.started_at
    gone = (iteration.stopped_at or now) - iteration.started_at
    return round(100 * min(max(gone / whole, 0.0), 1.0))


def _steps(experiment: Experiment, iteration: Iteration | None, now: datetime) -> tuple[Step, ...]:
    if iteration is None:
        return ()
    started = Step("Started", words.day(iteration.started_at), Stage.DONE)
    decision = experiment.decision
    decided = Step("Decided", "not yet", Stage.AHEAD)
    if decision is not None and iteration == experiment.iteration:
        decided = Step("Decided", f"{words.day(decision.decided_at)} by {decision.decided_by}", Stage.DONE)
    return (started, _end_step(iteration, now), decided)


def _end_step(iteration: Iteration, now: datetime) -> Step:
    if iteration.stopped_at is not None:
        return Step("Stopped", words.day(iteration.stopped_at), Stage.DONE)
    left = days_left(iteration, now)
    if left is None or iteration.planned_end_at is None:
        return Step("Running", "no planned end", Stage.NOW)
    end = words.day(iteration.planned_end_at)
    if left == 0:
        return Step("Planned end", f"{end}, reached", Stage.NOW)
    return Step("Planned end", f"{end}, {words.counted(left, 'day')} left", Stage.NOW)
