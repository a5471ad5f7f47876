"""Layers: who holds which slots now, who held and will hold them, and the form of a new layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from markupsafe import Markup

from equipoise_server.dashboard import words
from equipoise_server.dashboard.charts import Canvas, HeldSpan, SlotSpan, slot_calendar, slot_map
from equipoise_server.dashboard.charts.small import SLOTS
from equipoise_server.dashboard.forms import Form
from equipoise_server.dashboard.pages.figures import Figure, Table
from equipoise_server.experiments.values import Holding, LayerRoom

_MAP_WIDE, _MAP_NARROW = Canvas(980, 70), Canvas(340, 70)
_CALENDAR_WIDE, _CALENDAR_NARROW = Canvas(980, 190), Canvas(340, 190)
_BACK, _AHEAD = timedelta(days=28), timedelta(days=42)


@dataclass(frozen=True, slots=True)
class LayerCard:
    """One layer with its drawn slots, now and over time."""

    layer: LayerRoom
    free: str
    nature: str
    """Shared, one experiment's own, nested, or a launch layer, in words."""
    holders: tuple[tuple[str, str], ...]
    """(experiment key, share)."""
    nested: tuple[tuple[str, str], ...]
    """(key of a layer nested in it, share)."""
    figure: Figure
    calendar: Figure | None


@dataclass(frozen=True, slots=True)
class LayersPage:
    """An environment's layers: shared ones first, then those that one experiment has for itself."""

    shared: tuple[LayerCard, ...]
    own: tuple[LayerCard, ...]
    form: Form
    unit_types: tuple[str, ...]
    may_create: bool

    @property
    def unit_options(self) -> list[tuple[str, str]]:
        """The project's unit types."""
        return [(unit_type, unit_type) for unit_type in self.unit_types]

    @property
    def place_options(self) -> list[tuple[str, str]]:
        """Where a new layer may lie: over all units, in free slots of a layer, or beside a nested one."""
        options = [("", "over all units")]
        for card in self.shared:
            layer = card.layer
            options.append(
                (f"inside:{layer.key}", f"in free slots of {layer.name or layer.key} ({card.free})")
            )
            if layer.inside:
                name = layer.name or layer.key
                options.append(
                    (f"beside:{layer.inside}:{layer.key}", f"over the same slots as {name}, shuffled anew")
                )
        return options


def layers_page(
    layers: Sequence[LayerRoom],
    holdings: Sequence[Holding],
    *,
    form: Form,
    unit_types: tuple[str, ...],
    may_create: bool,
    now: datetime,
) -> LayersPage:
    """The layers, the fullest first."""
    ordered = sorted(layers, key=lambda layer: (layer.free_slots, layer.key))
    by_layer = {layer.key: [one for one in holdings if one.layer_key == layer.key] for layer in layers}
    cards = [_card(layer, by_layer[layer.key], now) for layer in ordered]
    return LayersPage(
        shared=tuple(card for card in cards if not card.layer.is_own),
        own=tuple(card for card in cards if card.layer.is_own),
        form=form,
        unit_types=unit_types,
        may_create=may_create,
    )


def _card(layer: LayerRoom, holdings: Sequence[Holding], now: datetime) -> LayerCard:
    taken = [SlotSpan(first, end, holder) for first, end, holder in layer.taken]
    spans = taken + [SlotSpan(first, end, f"layer {key}") for first, end, key in layer.domains]
    title = f"Slots of the layer {layer.name or layer.key}"
    rows = tuple(
        (span.holder, words.whole(span.first), words.whole(span.end - 1), _share(span.end - span.first))
        for span in spans
    )
    return LayerCard(
        layer=layer,
        free=_share(layer.free_slots),
        nature=_nature(layer),
        holders=_shares(layer.taken),
        nested=_shares(layer.domains),
        figure=Figure(
            title,
            slot_map(spans, _MAP_WIDE, title=title),
            slot_map(spans, _MAP_NARROW, title=title),
            table=Table(("Holder", "First slot", "Last slot", "Share"), rows) if rows else None,
        ),
        calendar=_calendar(layer, holdings, now),
    )


def _nature(layer: LayerRoom) -> str:
    parts = []
    if layer.is_own:
        parts.append("one experiment's own")
    if layer.is_launch:
        parts.append("launch layer: takes whom other layers leave")
    if layer.inside:
        slots = sum(end - first for first, end in layer.domain)
        parts.append(f"nested in {_share(slots)} of {layer.inside}")
    return ", ".join(parts) or "shared"


def _shares(held: Sequence[tuple[int, int, str]]) -> tuple[tuple[str, str], ...]:
    slots: dict[str, int] = {}
    for first, end, holder in held:
        slots[holder] = slots.get(holder, 0) + end - first
    return tuple((holder, _share(count)) for holder, count in slots.items())


def _share(slots: int) -> str:
    return words.percent(slots / SLOTS)


def _calendar(layer: LayerRoom, holdings: Sequence[Holding], now: datetime) -> Figure | None:
    """Four weeks back, six ahead; a run without a planned end is drawn to the edge."""
    since, until = now - _BACK, now + _AHEAD
    spans = [span for one in holdings for span in _spans(one, since, until, now)]
    if not spans:
        return None
    title = f"Who holds the layer {layer.name or layer.key} over time"

    def draw(canvas: Canvas) -> Markup:
        return slot_calendar(spans, canvas, title=title, since=since, until=until, now=now)

    rows = tuple(
        (one.experiment_key, words.day(one.since), _end_words(one), _share(_slots(one))) for one in holdings
    )
    table = Table(("Experiment", "From", "To", "Share"), rows)
    return Figure(title, draw(_CALENDAR_WIDE), draw(_CALENDAR_NARROW), table=table)


def _spans(one: Holding, since: datetime, until: datetime, now: datetime) -> list[HeldSpan]:
    end = one.ended_at or one.planned_end_at or until
    if one.is_held:
        end = max(end, now)
    if end <= since:
        return []
    told = f"{one.experiment_key}: {words.short_day(one.since)} to {_end_words(one)}, {_share(_slots(one))}"
    return [
        HeldSpan(first, last, max(one.since, since), min(end, until), one.experiment_key, told)
        for first, last in one.slots
    ]


def _slots(one: Holding) -> int:
    return sum(end - first for first, end in one.slots)


def _end_words(one: Holding) -> str:
    if one.ended_at is not None:
        stopped = words.day(one.ended_at)
        return f"{stopped}, held until the decision" if one.is_held else stopped
    return "no planned end" if one.planned_end_at is None else f"{words.day(one.planned_end_at)} as planned"
