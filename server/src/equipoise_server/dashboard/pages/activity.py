"""The audit trail as people read it: who did what, when, why, and what was before and after."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from equipoise_server.audit.values import AuditedChange, AuditEntry, Subject

_VERBS = {
    "user.create": "created the account",
    "project.create": "created the project",
    "member.grant": "gave a role in",
    "sdk_key.issue": "issued the SDK key",
    "sdk_key.revoke": "revoked the SDK key",
    "api_token.issue": "issued the API token",
    "api_token.revoke": "revoked the API token",
    "environment.add": "added an environment to",
    "environment.create": "created the environment",
    "flag.create": "created the flag",
    "flag.update": "edited the flag",
    "flag.update_settings": "changed the rules of",
    "flag.add_rollout": "added a rollout to",
    "flag.set_rollout_share": "changed the rollout share of",
    "flag.kill": "killed",
    "flag.unkill": "turned back on",
    "flag.archive": "archived the flag",
    "flag.keep_on": "kept units on their variant of",
    "flag.cover": "let a holdout cover",
    "flag.uncover": "let go, by a holdout, of",
    "flag.pin": "pinned",
    "flag.unpin": "released",
    "exposure_tokens.set": "set what exposures need in",
    "exposure_tokens.rotate": "replaced the key of exposure tokens of",
    "environment.kill": "killed everything in",
    "environment.unkill": "turned back on everything in",
    "break_glass.kill": "took over a kill by break-glass in",
    "break_glass.lift": "noted that a kill by break-glass was lifted in",
    "environment.begin_epoch": "began, after a restore, a new epoch of",
    "erasure.ask": "asked for the erasure",
    "erasure.finish": "finished the erasure",
    "unit.forget": "took erased units out of",
    "audit.redact": "redacted earlier records of",
    "retention.set": "set the retention of",
    "retention.drop": "dropped old events of",
    "segment.create": "created the segment",
    "segment.update": "changed the segment",
    "segment.delete": "deleted the segment",
    "segment.replace_members": "replaced the members of",
    "segment.append_members": "added members to",
    "segment.remove_members": "took members out of",
    "group.create": "created the group",
    "group.update": "changed the group",
    "group.delete": "deleted the group",
    "group.kill": "killed the group",
    "group.unkill": "turned back on the group",
    "preview.create": "made a preview link in",
    "preview.revoke": "revoked all preview links of",
    "flag.schedule_ramp": "scheduled a rollout of",
    "flag.pause_ramp": "paused the schedule of",
    "flag.resume_ramp": "resumed the schedule of",
    "flag.end_ramp": "ended the schedule of",
    "flag.ramp": "raised the share of",
    "flag.hold_ramp": "held, by a health check, the schedule of",
    "flag.release_ramp": "let go on the schedule of",
    "flag.roll_back": "rolled back the share of",
    "health_check.create": "added a health check to",
    "health_check.revise": "changed a health check of",
    "health_check.delete": "deleted a health check of",
    "automation.kill": "acted, after a failed health check, on",
    "automation.roll_back": "acted, after a failed health check, on",
    "job.run": "asked for a refresh of",
    "job.cancel": "cancelled the job",
    "job.retry": "tried again the job",
    "metric.create": "created the metric",
    "metric.revise": "revised the metric",
    "metric.archive": "archived the metric",
    "metric.certify": "certified the metric",
    "metric.uncertify": "withdrew the certification of",
    "metrics.apply": "applied a file of",
    "metrics.rules": "changed what is asked of",
    "connection.create": "added the connection",
    "connection.revise": "changed the connection",
    "connection.archive": "archived the connection",
    "source.create": "described the source",
    "source.revise": "revised the source",
    "source.archive": "archived the source",
    "traffic_filter.set": "changed the",
    "experiment.create": "drafted",
    "experiment.edit": "edited the design of",
    "experiment.launch": "launched",
    "experiment.widen": "widened the audience of",
    "experiment.add_metric": "added a metric to",
    "experiment.stop": "stopped",
    "experiment.restart": "restarted",
    "experiment.decide": "decided",
    "experiment.archive": "archived",
    "experiment.import": "imported",
    "experiment.verdict": "judged",
    "experiment.pause_ramp": "paused the ramp of",
    "experiment.resume_ramp": "resumed the ramp of",
    "experiment.hold_ramp": "held, by a health check, the ramp of",
    "experiment.release_ramp": "let go on the ramp of",
    "layer.create": "made the layer",
    "quarantine.replay": "replayed quarantined events of",
    "holdout.create": "opened the holdout",
    "holdout.season": "opened a new season of the holdout",
    "holdout.close": "closed the holdout",
    "holdout.release": "released a unit from the holdout",
}
_ICONS = {
    "kill": "power", "unkill": "power", "launch": "next", "stop": "stop", "restart": "restart",
    "decide": "ship", "create": "plus", "import": "upload", "archive": "flat", "issue": "key",
    "revoke": "key", "grant": "person",
}  # fmt: skip
# Where a subject has a page under its key.
_SECTIONS = {
    "experiment": "experiments", "flag": "flags", "holdout": "holdouts", "metric": "metrics",
    "segment": "segments", "source": "sources",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Difference:
    """One fact before and after; "" where there was none."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class ChangeLine:
    """One change inside a record."""

    verb: str
    subject: str
    environment: str
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class ActivityLine:
    """One audit record."""

    number: int
    at: datetime
    author: str
    is_automatic: bool
    verb: str
    subject: str
    environment: str
    icon: str
    is_kill: bool
    reason: str
    changes: tuple[ChangeLine, ...]
    hash: str
    section: str = ""
    """Where the subject has a page of its own; "" when it has none."""


