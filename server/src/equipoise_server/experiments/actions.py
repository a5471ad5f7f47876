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
from equipoise_server.experiments.holdouts import (
    CloseHoldout,
    CreateHoldout,
    OpenSeason,
    ReleaseUnit,
    close_holdout,
    create_holdout,
    open_season,
    release_unit,
)
from equipoise_server.experiments.layering import CreateLayer, create_layer
from equipoise_server.experiments.measuring import AddMetric, add_metric
from equipoise_server.experiments.ramps import PauseRamp, ResumeRamp, pause_ramp, resume_ramp
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
    "AddMetric",
    "Archive",
    "CloseHoldout",
    "CreateExperiment",
    "CreateHoldout",
    "CreateLayer",
    "Decide",
    "EditDesign",
    "ImportedExperiment",
    "Launch",
    "OpenSeason",
    "PauseRamp",
    "ReleaseUnit",
    "Restart",
    "ResumeRamp",
    "Stop",
    "Widen",
    "add_metric",
    "archive",
    "close_holdout",
    "create_experiment",
    "create_holdout",
    "create_layer",
    "decide",
    "edit_design",
    "launch",
    "open_season",
    "pause_ramp",
    "record_verdict",
    "register_import",
    "release_unit",
    "restart",
    "resume_ramp",
    "stop",
    "widen",
]
