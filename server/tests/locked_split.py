"""An experiment whose split was locked by chance, and units that come after."""

from __future__ import annotations

from datetime import timedelta

from people import NOW
from scenes import Shop, a_design, a_running_experiment
from traffic import Visit, visited

from equipoise_server.analysis.actions import refresh
from equipoise_server.analysis.values import Report, SrmState
from equipoise_server.experiments.values import Experiment

DAY = timedelta(days=1)
MIDNIGHT = NOW.replace(hour=0) + DAY


def a_locked_experiment(shop: Shop) -> Experiment:
    """Locked at the second look: by chance 400 units met control and 520 the treatment, of 922 in all."""
    made = a_running_experiment(shop, design=a_design(looks=None))
    came(made, 0, 400, 520)
    assert refreshed(made, 1).srm.state is SrmState.ALERTED
    came(made, 1, 1, 1)
    assert refreshed(made, 2).srm.state is SrmState.LOCKED
    return made


def came(experiment: Experiment, day: int, control: int, treatment: int, *, platform: str = "") -> None:
    """Units of one day; one in four buys."""
    assert experiment.iteration is not None
    since = NOW if day == 0 else MIDNIGHT + (day - 1) * DAY
    bought = (("buy", 1.0, timedelta(minutes=1)),)
    arms = ["control"] * control + ["treatment"] * treatment
    visits = [
        Visit(f"d{day}-{place}-{platform}", arm, since, bought if place % 4 == 0 else (),
              attributes={"platform": platform} if platform else None)
        for place, arm in enumerate(arms)
    ]  # fmt: skip
    visited(experiment.iteration, visits, now=since + timedelta(hours=1))


def refreshed(experiment: Experiment, day: int) -> Report:
    """The report an hour after so many days have closed."""
    assert experiment.iteration is not None
    return refresh(experiment.iteration.id, MIDNIGHT + (day - 1) * DAY + timedelta(hours=1))