@dataclass(frozen=True, slots=True)
class ActivityPage:
    """A project's newest records; `older` is the cursor of the next page."""

    lines: tuple[ActivityLine, ...]
    older: int | None
    is_first: bool


def activity_lines(
    entries: Sequence[AuditEntry], environments: Mapping[str, str]
) -> tuple[ActivityLine, ...]:
    """The records as lines; `environments` names environments by id."""
    return tuple(_line(entry, environments) for entry in entries)


def _line(entry: AuditEntry, environments: Mapping[str, str]) -> ActivityLine:
    main = next((change for change in entry.changes if change.action == entry.action), entry.changes[0])
    word = entry.action.rpartition(".")[2]
    subject, environment = _subject(main.subject, environments)
    return ActivityLine(
        number=entry.number,
        at=entry.at,
        author=entry.author.name,
        is_automatic=entry.author.kind != "person",
        verb=_verb(entry.action),
        subject=subject,
        environment=environment,
        icon=_ICONS.get(word, "activity"),
        is_kill=word == "kill",
        reason=entry.reason,
        changes=tuple(_change(change, environments) for change in entry.changes),
        hash=entry.hash,
        section="" if word == "delete" else _SECTIONS.get(main.subject.kind, ""),
    )


def _subject(subject: Subject, environments: Mapping[str, str]) -> tuple[str, str]:
    """What was acted on, and where; an environment is named once."""
    environment = environments.get(str(subject.environment_id), "")
    return (environment or subject.key, "") if subject.kind == "environment" else (subject.key, environment)


def _change(change: AuditedChange, environments: Mapping[str, str]) -> ChangeLine:
    return ChangeLine(
        verb=_verb(change.action),
        subject=change.subject.key,
        environment=environments.get(str(change.subject.environment_id), ""),
        differences=_differences(change.before or {}, change.after or {}),
    )


def _differences(before: Mapping[str, object], after: Mapping[str, object]) -> tuple[Difference, ...]:
    names = list(dict.fromkeys([*before, *after]))
    return tuple(
        Difference(name.replace("_", " "), _text(before.get(name)), _text(after.get(name)))
        for name in names
        if before.get(name) != after.get(name)
    )


def _verb(action: str) -> str:
    return _VERBS.get(action, action.rpartition(".")[2].replace("_", " "))


def _text(fact: object) -> str:
    if fact is None or fact == "":
        return ""
    if isinstance(fact, str):
        return fact
    return json.dumps(fact, indent=2, sort_keys=True, ensure_ascii=False, default=str)
