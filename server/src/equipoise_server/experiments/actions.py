"""What changes experiments; each verb lives beside its siblings in a module of its own."""

from __future__ import annotations

from equipoise_server.experiments.deciding import Decide, decide
from equipoise_server.experiments.drafting import (
    Archive,
    CreateExperiment,
    EditDesign,
    archive,
    create_experiment,
    edit_design,
)
from equipoise_server.experiments.recording import ImportedExperiment, record_verdict, register_import
from equipoise_server.experiments.running import (
    Launch,
    Restart,
    Stop,
    Widen,
    launch,
    restart,
    stop,
    widen,
)

__all__ = [
    "Archive",
    "CreateExperiment",
    "Decide",
    "EditDesign",
    "ImportedExperiment",
    "Launch",
    "Restart",
    "Stop",
    "Widen",
    "archive",
    "create_experiment",
    "decide",
    "edit_design",
    "launch",
    "record_verdict",
    "register_import",
    "restart",
    "stop",
    "widen",
]
