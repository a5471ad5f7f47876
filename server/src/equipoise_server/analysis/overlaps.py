"""Other experiments on the same units: does one change what the other shows, and are splits unrelated?"""

from __future__ import annotations

import equipoise_stats as stats
from equipoise_server.analysis.marks import Mark, MarkKind
from equipoise_server.analysis.moments import ArmMoments
from equipoise_server.analysis.reading import Reading, estimate_of
from equipoise_server.analysis.small_cells import TOO_FEW, is_small
from equipoise_server.analysis.values import InteractionLine
from equipoise_server.experiments import reads as experiments
from equipoise_server.experiments.values import Iteration

MOST_NEIGHBOURS = 20
Cells = dict[tuple[str, str], ArmMoments]


def interaction_lines(reading: Reading) -> tuple[InteractionLine, ...]:
    """A line per experiment that ran at the same time on the same kind of unit and shares units."""
    cells = {one.experiment_key: (one, _cells(reading, one)) for one in _neighbours(reading)}
    whole = {key: found for key, (one, found) in cells.items() if _is_complete(reading, one, found)}
    small = {key for key, found in whole.items() if is_small(*(arm.moments.n for arm in found.values()))}
    scanned = stats.scan_interactions(
        {
            key: {pair: estimate_of({"": arm}, "", reading.deciding[0]) for pair, arm in found.items()}
            for key, found in whole.items()
            if key not in small
        }
    )
    names = {one.key: one.name for one in experiments.experiments_of(reading.job.iteration.project_id)}
    return (
        *(
            InteractionLine(
                key, names.get(key, key), str(pair.state), pair.adjusted_p_value, _is_dependent(whole[key])
            )
            for key, pair in scanned.items()
        ),
        *(
            InteractionLine(key, names.get(key, key), "too_small", None, is_dependent=False, reason=TOO_FEW)
            for key in sorted(small)
        ),
    )


def _neighbours(reading: Reading) -> list[Iteration]:
    """The newest iterations that overlap in time; an import overlaps with nothing."""
    mine = reading.job.iteration
    if mine.is_imported:
        return []
    found = [
        iteration
        for one in experiments.experiments_of(mine.project_id)
        for iteration in one.iterations[-1:]
        if iteration.experiment_id != mine.experiment_id
        and iteration.environment_id == mine.environment_id
        and iteration.design.unit_type == mine.design.unit_type
        and not iteration.is_imported
        and iteration.started_at < reading.gathered.span.until
        and (iteration.stopped_at is None or iteration.stopped_at > mine.started_at)
    ]
    return sorted(found, key=lambda iteration: iteration.started_at)[-MOST_NEIGHBOURS:]


def _cells(reading: Reading, other: Iteration) -> Cells:
    mark = Mark(MarkKind.OTHER_ARM, other.experiment_key, other.number)
    job = reading.job
    by_other = job.warehouse.moments_by(job.plan, reading.gathered.span, reading.pivots, mark)
    arms = {arm.key for arm in other.design.arms}
    return {
        (theirs, mine): found
        for theirs, held in by_other.items()
        if theirs in arms
        for mine, found in held.items()
    }


def _is_complete(reading: Reading, other: Iteration, cells: Cells) -> bool:
    """Every pair of arms has units: experiments in one layer share none."""
    theirs, mine = other.design.arms, reading.job.iteration.design.arms
    return len(cells) == len(theirs) * len(mine)


def _is_dependent(cells: Cells) -> bool:
    rows, columns = ({key[side]: None for key in cells} for side in (0, 1))
    table = [[cells[theirs, mine].moments.n for mine in columns] for theirs in rows]
    found = stats.assignment_independence(table)
    return isinstance(found, stats.Independence) and found.dependent
