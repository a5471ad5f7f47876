"""How the columns of a past experiment's file are read: the mapping, and every fault in it. Pure."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

import msgspec

from equipoise_server.experiments.values import MetricRole
from equipoise_server.foundation.refusals import Invalid, Problem, refuse_all
from equipoise_server.metrics.values import Direction, Margin, Tier

MOST_VARIANTS = 64
MOST_OUTCOMES = 50
LONGEST_WINDOW_DAYS = 90


class OutcomeKind(StrEnum):
    """What a column holds per unit: yes or no, an amount, or a whole number of times."""

    CONVERSION = "conversion"
    SUM = "sum"
    COUNT = "count"


@dataclass(frozen=True, slots=True)
class MappedExperiment:
    """What the experiment is called and what it was to show."""

    key: str
    name: str
    hypothesis: str
    owner: str = ""


@dataclass(frozen=True, slots=True)
class MappedUnit:
    """Which column names the unit; "" takes the row's number."""

    column: str = ""
    type: str = "user"


@dataclass(frozen=True, slots=True)
class MappedArm:
    """A value of the variant column, and the arm it stands for."""

    value: str
    key: str
    name: str
    weight: int = 1


@dataclass(frozen=True, slots=True)
class MappedVariant:
    """Which column tells the variant, and which of its values is control."""

    column: str
    control: str
    arms: tuple[MappedArm, ...]


@dataclass(frozen=True, slots=True)
class MappedTime:
    """When units were exposed: a column of instants, or one instant for all."""

    column: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class MappedOutcome:
    """A column that becomes a metric."""

    column: str
    metric: str
    name: str
    kind: OutcomeKind
    role: MetricRole
    direction: Direction = Direction.INCREASE
    tier: Tier = Tier.L3
    margin: Margin | None = None
    display: str = ""
    cap: float | None = None


@dataclass(frozen=True, slots=True)
class MappedMetric:
    """A metric of the catalogue that measures the units, from events or from a source."""

    metric: str
    role: MetricRole
    margin: Margin | None = None


@dataclass(frozen=True, slots=True)
class ImportMapping:
    """The whole mapping; examples/data has two."""

    experiment: MappedExperiment
    unit: MappedUnit
    variant: MappedVariant
    time: MappedTime
    outcomes: tuple[MappedOutcome, ...]
    window_days: int = 7
    covariates: tuple[str, ...] = field(default=())
    metrics: tuple[MappedMetric, ...] = field(default=())
    """What the file does not hold: metrics of the catalogue, over the same units."""

    def columns(self) -> tuple[tuple[str, str], ...]:
        """(field of the mapping, column of the file) of everything that is read."""
        named = [
            ("unit.column", self.unit.column),
            ("variant.column", self.variant.column),
            ("time.column", self.time.column),
            *((f"outcomes.{place}.column", one.column) for place, one in enumerate(self.outcomes)),
            *((f"covariates.{place}", column) for place, column in enumerate(self.covariates)),
        ]
        return tuple((path, column) for path, column in named if column)


def mapping_from_text(text: str) -> ImportMapping:
    """Read a mapping written as JSON or TOML; refuses with every fault."""
    kind = "JSON" if text.lstrip().startswith("{") else "TOML"
    try:
        document = msgspec.json.decode(text) if kind == "JSON" else tomllib.loads(text)
    except (msgspec.DecodeError, tomllib.TOMLDecodeError, RecursionError) as fault:
        raise Invalid(Problem("mapping", f"The mapping is not {kind}: {fault}.")) from fault
    return mapping_from(document)


