"""S7: sessions are not units; taking them for such finds four times too many effects."""

from __future__ import annotations

import numpy as np

from equipoise_stats import (
    Estimate,
    Interval,
    Moments,
    Undefined,
    mean_estimate,
    ratio_estimate,
    two_proportions,
    welch,
)
from simulations.study import StudyResult, main, share

CI, FULL = 1500, 20_000
USERS = 1000


def study(replications: int, seed: int) -> StudyResult:
    """Click-through per session, 9 sessions a user on average, users' rates beta(1, 9)."""
    rng = np.random.default_rng(seed)
    by_user, by_session = [], []
    for _ in range(replications):
        arms = []
        for _ in range(2):
            sessions = rng.geometric(1 / 9, USERS)
            clicks = rng.binomial(sessions, rng.beta(1, 9, USERS))
            arms.append(Moments.from_rows(("clicks", "sessions"), np.column_stack((clicks, sessions))))
        t, c = (ratio_estimate(arm, "clicks", "sessions") for arm in arms)
        by_user.append(_rejects(welch(t, c)))
        by_session.append(_rejects(two_proportions(_as_sessions(arms[0]), _as_sessions(arms[1]))))
    rows = (
        share("false positives by user", by_user, (0.05, 0.057)),
        share("false positives by session", by_session, (0.20, 0.22), is_foil=True),
    )
    return StudyResult("S7 unit mismatch", replications, rows)


def _rejects(found: Interval | Undefined) -> bool:
    assert isinstance(found, Interval)
    return found.excludes_zero


def _as_sessions(arm: Moments) -> Estimate:
    """The same clicks as if each session were a unit of its own."""
    sessions = round(arm.n * arm.means[1])
    rate = arm.means[0] / arm.means[1]
    spread = sessions * rate * (1 - rate)
    return mean_estimate(Moments(("x",), sessions, np.array([rate]), np.array([[spread]])), "x")


if __name__ == "__main__":
    main(study, FULL)
