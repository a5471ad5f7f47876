"""The form of one more metric for what runs: which ones are left, and what they can never do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from equipoise_server.dashboard.forms import Form
from equipoise_server.dashboard.pages.metrics import meaning
from equipoise_server.experiments.values import Experiment
from equipoise_server.metrics.values import Metric


@dataclass(frozen=True, slots=True)
class LateMetricPage:
    """A running experiment, and the metrics of the catalogue that it is not measured by yet."""

    key: str
    name: str
    version: int
    run_number: int | None
    options: tuple[tuple[str, str], ...]
    """(key, name and version); empty when every metric is measured."""
    meanings: tuple[tuple[str, str], ...]
    """(name, what it counts), for those who choose."""
    form: Form
    is_over: bool
    """Whether its planned end has come, after which no look is taken."""


def late_metric_page(
    found: Experiment, catalogue: Sequence[Metric], form: Form, *, now: datetime
) -> LateMetricPage:
    """The page of an experiment."""
    iteration = found.iteration
    design = found.design if iteration is None else iteration.design
    measured = {planned.key for planned in design.metrics}
    left = [metric for metric in catalogue if metric.key not in measured]
    return LateMetricPage(
        key=found.key,
        name=found.name,
        version=found.version,
        run_number=None if iteration is None else iteration.number,
        options=tuple((one.key, f"{one.name} ({one.key}, version {one.version})") for one in left),
        meanings=tuple((one.name, meaning(one.definition)) for one in left),
        form=form,
        is_over=iteration is not None and iteration.is_over(now),
    )
