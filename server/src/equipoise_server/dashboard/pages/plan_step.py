"""The wizard's plan: effect and confidence, a planned end with its looks or none, and less noise."""

from __future__ import annotations

from dataclasses import replace

from equipoise_server.dashboard.forms import Reader, choice
from equipoise_server.experiments.values import Design, Looks, Spending

PLANNED, OPEN = "planned", "open"
ANY_TIME = "any"
LOOK_COUNTS = (
    ("", "after every day"),
    ("2", "twice"),
    ("3", "three times"),
    ("4", "four times"),
    ("8", "eight times"),
    ("1", "only at the end"),
    (ANY_TIME, "at any time (sequences)"),
)
SPENDINGS = (
    (Spending.OBRIEN_FLEMING, "late: hard to stop early, nearly nothing lost (O’Brien–Fleming, usual)"),
    (Spending.POCOCK, "evenly: easier to stop early, costs more units (Pocock)"),
    (Spending.HWANG_SHIH_DECANI, "as gamma says (Hwang–Shih–DeCani)"),
)


def plan_texts(design: Design) -> dict[str, str]:
    """The step's fields from the draft."""
    looks = design.looks or Looks()
    count = ANY_TIME if design.looks is None else number_text(looks.count, 1)
    return {
        "mde": number_text(design.mde_relative, 100),
        "confidence": f"{(1 - design.alpha) * 100:g}",
        "power": f"{design.power * 100:g}",
        "baseline": number_text(design.baseline, 1),
        "baseline_percent": number_text(design.baseline, 100),
        "deviation": number_text(design.baseline_deviation, 1),
        "daily_units": number_text(design.daily_units, 1),
        "ending": OPEN if design.planned_days is None and design.mde_relative is not None else PLANNED,
        "planned_days": number_text(design.planned_days, 1),
        "look_count": count,
        "spending": looks.spending,
        "gamma": f"{looks.gamma:g}",
        "covariates": ", ".join(design.covariates),
        "reduction": number_text(design.expected_reduction or None, 100),
        "strata": design.strata,
        "breakdowns": ", ".join(design.breakdowns),
        "cluster_size": number_text(design.cluster_size, 1),
        "cluster_correlation": number_text(design.cluster_correlation, 1),
    }


def look_options(chosen: str) -> list[tuple[str, str]]:
    """How often one may look; a number that came another way is offered, too."""
    known = {value for value, _ in LOOK_COUNTS}
    other = [] if chosen in known else [(chosen, f"{chosen} times")]
    return [*LOOK_COUNTS, *other]


def read_plan(reader: Reader, design: Design) -> Design:
    """The draft with what was typed."""
    form = reader.form
    confidence = reader.percent("confidence", "The confidence")
    power = reader.percent("power", "The power")
    baseline = (
        reader.percent("baseline_percent", "The baseline")
        if "baseline_percent" in form.values
        else reader.number("baseline", "The baseline")
    )
    planned_days = reader.whole("planned_days", "The number of days")
    reduction = reader.percent("reduction", "What covariates explain")
    return replace(
        design,
        mde_relative=reader.percent("mde", "The MDE"),
        alpha=design.alpha if confidence is None else round(1 - confidence, 10),
        power=design.power if power is None else power,
        baseline=baseline,
        baseline_deviation=reader.number("deviation", "The deviation"),
        daily_units=reader.whole("daily_units", "The number of units"),
        planned_days=None if form.text("ending") == OPEN else planned_days,
        looks=_read_looks(reader, design),
        covariates=_names(form.text("covariates", ", ".join(design.covariates))),
        expected_reduction=reduction or 0.0,
        strata=form.text("strata", design.strata).strip(),
        breakdowns=_names(form.text("breakdowns", ", ".join(design.breakdowns))),
        cluster_size=_kept(reader, "cluster_size", design.cluster_size),
        cluster_correlation=_kept(reader, "cluster_correlation", design.cluster_correlation),
    )


def _read_looks(reader: Reader, design: Design) -> Looks | None:
    """The looks that were chosen; a form without the field leaves them as they are."""
    form = reader.form
    if "look_count" not in form.values:
        return design.looks
    if form.text("look_count") == ANY_TIME:
        return None
    spending = choice(Spending, form.text("spending"), Spending.OBRIEN_FLEMING)
    gamma = reader.number("gamma", "Gamma")
    usual = Looks()
    return Looks(
        reader.whole("look_count", "The number of looks"), spending, usual.gamma if gamma is None else gamma
    )


def _kept(reader: Reader, name: str, held: float | None) -> float | None:
    return reader.number(name, "The number") if name in reader.form.values else held


def _names(text: str) -> tuple[str, ...]:
    """Names between commas, each once."""
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def number_text(value: float | None, factor: int) -> str:
    """A number as people type it; nothing for None."""
    return "" if value is None else f"{value * factor:.10g}"
