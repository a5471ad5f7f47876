"""The wizard's pages: one step of a draft, the power panel beside the plan, and the review before launch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from equipoise_server.dashboard import words
from equipoise_server.dashboard.charts.small import SLOTS
from equipoise_server.dashboard.forms import Form
from equipoise_server.dashboard.pages.advice import Advice
from equipoise_server.dashboard.pages.design_forms import WizardStep, step_of_field
from equipoise_server.dashboard.pages.draft_preview import AudiencePanel, WhoGetsWhat
from equipoise_server.dashboard.pages.experiment import DesignTab
from equipoise_server.dashboard.pages.exposure_forms import declared_columns, source_options
from equipoise_server.dashboard.pages.flags import value_texts
from equipoise_server.dashboard.pages.plan_step import SPENDINGS, look_options
from equipoise_server.dashboard.pages.power import PowerPanel
from equipoise_server.dashboard.pages.randomisation_forms import Scheme
from equipoise_server.dashboard.pages.traffic_lines import CHOICES
from equipoise_server.experiments.values import Check, Design, LayerRoom
from equipoise_server.flags.values import Flag, Segment
from equipoise_server.metrics.values import Metric
from equipoise_server.sources.values import Source

Option = tuple[str, str]


@dataclass(frozen=True, slots=True)
class StepLink:
    """One step in the wizard's list."""

    step: WizardStep
    is_done: bool
    faults: int


@dataclass(frozen=True, slots=True)
class CheckLine:
    """One line of the launch checklist, with the step where it is fixed."""

    check: Check
    step: WizardStep


@dataclass(frozen=True, slots=True)
class NewExperimentPage:
    """The first form: a name and a key make the draft."""

    form: Form


@dataclass(frozen=True, slots=True)
class WizardPage:
    """One step of the wizard."""

    key: str
    name: str
    step: WizardStep
    links: tuple[StepLink, ...]
    form: Form
    version: int
    design: Design
    unit_types: tuple[str, ...] = ()
    layers: tuple[LayerRoom, ...] = ()
    surfaces: tuple[str, ...] = ()
    scheme: Scheme = Scheme.UNITS
    advice: Advice | None = None
    ramp_count: int = 0
    audience: AudiencePanel | None = None
    segments: tuple[Segment, ...] = ()
    clause_count: int = 0
    flags: tuple[Flag, ...] = ()
    chosen: tuple[Flag, ...] = ()
    arm_count: int = 0
    metrics: tuple[Metric, ...] = ()
    guardrail_count: int = 0
    part_count: int = 0
    known: Mapping[str, str] = field(default_factory=dict)
    """By metric, what it was in the newest experiment that measured it."""
    oec: Metric | None = None
    power: PowerPanel | None = None
    sources: tuple[Source, ...] = ()

    @property
    def source_options(self) -> list[Option]:
        """The sources that may be a table of exposures."""
        return source_options(self.sources, self.form.text("unit_type", self.design.unit_type))

    @property
    def outside_columns(self) -> list[str]:
        """What the chosen table of exposures declares."""
        return declared_columns(self.sources, self.form.text("outside.source"))

    @property
    def traffic_choices(self) -> tuple[tuple[str, str, str], ...]:
        """Whose rules say who leaves the analysis."""
        return CHOICES

    @property
    def unit_options(self) -> list[Option]:
        """The project's unit types."""
        return [(unit_type, unit_type) for unit_type in self.unit_types]

    @property
    def layer_options(self) -> list[Option]:
        """An own layer, or one of the environment's with its free room."""
        shared = [
            (layer.key, _layer_words(layer)) for layer in self.layers if layer.free_slots or not layer.is_own
        ]
        return [("", "a layer of its own"), *shared]

    @property
    def cluster_options(self) -> list[Option]:
        """The project's unit types as clusters."""
        return [("", "choose one"), *self.unit_options]

    @property
    def flag_options(self) -> list[Option]:
        """The project's flags, or none."""
        return [("", "none"), *((flag.key, f"{flag.name} ({flag.key})") for flag in self.flags)]

    @property
    def look_options(self) -> list[Option]:
        """How often one may look before the planned end."""
        return look_options(self.form.text("look_count"))

    @property
    def spending_options(self) -> list[Option]:
        """How looks share what may go wrong."""
        return list(SPENDINGS)

    @property
    def metric_options(self) -> list[Option]:
        """The catalogue: certified metrics first, the others marked."""
        certified = [(one.key, one.name) for one in self.metrics if one.certification]
        drafts = [(one.key, f"{one.name} (not certified)") for one in self.metrics if not one.certification]
        return [*certified, *drafts]

    def variant_options(self, flag: Flag) -> list[Option]:
        """The variants of a flag with their values."""
        values = value_texts(flag)
        return [(key, key if key == value else f"{key}: {value}"[:60]) for key, value in values.items()]


@dataclass(frozen=True, slots=True)
class ReviewPage:
    """The whole draft and everything that must hold before the launch, at once."""

    key: str
    name: str
    environment: str
    links: tuple[StepLink, ...]
    version: int
    design: DesignTab
    checks: tuple[CheckLine, ...]
    may_launch: bool
    preview: WhoGetsWhat

    @property
    def step(self) -> WizardStep:
        """The step that is open."""
        return WizardStep.REVIEW

    @property
    def faults(self) -> int:
        """How many conditions are not met."""
        return sum(not line.check.passed for line in self.checks)


def _layer_words(layer: LayerRoom) -> str:
    kind = f", nested in {layer.inside}" if layer.inside else ""
    kind += ", takes whom others leave" if layer.is_launch else ""
    kind += ", made for one experiment" if layer.is_own else ""
    free = words.percent(layer.free_slots / SLOTS, 0)
    return f"{layer.name or layer.key}: {free} free, by {layer.unit_type}{kind}"


def step_links(checks: Sequence[Check]) -> tuple[StepLink, ...]:
    """The wizard's list: a step is done when none of its checks fails."""
    failing = [step_of_field(check.field) for check in checks if not check.passed]
    return tuple(
        StepLink(
            step, is_done=step not in failing and step is not WizardStep.REVIEW, faults=failing.count(step)
        )
        for step in WizardStep
    )


def check_lines(checks: Sequence[Check]) -> tuple[CheckLine, ...]:
    """The checklist, what fails first."""
    ordered = sorted(checks, key=lambda check: check.passed)
    return tuple(CheckLine(check, step_of_field(check.field)) for check in ordered)
