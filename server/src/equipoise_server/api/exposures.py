"""Exposures from outside: the table that a run reads, how far it was read, and a look at its rows."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest
from django.utils import timezone
from ninja import Field, Router, Schema
from pydantic import AwareDatetime

from equipoise_server.access.values import Permission
from equipoise_server.analysis.reads import LastReading, last_reading
from equipoise_server.api.authentication import actor_of
from equipoise_server.api.reading import Strict, project_of
from equipoise_server.api.sources import CostShape, EstimateShape, SampleShape
from equipoise_server.experiments import reads as experiments
from equipoise_server.experiments.reads import ExposureLook
from equipoise_server.experiments.values import Experiment, ExposureTable

router = Router(tags=["experiments"])
EXPOSURES = "/projects/{project}/experiments/{experiment}/exposures"


class ExposureTableBody(Strict):
    """Rows of a source that say which unit met which variant, for units that are assigned outside.

    `variants` gives each value of `variant_column` its arm; an arm that is not named stands for its own key.
    """

    source: str
    variant_column: str
    variants: dict[str, str] = {}
    experiment_column: str = Field("", description="Names the experiment; empty takes all rows.")
    experiment: str = Field("", description="What the experiment is called in that column.")
    iteration_column: str = Field("", description="The number of the run; empty takes rows since its start.")
    attributes: list[str] = Field(default_factory=list, description="Columns that say what the unit is like.")
    since: AwareDatetime | None = Field(None, description="When the run began outside, if before the start.")
    overlap_hours: int | None = Field(
        48, description="How far before the newest row a refresh reads again; null reads all rows each time."
    )

    def table(self) -> ExposureTable:
        """As the rooms know it."""
        plain = self.model_dump(exclude={"attributes"})
        return ExposureTable(**plain, attributes=tuple(self.attributes))


class ExposureTableShape(Schema):
    """Where exposures of units that are assigned outside are read."""

    source: str
    variant_column: str
    variants: dict[str, str]
    experiment_column: str
    experiment: str
    iteration_column: str
    attributes: list[str]
    since: datetime | None
    overlap_hours: int | None


class ReadingShape(Schema):
    """How far the table was read, and what the last reading took."""

    source: str
    read_at: datetime
    whole_at: datetime
    seen_until: datetime | None
    cost: CostShape
    taken: int
    unusable: int
    erased: int


class ExposuresShape(Schema):
    """The table of the newest run, or of the draft; null when SDKs send the exposures."""

    table: ExposureTableShape | None
    last_reading: ReadingShape | None


class ValueShape(Schema):
    """Rows of one value of the variant's column; `arm` is null when it stands for none."""

    value: str
    arm: str | None
    rows: int
    units: int


class ExposureLookShape(Schema):
    """What the table holds, and what is odd about it."""

    source: str
    since: datetime
    until: datetime
    by_value: list[ValueShape]
    rows: int
    units: int
    crossed: int
    earlier: int
    later: int
    nameless: int
    timeless: int
    first_at: datetime | None
    last_at: datetime | None
    notes: list[str]
    sample: SampleShape
    cost: CostShape
    estimate: EstimateShape | None
    sql: str


@router.get(EXPOSURES, response=ExposuresShape)
def get_exposures(
    request: HttpRequest, project: str, experiment: str
) -> dict[str, ExposureTable | LastReading | None]:
    """Where an experiment's exposures come from, how far they were read, and what that took."""
    found = experiments.experiment_by_key(project_of(request, project).id, experiment)
    iteration = found.iteration
    design = found.design if iteration is None else iteration.design
    reading = None if iteration is None else last_reading(iteration)
    return {"table": design.exposures, "last_reading": reading}


@router.get(EXPOSURES + "/preview", response=ExposureLookShape)
def preview_exposures(request: HttpRequest, project: str, experiment: str) -> dict[str, object]:
    """A look at the table: rows by variant, what is odd about them, cost. For those who may edit metrics."""
    return _look(experiments.look_at(_readable(request, project, experiment), now=timezone.now()))


def _readable(request: HttpRequest, project: str, experiment: str) -> Experiment:
    place = project_of(request, project)
    actor_of(request).require(Permission.METRIC_EDIT, place.id)
    return experiments.experiment_by_key(place.id, experiment)


def _look(look: ExposureLook) -> dict[str, object]:
    census = look.census
    return {
        "source": look.source, "since": look.between.since, "until": look.between.until,
        "by_value": [
            {"value": one.value, "arm": look.arms.get(one.value), "rows": one.rows, "units": one.units}
            for one in census.by_value
        ],
        "rows": census.rows, "units": census.units, "crossed": census.crossed, "earlier": census.earlier,
        "later": census.later, "nameless": census.nameless, "timeless": census.timeless,
        "first_at": census.first_at, "last_at": census.last_at, "notes": list(look.notes),
        "sample": census.sample, "cost": census.cost, "estimate": census.estimate, "sql": census.sql,
    }  # fmt: skip
