"""Reads Prometheus' answers: series with their labels and numbers, and what it says about a bad query."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_LONGEST_TOLD = 300


@dataclass(frozen=True, slots=True)
class Series:
    """One series of an answer: values in order of time, as sent; NaN and infinities among them."""

    labels: Mapping[str, str]
    values: tuple[float, ...]


def series_of(content: object) -> tuple[Series, ...] | None:
    """The series of an answer; None when it is none of Prometheus'. A scalar is a series without labels."""
    data = content.get("data") if isinstance(content, dict) and content.get("status") == "success" else None
    if not isinstance(data, dict):
        return None
    kind, result = data.get("resultType"), data.get("result")
    try:
        if kind == "scalar":
            return (Series({}, tuple(_numbers([result]))),)
        if kind in {"vector", "matrix"} and isinstance(result, list):
            return tuple(_series(one) for one in result)
    except (TypeError, ValueError, KeyError):
        return None
    return None


def told_by(content: object) -> str:
    """Prometheus' own words: one line of printable characters, cut short."""
    said = content.get("error") if isinstance(content, dict) else None
    if not isinstance(said, str) or not said.strip():
        return "it does not say why."
    line = "".join(character if character.isprintable() else " " for character in said)
    line = " ".join(line.encode(errors="replace").decode().split())
    return line if len(line) <= _LONGEST_TOLD else f"{line[: _LONGEST_TOLD - 1]}…"


def _series(one: Mapping[str, object]) -> Series:
    labels, points = one["metric"], one.get("values") or [one["value"]]
    if not isinstance(labels, dict) or not isinstance(points, list):
        raise TypeError("no series")
    return Series({str(name): str(value) for name, value in labels.items()}, tuple(_numbers(points)))


def _numbers(points: list[object]) -> Iterator[float]:
    for point in points:
        if not isinstance(point, list):
            raise TypeError("no point")
        _, value = point
        yield float(value)
