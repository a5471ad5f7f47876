"""Sufficient statistics of one arm: n, means and centred co-moments of a unit vector.

Knows how they are made, merged and selected. Refuses to know rows, metrics or variants.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

FloatArray = NDArray[np.float64]

# A second moment below this share of its own rounding error is rounding error.
_DUST = 8 * np.finfo(np.float64).eps


class MomentsError(ValueError):
    """Moments that cannot be: wrong shapes, repeated names, negative counts, values that are not finite."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """n units, their `k` column means and the centred co-moment matrix sum (v - mean)(v - mean)'.

    names: k column names, in the order of the arrays.
    n: units. With n = 0 all numbers are 0 and mean nothing.
    means: float64 (k,), in the metric's own unit.
    comoments: float64 (k, k), symmetric; the sample covariance is comoments / (n - 1).
    Raises MomentsError with every fault at once. The arrays are read-only copies.
    """

    names: tuple[str, ...]
    n: int
    means: FloatArray
    comoments: FloatArray

    def __post_init__(self) -> None:
        means = np.array(self.means, dtype=np.float64)
        comoments = np.array(self.comoments, dtype=np.float64)
        problems = _problems(self.names, self.n, means, comoments)
        if problems:
            raise MomentsError(problems)
        means.setflags(write=False)
        comoments.setflags(write=False)
        object.__setattr__(self, "means", means)
        object.__setattr__(self, "comoments", comoments)

    @classmethod
    def empty(cls, names: tuple[str, ...]) -> Self:
        """The moments of no units: what merging starts from."""
        k = len(names)
        return cls(names, 0, np.zeros(k), np.zeros((k, k)))

    @classmethod
    def from_rows(cls, names: tuple[str, ...], rows: ArrayLike) -> Self:
        """Moments of a units × columns table, by the two-pass formula.

        rows: (n, k) floats. For tests, notebooks and small tables; stores keep shifted sums.
        """
        table = np.asarray(rows, dtype=np.float64)
        if table.ndim != 2 or table.shape[1] != len(names):  # noqa: PLR2004 - a table has two axes
            raise MomentsError((f"rows must be a table of {len(names)} columns",))
        if len(table) == 0:
            return cls.empty(names)
        means = table.mean(axis=0)
        centred = table - means
        drift = centred.mean(axis=0)  # what rounding left in the mean
        centred -= drift
        return cls(names, len(table), means + drift, centred.T @ centred)

    @classmethod
    def from_shifted_sums(
        cls, names: tuple[str, ...], n: int, *, shift: ArrayLike, sums: ArrayLike, products: ArrayLike
    ) -> Self:
        """Moments from sums shifted by a constant per column.

        shift: (k,) constants c, frozen beforehand; near the means, or digits are lost.
        sums: (k,) sum(x - c). products: (k, k) sum((x - c_x)(y - c_y)).
        """
        if n == 0:
            return cls.empty(names)
        first = np.asarray(sums, dtype=np.float64)
        second = np.asarray(products, dtype=np.float64)
        problems = _problems(names, n, first, second)
        if problems:
            raise MomentsError(problems)
        comoments = second - np.outer(first, first) / n
        # A constant column leaves dust, of either sign, where 0 belongs.
        dust = np.diagonal(comoments) <= _DUST * np.diagonal(second)
        comoments[dust, :] = 0.0
        comoments[:, dust] = 0.0
        return cls(names, n, np.asarray(shift, dtype=np.float64) + first / n, comoments)

    def merge(self, other: Moments) -> Moments:
        """The moments of both sets of units (Chan, Golub & LeVeque 1983; Pébay 2008, eq. 3.12)."""
        if set(other.names) != set(self.names):
            raise MomentsError(("only moments of the same columns can be merged",))
        if other.n == 0:
            return self
        aligned = other.select(self.names)
        if self.n == 0:
            return aligned
        n = self.n + aligned.n
        delta = aligned.means - self.means
        means = self.means + delta * (aligned.n / n)
        between = np.outer(delta, delta) * (self.n * (aligned.n / n))
        return Moments(self.names, n, means, self.comoments + aligned.comoments + between)

    def select(self, names: tuple[str, ...]) -> Moments:
        """The moments of some columns, in the order asked for."""
        missing = tuple(f"no column {name!r}" for name in names if name not in self.names)
        if missing:
            raise MomentsError(missing)
        if names == self.names:
            return self
        at = [self.names.index(name) for name in names]
        return Moments(names, self.n, self.means[at], self.comoments[np.ix_(at, at)])


def merge_all(parts: Iterable[Moments]) -> Moments:
    """Merge any number of moments of the same columns; at least one.

    The order changes the last bits only.
    """
    remaining = iter(parts)
    total = next(remaining, None)
    if total is None:
        raise MomentsError(("nothing to merge: start from Moments.empty(names)",))
    for part in remaining:
        total = total.merge(part)
    return total


def _problems(names: tuple[str, ...], n: int, vector: FloatArray, matrix: FloatArray) -> tuple[str, ...]:
    k = len(names)
    claims = (
        (len(set(names)) == k, "column names must differ"),
        (n >= 0, f"n must be 0 or more, not {n}"),
        (vector.shape == (k,), f"the vector must have shape ({k},), not {vector.shape}"),
        (matrix.shape == (k, k), f"the matrix must have shape ({k}, {k}), not {matrix.shape}"),
        (bool(np.isfinite(vector).all()), "the vector must be finite"),
        (bool(np.isfinite(matrix).all()), "the matrix must be finite"),
    )
    return tuple(sentence for holds, sentence in claims if not holds)
