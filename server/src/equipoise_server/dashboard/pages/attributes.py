"""Lines of “name = value” as people type attributes and filters; values are read as JSON reads them."""

from __future__ import annotations

from collections.abc import Mapping

Scalar = str | float | bool


def read_attributes(text: str) -> dict[str, Scalar]:
    """The filled lines; quotes make a number or a truth value a text."""
    found: dict[str, Scalar] = {}
    for line in text.splitlines():
        name, sign, value = line.partition("=")
        if sign and name.strip():
            found[name.strip()] = _scalar(value.strip())
    return found


def attribute_lines(attributes: Mapping[str, Scalar] | None) -> str:
    """The lines of stored attributes."""
    return "\n".join(f"{name} = {_text(value)}" for name, value in (attributes or {}).items())


def _scalar(text: str) -> Scalar:
    if text in {"true", "false"}:
        return text == "true"
    if len(text) > 1 and text.startswith('"') and text.endswith('"'):
        return text[1:-1]
    try:
        number = float(text)
    except ValueError:
        return text
    if abs(number) == float("inf") or number != number:  # noqa: PLR0124  # the test for NaN
        return text
    return int(number) if number.is_integer() and "." not in text and "e" not in text.lower() else number


def _text(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"' if not isinstance(_scalar(value), str) else value
    return str(value)
