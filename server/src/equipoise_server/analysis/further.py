"""What a look can tell beside the decision. Intervals are as wide as the decision's own at this look."""

from __future__ import annotations

from collections.abc import Mapping

import equipoise_stats as stats
from equipoise_server.analysis.beliefs import bayes_lines
from equipoise_server.analysis.evidence import Gathered, Job
from equipoise_server.analysis.novelty import novelty_lines
from equipoise_server.analysis.overlaps import interaction_lines
from equipoise_server.analysis.reading import Reading, reach_of
from equipoise_server.analysis.segments import segment_tables
from equipoise_server.analysis.triggers import triggered_lines
from equipoise_server.analysis.values import Further


def further_of(job: Job, pivots: Mapping[str, float], gathered: Gathered, results: stats.Results) -> Further:
    """Everything that the data allow; nothing of it decides."""
    reading = Reading(job, pivots, gathered, reach_of(results))
    if not reading.deciding:
        return Further()
    return Further(
        segments=segment_tables(reading),
        novelty=tuple(novelty_lines(reading)),
        interactions=interaction_lines(reading),
        triggered=tuple(triggered_lines(reading)),
        bayes=tuple(bayes_lines(reading, results)),
    )
