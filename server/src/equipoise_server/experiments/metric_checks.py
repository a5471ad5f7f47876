"""What a launch asks of its metrics beyond the catalogue: certification, and sources that know the units."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from equipoise_server.experiments.values import Design, MetricRole, PlannedMetric
from equipoise_server.foundation.refusals import Problem
from equipoise_server.metrics.values import CatalogueRules, Metric
from equipoise_server.sources.values import Source


def certification_faults(
    design: Design, metrics: Mapping[str, Metric], rules: CatalogueRules
) -> Iterator[Problem]:
    """Where the project asks for it, somebody vouches for each metric that decides."""
    if not rules.requires_certified_oec:
        return
    for index, planned in _uncertified(design, metrics):
        told = (
            f"“{planned.key}” decides, but nobody has certified its version {metrics[planned.key].version};"
            " this project asks for that. Have it certified, or choose another."
        )
        yield Problem(f"metrics.{index}.key", told)


def certification_advice(design: Design, metrics: Mapping[str, Metric]) -> str:
    """A draft may mean something else than people think."""
    drafts = [f"“{planned.key}”" for _, planned in _uncertified(design, metrics)]
    if not drafts:
        return ""
    return f"Nobody has certified {', '.join(drafts)} yet; have somebody other than the author look at it."


def source_faults(
    design: Design, metrics: Mapping[str, Metric], held: Mapping[str, Source]
) -> Iterator[Problem]:
    """Each source has a column with the ids of the experiment's units."""
    for index, planned in enumerate(design.metrics):
        metric = metrics.get(planned.key)
        for ref in () if metric is None else metric.definition.sources:
            source = held[ref]
            if design.unit_type not in source.shape.units:
                known = ", ".join(source.shape.units)
                told = (
                    f"“{planned.key}” reads “{ref}”, which has no column for {design.unit_type}s but {known}."
                    " Name one in the source, or choose another metric."
                )
                yield Problem(f"metrics.{index}.key", told)


def _uncertified(design: Design, metrics: Mapping[str, Metric]) -> Iterator[tuple[int, PlannedMetric]]:
    for index, planned in enumerate(design.metrics):
        metric = metrics.get(planned.key)
        is_draft = metric is not None and metric.certification is None
        if planned.role is MetricRole.OEC and is_draft:
            yield index, planned
