"""Paths of z-statistics, when they first cross, and shares that must keep a limit."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simulations.study import Row, share

Floats = NDArray[np.float64]
Hits: TypeAlias = NDArray[np.bool_] | np.bool_


def about(name: str, hits: Hits, expected: float, *, slack: float = 0.0) -> Row:
    """A share within three Monte Carlo errors of the expected one, and a little more when asked."""
    return share(name, np.atleast_1d(hits).tolist(), (expected - slack, expected + slack))


def at_most(name: str, hits: Hits, limit: float) -> Row:
    """A share that must not exceed a limit by more than three Monte Carlo errors."""
    return share(name, np.atleast_1d(hits).tolist(), (0.0, limit))


def brownian(replications: int, looks: int, seed: int, *, drift: float = 0.0) -> Floats:
    """z-statistics (replications, looks) at equal steps of information; drift: expected last z."""
    rng = np.random.default_rng(seed)
    steps = rng.standard_normal((replications, looks)) + drift / math.sqrt(looks)
    return np.asarray(steps.cumsum(axis=1) / np.sqrt(np.arange(1, looks + 1)))


def first(crossed: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The look at which each replication crosses first, (replications,); the last when none does."""
    return np.asarray(np.where(crossed.any(axis=1), crossed.argmax(axis=1), crossed.shape[1] - 1))
