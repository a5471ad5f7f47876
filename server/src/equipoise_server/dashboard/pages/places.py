"""Layers and settings: who holds which slots, which keys exist, who may do what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from equipoise_server.access.values import Environment, Member, Project, SdkKey
from equipoise_server.dashboard import words
from equipoise_server.dashboard.charts import Canvas, SlotSpan, slot_map
from equipoise_server.dashboard.charts.small import SLOTS
from equipoise_server.dashboard.forms import Form
from equipoise_server.dashboard.pages.figures import Figure, Table
from equipoise_server.experiments.values import LayerRoom

_LAYER_WIDE, _LAYER_NARROW = Canvas(980, 70), Canvas(340, 70)


@dataclass(frozen=True, slots=True)
class LayerCard:
    """One layer with its drawn slots."""

    layer: LayerRoom
    free: str
    holders: tuple[tuple[str, str], ...]
    """(experiment key, share)."""
    figure: Figure


@dataclass(frozen=True, slots=True)
class LayersPage:
    """An environment's layers: shared ones first, then those that one experiment has for itself."""

    cards: tuple[LayerCard, ...]


def layers_page(layers: Sequence[LayerRoom]) -> LayersPage:
    """The layers, the fullest first."""
    ordered = sorted(layers, key=lambda layer: (layer.free_slots, layer.key))
    return LayersPage(tuple(_card(layer) for layer in ordered))


def _card(layer: LayerRoom) -> LayerCard:
    spans = [SlotSpan(first, end, holder) for first, end, holder in layer.taken]
    title = f"Slots of the layer {layer.name or layer.key}"
    rows = tuple(
        (holder, words.whole(first), words.whole(end - 1), words.percent((end - first) / SLOTS))
        for first, end, holder in layer.taken
    )
    shares: dict[str, int] = {}
    for first, end, holder in layer.taken:
        shares[holder] = shares.get(holder, 0) + end - first
    return LayerCard(
        layer=layer,
        free=words.percent(layer.free_slots / SLOTS),
        holders=tuple((holder, words.percent(slots / SLOTS)) for holder, slots in shares.items()),
        figure=Figure(
            title,
            slot_map(spans, _LAYER_WIDE, title=title),
            slot_map(spans, _LAYER_NARROW, title=title),
            table=Table(("Experiment", "First slot", "Last slot", "Share"), rows) if rows else None,
        ),
    )


@dataclass(frozen=True, slots=True)
class KeyLine:
    """One SDK key with its environment's name."""

    key: SdkKey
    environment: str


@dataclass(frozen=True, slots=True)
class SettingsPage:
    """Keys, members and how to connect code. `secret` is there once, right after issuing."""

    project: Project
    environment: Environment
    address: str
    keys: tuple[KeyLine, ...]
    members: tuple[Member, ...]
    key_form: Form
    member_form: Form
    secret: str
    may_manage_keys: bool
    may_grant: bool
    environment_killed_at: datetime | None
    may_kill: bool
    may_unkill: bool


@dataclass(frozen=True, slots=True)
class StartPage:
    """What somebody without a project sees."""

    form: Form
    may_create: bool


@dataclass(frozen=True, slots=True)
class SignInPage:
    """The sign-in form, and where to go afterwards."""

    form: Form
    next: str


def key_lines(keys: Sequence[SdkKey], project: Project) -> tuple[KeyLine, ...]:
    """The keys that still work first, each with its environment's name."""
    names = {environment.id: environment.name for environment in project.environments}
    ordered = sorted(keys, key=lambda key: key.revoked_at is not None)
    return tuple(KeyLine(key, names[key.environment_id]) for key in ordered)


@dataclass(frozen=True, slots=True)
class ImportPage:
    """The form of an import, and which files it takes."""

    form: Form
    suffixes: tuple[str, ...]
