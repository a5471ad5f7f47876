"""The fields of how units are shuffled: advisor, clusters, switchback, layer and ramp. Decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum

from equipoise_server.dashboard.forms import Form, Reader, choice
from equipoise_server.dashboard.pages.exposure_forms import outside_texts, read_outside
from equipoise_server.experiments.values import Design, GateStep, Pairing, Spillover, Switchback
from equipoise_server.foundation.refusals import Problem

EMPTY_STEPS = 1


class Scheme(StrEnum):
    """What is shuffled."""

    UNITS = "units"
    CLUSTERS = "clusters"
    SWITCHBACK = "switchback"
    OUTSIDE = "outside"


def scheme_of(design: Design) -> Scheme:
    """What a design shuffles."""
    if design.exposures is not None:
        return Scheme.OUTSIDE
    if design.switchback is not None:
        return Scheme.SWITCHBACK
    return Scheme.CLUSTERS if design.cluster_type else Scheme.UNITS


def randomisation_texts(design: Design) -> dict[str, str | Sequence[str]]:
    """The step's fields, filled from the draft."""
    plan = design.switchback or Switchback()
    starts_at = plan.starts_at
    return {
        "spillover": design.spillover,
        "scheme": scheme_of(design),
        "unit_type": design.unit_type,
        "cluster_type": design.cluster_type,
        "cluster_count": "" if design.cluster_count is None else str(design.cluster_count),
        "regions": "\n".join(plan.regions),
        "window_minutes": str(plan.window_minutes),
        "days": str(plan.days),
        "burn_in_minutes": str(plan.burn_in_minutes),
        "pairing": plan.pairing,
        "starts_at": "" if starts_at is None else f"{starts_at.astimezone(UTC):%Y-%m-%dT%H:%M}",
        "layer": design.layer,
        "slot_share": f"{design.slot_share * 100:g}",
        "surface": design.surface,
        "only_differing": ("yes",) if design.only_differing else (),
        **outside_texts(design.exposures),
    }


def read_randomisation(reader: Reader, design: Design) -> Design:
    """The draft with what was typed. A scheme that was left behind takes its fields along."""
    form = reader.form
    scheme = choice(Scheme, form.text("scheme"), Scheme.UNITS)
    if scheme is Scheme.OUTSIDE:
        return read_outside(reader, design)
    slots = reader.percent("slot_share", "The part of the layer")
    clusters = reader.whole("cluster_count", "The number of clusters")
    is_clustered = scheme is Scheme.CLUSTERS
    return replace(
        design,
        spillover=choice(Spillover, form.text("spillover"), Spillover.NOT_SAID),
        unit_type=form.text("unit_type", design.unit_type),
        cluster_type=form.text("cluster_type") if is_clustered else "",
        cluster_count=clusters if is_clustered else None,
        switchback=_read_switchback(reader) if scheme is Scheme.SWITCHBACK else None,
        layer=form.text("layer"),
        slot_share=design.slot_share if slots is None else slots,
        surface=form.text("surface").strip(),
        only_differing="yes" in form.all("only_differing"),
        exposures=None,
    )


def _read_switchback(reader: Reader) -> Switchback:
    form = reader.form
    lines = (line.strip() for line in form.text("regions").splitlines())
    window = reader.whole("window_minutes", "The window")
    days = reader.whole("days", "The number of days")
    burn_in = reader.whole("burn_in_minutes", "The burn-in")
    return Switchback(
        regions=tuple(line for line in lines if line),
        window_minutes=0 if window is None else window,
        days=0 if days is None else days,
        burn_in_minutes=0 if burn_in is None else burn_in,
        pairing=choice(Pairing, form.text("pairing"), Pairing.DAYS),
        starts_at=_read_start(reader),
    )


def _read_start(reader: Reader) -> datetime | None:
    typed = reader.form.text("starts_at").strip()
    if not typed:
        return None
    try:
        return datetime.fromisoformat(typed).replace(tzinfo=UTC)
    except ValueError:
        told = "Write the start as day and time in UTC, such as 2026-03-02T06:00, or leave it empty."
        reader.problems.append(Problem("starts_at", told))
        return None


def ramp_texts(design: Design) -> dict[str, str]:
    """The fields of a ramp, and an empty step."""
    texts: dict[str, str] = {}
    for place, step in enumerate(design.ramp):
        texts[f"ramp.{place}.after"] = f"{step.after_hours / 24:g}"
        texts[f"ramp.{place}.share"] = f"{step.parts_per_million / 10_000:g}"
    return texts


def ramp_count(form: Form) -> int:
    """How many steps to show: the filled ones and an empty one."""
    return max((place + 1 for place in _places(form) if _is_filled(form, place)), default=0) + EMPTY_STEPS


def read_ramp(reader: Reader) -> tuple[GateStep, ...]:
    """The steps that were filled in, in the order in which they stand."""
    steps = []
    for place in _places(reader.form):
        if not _is_filled(reader.form, place):
            continue
        days = reader.number(f"ramp.{place}.after", "The days after the launch")
        share = reader.percent(f"ramp.{place}.share", "The share")
        steps.append(GateStep(round((days or 0) * 24), round((share or 0) * 1_000_000)))
    return tuple(steps)


def _places(form: Form) -> list[int]:
    named = (name.split(".") for name in form.values if name.startswith("ramp."))
    return sorted({int(parts[1]) for parts in named if len(parts) > 1 and parts[1].isdecimal()})


def _is_filled(form: Form, place: int) -> bool:
    return bool(form.text(f"ramp.{place}.after").strip() or form.text(f"ramp.{place}.share").strip())
