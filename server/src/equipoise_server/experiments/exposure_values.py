"""Where an experiment's exposures come from when its units are assigned outside this server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

USUAL_OVERLAP_HOURS = 48


@dataclass(frozen=True, slots=True)
class ExposureTable:
    """Rows of a source that say which unit met which variant, and when."""

    source: str
    """The source: `exposures`, or `exposures@2` once it is frozen at the start."""
    variant_column: str
    variants: Mapping[str, str] = field(default_factory=dict)
    """Value of that column → arm. An arm that is not named here stands for its own key."""
    experiment_column: str = ""
    """The column that names the experiment; "" takes every row for this one's."""
    experiment: str = ""
    """What the experiment is called in that column."""
    iteration_column: str = ""
    """The column with the number of the run; "" takes every row since the run began."""
    attributes: tuple[str, ...] = ()
    """Columns that say what the unit is like, known before it met the variant."""
    since: datetime | None = None
    """When the run began outside, if that was before the start here."""
    overlap_hours: int | None = USUAL_OVERLAP_HOURS
    """How far before the newest row that was seen a refresh reads again; None reads all rows each time."""

    def arms_by_value(self, arms: tuple[str, ...]) -> dict[str, str]:
        """Value of the column → arm, for all arms."""
        named = set(self.variants.values())
        return {**{arm: arm for arm in arms if arm not in named}, **self.variants}
