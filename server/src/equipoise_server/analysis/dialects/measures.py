"""What one event adds to its unit: the only thing that rollups know of a metric. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

from equipoise_server.analysis.columns import Column, Reduction
from equipoise_server.metrics.values import Aggregate, Fact

Filter = tuple[tuple[str, str, str], ...]
"""(property, type, value as text): true, 1 and "true" are three different things."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A number per event, nothing where the event does not count."""

    event: str
    where: Filter
    aggregate: Aggregate
    value_of: str
    """The property that is added up; "" for the event's own value."""
    weights: tuple[tuple[str, float], ...]
    needs_value: bool
    threshold: float | None

    @property
    def name(self) -> str:
        """A column's name that says what is measured, whoever asks."""
        return f"m_{blake2b(repr(self).encode(), digest_size=8).hexdigest()}"


def measure_of(column: Column) -> Measure:
    """What an additive column adds up."""
    fact = column.fact
    is_value = fact.aggregate is not Aggregate.COUNT
    needs_value = column.needs_value and not is_value
    return Measure(
        event=fact.event,
        where=filter_of(fact),
        aggregate=Aggregate.COUNT if column.reduction is Reduction.ANY else fact.aggregate,
        value_of=fact.property if is_value or needs_value else "",
        weights=tuple(sorted((fact.weights or {}).items())) if fact.aggregate is Aggregate.WEIGHT else (),
        needs_value=needs_value,
        threshold=column.threshold if needs_value else None,
    )


def filter_of(fact: Fact) -> Filter:
    """The fact's filter, in order of its properties."""
    return tuple(_wanted(key, value) for key, value in sorted((fact.where or {}).items()))


def _wanted(key: str, value: str | float | bool) -> tuple[str, str, str]:
    if isinstance(value, bool):
        return key, "boolean", "true" if value else "false"
    if isinstance(value, str):
        return key, "text", value
    return key, "number", repr(float(value))


def fact_name(kind: str, fact: Fact) -> str:
    """A table's name for what is kept of a fact besides sums."""
    said = repr((fact.event, filter_of(fact), fact.property if kind == "texts" else ""))
    return f"{kind}_{blake2b(said.encode(), digest_size=8).hexdigest()}"
