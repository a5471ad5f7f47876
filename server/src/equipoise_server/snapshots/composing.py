"""From rows to the document that clients get (spec/schemas/snapshot.schema.json). Pure; knows no tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from equipoise_engine import content_hash
from equipoise_server.access.values import Environment, Project
from equipoise_server.experiments.values import ExperimentsPayload
from equipoise_server.flags.values import FlagsPayload
from equipoise_server.foundation.exposure_tokens import MEMBER as TOKENS
from equipoise_server.foundation.exposure_tokens import TokenKey, TokenRule, member_of
from equipoise_server.foundation.revisions import Revision

FORMAT = 1

Document = dict[str, object]


@dataclass(frozen=True, slots=True)
class Rows:
    """What the rooms below put into one environment's snapshot."""

    project: Project
    environment: Environment
    flags: FlagsPayload
    experiments: ExperimentsPayload
    token_keys: tuple[TokenKey, ...] = ()
    """What signs exposure tokens, the key in use first."""


def compose(rows: Rows, revision: Revision) -> Document:
    """The whole document, with its hash."""
    experiments = _experiments_of_flags(rows.experiments.experiments)
    document: Document = {
        "format": FORMAT,
        "project": rows.project.key,
        "environment": rows.environment.key,
        "epoch": revision.epoch,
        "revision": revision.number,
        "default_unit_type": rows.project.default_unit_type,
        "unit_types": list(rows.project.unit_types),
        "killed": rows.flags.killed,
        "groups": {key: dict(group) for key, group in rows.flags.groups.items()},
        "segments": dict(rows.flags.segments),
        "layers": dict(rows.experiments.layers),
        "holdouts": dict(rows.experiments.holdouts),
        "experiments": dict(rows.experiments.experiments),
        "flags": {
            key: {
                **flag,
                "holdouts": rows.experiments.baselines.get(key, []),
                "experiments": experiments.get(key, []),
            }
            for key, flag in rows.flags.flags.items()
        },
    }
    if rows.flags.preview_key:
        document["preview_key"] = rows.flags.preview_key
    rule = rows.environment.exposure_tokens
    if rule is not TokenRule.OFF and rows.token_keys:
        document[TOKENS] = member_of(rows.token_keys, is_required=rule is TokenRule.REQUIRED)
    document["hash"] = content_hash(document)
    return document


def _experiments_of_flags(experiments: Mapping[str, Mapping[str, object]]) -> dict[str, list[str]]:
    """The experiments that set each flag: the running ones first, because they are tried first."""
    listed: dict[str, list[str]] = {}
    for key in sorted(experiments, key=lambda key: not _is_running(experiments[key])):
        for flag_key in _flags_set_by(experiments[key]):
            listed.setdefault(flag_key, []).append(key)
    return listed


def _is_running(experiment: Mapping[str, object]) -> bool:
    return experiment["state"] == "running" and not experiment.get("killed", False)


def _flags_set_by(experiment: Mapping[str, object]) -> list[str]:
    arms = experiment["variants"]
    assert isinstance(arms, list)
    return sorted({flag_key for arm in arms for flag_key in arm["values"]})
