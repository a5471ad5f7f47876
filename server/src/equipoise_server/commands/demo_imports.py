"""The demo's two real experiments: published raw data, imported as anybody would import their own."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from equipoise_server.analysis.actions import ImportPast, import_past_experiment, mapping_from_text
from equipoise_server.commands.demo_progress import say
from equipoise_server.commands.demo_setting import Setting
from equipoise_server.experiments.actions import Decide, decide
from equipoise_server.experiments.values import DecisionKind, Experiment

# Beside the source, in a checkout of the repository; an installed server has no data sets.
DATA = Path(__file__).resolve().parents[4] / "examples" / "data"


def import_real_experiments(setting: Setting, *, now: datetime) -> None:
    """Import both; the game's is decided as its makers did, the e-mail's waits for a decision."""
    if not DATA.is_dir():
        say(f"No data sets at {DATA}: the two real experiments are left out")
        return
    say("Hillstrom's e-mail test (64,000 customers)")
    _import(setting, "hillstrom", now=now)
    say("Cookie Cats, a mobile game (90,189 players)")
    game = _import(setting, "cookie_cats", now=now)
    kept = Decide(
        game.id, DecisionKind.DO_NOT_SHIP, reason="The gate stays at level 30: fewer players came back."
    )
    decide(setting.experimenter, kept, now=now)


def _import(setting: Setting, name: str, *, now: datetime) -> Experiment:
    mapping = mapping_from_text((DATA / f"{name}.toml").read_text())
    command = ImportPast(setting.project.id, setting.production.id, mapping, DATA / f"{name}.csv.gz")
    return import_past_experiment(setting.experimenter, command, now=now)