def mapping_from(document: object) -> ImportMapping:
    """The mapping of a decoded document; each part is read by itself, so that all faults are told."""
    if not isinstance(document, Mapping):
        raise Invalid(Problem("mapping", "The mapping must be an object."))
    problems = [
        Problem(str(key), f"“{key}” is not part of a mapping.")
        for key in document
        if key not in {one.name for one in fields(ImportMapping)}
    ]
    whole = {"unit": {}, "window_days": 7, "covariates": [], "metrics": [], **document}
    experiment = _part(whole, "experiment", MappedExperiment, problems)
    unit = _part(whole, "unit", MappedUnit, problems)
    variant = _part(whole, "variant", MappedVariant, problems)
    time = _part(whole, "time", MappedTime, problems)
    window_days = _part(whole, "window_days", int, problems)
    covariates = _part(whole, "covariates", tuple[str, ...], problems)
    metrics = _part(whole, "metrics", tuple[MappedMetric, ...], problems)
    outcomes = _outcomes(document, problems)
    refuse_all(Invalid, problems)
    assert experiment is not None
    assert unit is not None
    assert variant is not None
    assert time is not None
    assert window_days is not None
    assert covariates is not None
    assert metrics is not None
    mapping = ImportMapping(experiment, unit, variant, time, outcomes, window_days, covariates, metrics)
    refuse_all(Invalid, list(_faults(mapping)))
    return mapping


T = TypeVar("T")


def _part(document: Mapping[str, object], name: str, kind: type[T], problems: list[Problem]) -> T | None:
    if name not in document:
        problems.append(Problem(name, f"The mapping needs “{name}”."))
        return None
    return _converted(document[name], name, kind, problems)


def _converted(raw: object, path: str, kind: type[T], problems: list[Problem]) -> T | None:
    known = {one.name for one in fields(kind)} if hasattr(kind, "__dataclass_fields__") else None  # type: ignore[arg-type]  # guarded by the attribute
    if known is not None and isinstance(raw, Mapping):
        problems += [
            Problem(
                f"{path}.{key}", f"“{key}” is not part of “{path}”; it may have {', '.join(sorted(known))}."
            )
            for key in raw
            if key not in known
        ]
    try:
        return msgspec.convert(raw, kind, strict=True)
    except msgspec.ValidationError as fault:
        problems.append(Problem(path, f"{path}: {fault}."))
        return None


def _outcomes(document: Mapping[str, object], problems: list[Problem]) -> tuple[MappedOutcome, ...]:
    raw = document.get("outcomes", [])
    least = 0 if document.get("metrics") else 1
    if not isinstance(raw, list) or not least <= len(raw) <= MOST_OUTCOMES:
        told = f"List 1 to {MOST_OUTCOMES} outcomes, or metrics of the catalogue in “metrics”."
        problems.append(Problem("outcomes", told))
        return ()
    read = [_converted(one, f"outcomes.{place}", MappedOutcome, problems) for place, one in enumerate(raw)]
    return tuple(one for one in read if one is not None)


def _faults(mapping: ImportMapping) -> Iterator[Problem]:
    """What types alone cannot say."""
    time = mapping.time
    if (time.column == "") is (time.at is None):
        yield Problem("time", "Give either time.column or one instant for all in time.at.")
    elif time.at is not None and time.at.tzinfo is None:
        yield Problem("time.at", "Give time.at with its zone, such as 2008-03-20T00:00:00Z.")
    if not 1 <= mapping.window_days <= LONGEST_WINDOW_DAYS:
        yield Problem("window_days", f"The window lasts 1 to {LONGEST_WINDOW_DAYS} days.")
    yield from _variant_faults(mapping.variant)
    metrics = [one.metric for one in mapping.outcomes]
    for place, listed in enumerate(mapping.metrics):
        if listed.metric in metrics:
            told = f"“{listed.metric}” is an outcome of the file already; leave it out here."
            yield Problem(f"metrics.{place}.metric", told)
    for place, one in enumerate(mapping.outcomes):
        if metrics.index(one.metric) != place:
            yield Problem(f"outcomes.{place}.metric", f"The metric “{one.metric}” is mapped twice.")


def _variant_faults(variant: MappedVariant) -> Iterator[Problem]:
    values = [arm.value for arm in variant.arms]
    if len(values) > MOST_VARIANTS:
        yield Problem("variant.arms", f"{len(values)} variants are too many; at most {MOST_VARIANTS}.")
    for place, value in enumerate(values):
        if values.index(value) != place:
            yield Problem(f"variant.arms.{place}.value", f"The value “{value}” is mapped twice.")
    if variant.control not in values:
        yield Problem("variant.control", f"The control “{variant.control}” is not a value of variant.arms.")
