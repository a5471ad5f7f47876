"""What changes the metric catalogue: one metric at a time, or a file of them."""

from __future__ import annotations

from equipoise_server.metrics.applying import MetricStep, Step, apply_metrics, plan_metrics
from equipoise_server.metrics.catalogue import (
    CreateMetric,
    ReviseMetric,
    archive_metric,
    create_metric,
    revise_metric,
)
from equipoise_server.metrics.certifying import (
    CertifyMetric,
    SetCatalogueRules,
    WithdrawCertification,
    certify_metric,
    set_catalogue_rules,
    withdraw_certification,
)
from equipoise_server.metrics.source_facts import checked_definition

__all__ = [
    "CertifyMetric",
    "CreateMetric",
    "MetricStep",
    "ReviseMetric",
    "SetCatalogueRules",
    "Step",
    "WithdrawCertification",
    "apply_metrics",
    "archive_metric",
    "certify_metric",
    "checked_definition",
    "create_metric",
    "plan_metrics",
    "revise_metric",
    "set_catalogue_rules",
    "withdraw_certification",
]
