"""How an experiment's table of exposures is written as JSON, strictly both ways."""

from __future__ import annotations

from equipoise_server.experiments.exposure_values import USUAL_OVERLAP_HOURS, ExposureTable
from equipoise_server.experiments.json_reading import Reader


def exposures_to_json(table: ExposureTable | None) -> dict[str, object] | None:
    """The table with every field."""
    if table is None:
        return None
    written: dict[str, object] = {name: getattr(table, name) for name in ExposureTable.__slots__}
    since = None if table.since is None else table.since.isoformat()
    return written | {
        "variants": dict(table.variants),
        "attributes": list(table.attributes),
        "since": since,
    }


def read_exposures(reader: Reader) -> ExposureTable:
    """The table of an object."""
    reader.allow(ExposureTable.__slots__)
    has_overlap = "overlap_hours" in reader.written
    return ExposureTable(
        source=reader.text("source"),
        variant_column=reader.text("variant_column"),
        variants=reader.texts_by_key("variants"),
        experiment_column=reader.text("experiment_column"),
        experiment=reader.text("experiment"),
        iteration_column=reader.text("iteration_column"),
        attributes=reader.texts("attributes"),
        since=reader.instant("since"),
        overlap_hours=reader.optional_integer("overlap_hours") if has_overlap else USUAL_OVERLAP_HOURS,
    )
