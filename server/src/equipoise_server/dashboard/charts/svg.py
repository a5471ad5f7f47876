"""The SVG writer: every attribute and text is escaped, every coordinate short."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup, escape

Attribute = str | float | int | None


def element(name: str, content: str | Iterable[str] = "", /, **attributes: Attribute) -> Markup:
    """One element. `cls` is class, `_` becomes `-`, None leaves the attribute out; plain text is escaped."""
    written = Markup("").join(
        Markup(' {}="{}"').format(_attribute_name(key), _short(value))
        for key, value in attributes.items()
        if value is not None
    )
    inner = escape(content) if isinstance(content, str) else Markup("").join(content)
    if not inner:
        return Markup("<{0}{1}/>").format(name, written)
    return Markup("<{0}{1}>{2}</{0}>").format(name, written, inner)


def drawing(
    title: str, description: str, *, size: tuple[int, int], parts: Iterable[str], cls: str = ""
) -> Markup:
    """A whole picture with its name and description for people who do not see it."""
    # No <title>: browsers show it as a tooltip over the chart's own one. aria-label says the same.
    return element(
        "svg",
        [element("desc", description), *parts],
        cls=f"chart {cls}".strip(),
        viewBox=f"0 0 {size[0]} {size[1]}",
        role="img",
        aria_label=f"{title}. {description}",
        xmlns="http://www.w3.org/2000/svg",
    )


def path(points: Iterable[tuple[float, float]], *, close: bool = False) -> str:
    """The `d` of a polyline."""
    steps = " L".join(f"{_short(x)},{_short(y)}" for x, y in points)
    return f"M{steps}" + ("Z" if close else "")


def marker(index: int, x: float, y: float, cls: str) -> Markup:
    """An arm's own shape: circle, circle, square, diamond, triangle; so colour never speaks alone."""
    shape = index % 5
    if shape == 2:  # noqa: PLR2004  # the second treatment
        return element("rect", x=x - 4.5, y=y - 4.5, width=9, height=9, cls=cls)
    if shape == 3:  # noqa: PLR2004  # the third
        return element("path", d=path([(x, y - 6), (x + 6, y), (x, y + 6), (x - 6, y)], close=True), cls=cls)
    if shape == 4:  # noqa: PLR2004  # the fourth
        return element("path", d=path([(x, y - 6), (x + 6, y + 5), (x - 6, y + 5)], close=True), cls=cls)
    return element("circle", cx=x, cy=y, r=5.5, cls=cls)


def _attribute_name(key: str) -> str:
    return "class" if key == "cls" else key if key == "viewBox" else key.replace("_", "-")


def _short(value: Attribute) -> str:
    if isinstance(value, float):
        return f"{value:.1f}".removesuffix(".0")
    return str(value)
