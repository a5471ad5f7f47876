"""Parts of a design beyond the plain split, as the API reads and shows them: ramps and switchbacks."""

from __future__ import annotations

from datetime import datetime

from ninja import Schema
from pydantic import AwareDatetime

from equipoise_server.api.reading import Strict
from equipoise_server.experiments.values import GateStep, Pairing, Switchback


class GateStepBody(Strict):
    """From so many hours after the launch on, the gate is at least this wide."""

    after_hours: int
    parts_per_million: int

    def step(self) -> GateStep:
        """As the rooms know it."""
        return GateStep(self.after_hours, self.parts_per_million)


class SwitchbackBody(Strict):
    """Regions that switch between two arms by windows. Null `starts_at` is the midnight after the launch."""

    regions: list[str] = []
    window_minutes: int = 120
    days: int = 28
    burn_in_minutes: int = 0
    pairing: Pairing = Pairing.DAYS
    starts_at: AwareDatetime | None = None

    def switchback(self) -> Switchback:
        """As the rooms know it."""
        return Switchback(**self.model_dump(exclude={"regions"}), regions=tuple(self.regions))


class GateStepShape(Schema):
    """One step of a ramp."""

    after_hours: int
    parts_per_million: int


class SwitchbackShape(Schema):
    """A plan by which regions switch between two arms."""

    regions: list[str]
    window_minutes: int
    days: int
    burn_in_minutes: int
    pairing: Pairing
    starts_at: datetime | None


class ScheduleShape(Schema):
    """The schedule that a switchback runs by: of each region one digit a window, the place of its arm."""

    seed: int
    pairing: Pairing
    starts_at: datetime
    window_seconds: int
    burn_in_seconds: int
    days: int
    rows: dict[str, str]
