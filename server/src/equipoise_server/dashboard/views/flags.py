"""Flags: the list, one flag in one environment, its kill switch, rules and explanation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.http import HttpResponse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from equipoise_server.access.values import Permission
from equipoise_server.audit import reads as audit
from equipoise_server.dashboard.forms import Form, Reader, asked, choice, posted
from equipoise_server.dashboard.pages import flag_forms as forms
from equipoise_server.dashboard.pages import flags as pages
from equipoise_server.dashboard.pages.activity import activity_lines
from equipoise_server.dashboard.pages.attributes import read_attributes
from equipoise_server.dashboard.pages.flag_relations import relations
from equipoise_server.dashboard.pages.flags import ConfirmKillPage, FlagPage, NewFlagPage
from equipoise_server.dashboard.views.health_checks import lines_of
from equipoise_server.dashboard.views.home import environment_names
from equipoise_server.dashboard.visits import Visit, done, frame_of, in_place, not_done, show
from equipoise_server.flags import actions
from equipoise_server.flags import reads as flags
from equipoise_server.flags.actions import ArchiveFlag, CreateFlag, KillFlag, SetRolloutShare
from equipoise_server.flags.values import Flag, FlagKind, FlagSettings, FlagType, Group
from equipoise_server.foundation.ids import key_from_name
from equipoise_server.foundation.refusals import Invalid, NotFound, Problem, Refusal
from equipoise_server.snapshots import reads as snapshots


@require_safe
@in_place
def listing(visit: Visit) -> HttpResponse:
    """The list as searched."""
    page = pages.flags_page(
        flags.flags_of(visit.project.id), visit.project, environment=visit.environment.key,
        search=visit.request.GET.get("search", ""), above=_kills_above(visit),
    )  # fmt: skip
    return show(visit, "flags/list.html", page, frame=frame_of(visit, "Flags", section="flags"))


def _kills_above(visit: Visit) -> pages.KillsAbove:
    return pages.kills_above(flags.killed_environments(visit.project.id), flags.groups_of(visit.project.id))


@require_http_methods(["GET", "POST"])
@in_place
def new(visit: Visit) -> HttpResponse:
    """A new flag."""
    visit.actor.require(Permission.FLAG_EDIT, visit.project.id)
    if visit.request.method == "GET":
        return _new_page(visit, forms.new_flag_form(visit.actor.author.name))
    form = posted(visit.request)
    if form.text("do") == "add":
        place = forms.variant_count(form)
        blank = {f"variant.{place}.key": ("",), f"variant.{place}.value": ("",)}
        return _new_page(visit, Form({**form.values, **blank}))
    reader = Reader(form)
    flag_type = choice(FlagType, form.text("type"), FlagType.BOOLEAN)
    variants = forms.read_variants(reader, flag_type)
    command = CreateFlag(
        visit.project.id, form.text("key").strip() or key_from_name(form.text("name")), form.text("name"),
        flag_type, variants, form.text("off").strip(), form.text("default").strip(),
        kind=choice(FlagKind, form.text("kind"), FlagKind.RELEASE), description=form.text("description"),
        owner=form.text("owner"),
    )  # fmt: skip
    try:
        if reader.problems:
            raise Invalid(*reader.problems)
        made = actions.create_flag(visit.actor, command, now=visit.now)
    except Refusal as refusal:
        return _new_page(visit, form.with_problems(refusal.problems), status=refusal.status)
    return done(visit, visit.href("flags", made.key), said="Flag created. It serves its default everywhere.")


def _new_page(visit: Visit, form: Form, *, status: int = 200) -> HttpResponse:
    frame = frame_of(visit, "New flag", section="flags", crumbs=(("Flags", visit.href("flags")),))
    page = NewFlagPage(form, forms.variant_count(form))
    return show(visit, "flags/new.html", page, frame=frame, status=status)


@require_safe
@in_place
def one(visit: Visit, key: str) -> HttpResponse:
    """One flag in one environment; with a unit in the address, also what it gets and why."""
    flag = flags.flag_by_key(visit.project.id, key)
    settings = settings_here(visit, flag)
    question = asked(visit.request)
    values = pages.value_texts(flag)
    environment = (visit.environment.name, flags.environment_kill(visit.environment.id))
    page = FlagPage(
        flag=flag,
        settings=settings,
        states=pages.states_of(flag, visit.project, visit.environment.key, _kills_above(visit)),
        values=values,
        rules=pages.rule_lines(settings, values, flags.ramps_of(flag.id, visit.environment.id)),
        relations=relations(
            flag,
            settings,
            flags.needs_graph(visit.environment.id),
            flags.groups_of(visit.project.id),
            environment=environment,
        ),
        powers=pages.flag_powers(flag, settings, visit.actor.permissions.get(visit.project.id, frozenset())),
        history=activity_lines(audit.of_subject("flag", flag.id, limit=20), environment_names(visit)),
        unit_types=visit.project.unit_types,
        question=question,
        explanation=_explanation(visit, flag, question),
        snippet=pages.snippet(flag, visit.environment.key, visit.project.default_unit_type),
        held_back=flags.holdouts_over(visit.environment.id, frozenset([flag.key])),
        checks=lines_of(flag, visit.environment.id, now=visit.now),
    )
    frame = frame_of(visit, flag.name, section="flags", crumbs=(("Flags", visit.href("flags")),))
    return show(visit, "flags/page.html", page, frame=frame)


def settings_here(visit: Visit, flag: Flag) -> FlagSettings:
    """What the environment serves; nothing of a flag that was archived before there was the environment."""
    if visit.environment.key not in flag.settings:
        raise NotFound(Problem("", f"The flag has no settings in {visit.environment.name}."))
    return flag.settings[visit.environment.key]


def _explanation(visit: Visit, flag: Flag, question: Form) -> pages.Explanation | None:
    unit = question.text("unit").strip()
    if not unit or flag.archived_at is not None:
        return None
    unit_type = question.text("unit_type", visit.project.default_unit_type)
    context = context_of(question, {unit_type: unit}, visit.now)
    decision, steps = snapshots.explain(visit.environment.id, flag.key, context)
    return pages.explanation(unit, decision, steps, rules=settings_here(visit, flag).rules)


def context_of(question: Form, units: dict[str, str], now: datetime) -> dict[str, object]:
    """The context asked about; more units are lines of “type = id”, and the clock is typed or now."""
    more = {name: str(unit) for name, unit in read_attributes(question.text("units")).items()}
    return {
        "units": {**more, **units},
        "attributes": read_attributes(question.text("attributes")),
        "now": question.text("now").strip() or now.isoformat(),
    }


def _changed(visit: Visit, key: str, change: Callable[[Flag, Form], str]) -> HttpResponse:
    """Change a flag and go back to it, saying what happened or why not."""
    flag = flags.flag_by_key(visit.project.id, key)
    href = visit.href("flags", key)
    try:
        return done(visit, href, said=change(flag, posted(visit.request)))
    except Refusal as refusal:
        return not_done(visit, href, refusal)


@require_http_methods(["GET", "POST"])
@in_place
def kill(visit: Visit, key: str) -> HttpResponse:
    """Serve the off variant now; asked first where the browser has no dialogs."""
    visit.actor.require(Permission.FLAG_KILL, visit.project.id)
    if visit.request.method == "GET":
        flag = flags.flag_by_key(visit.project.id, key)
        killed_at = settings_here(visit, flag).killed_at
        page = ConfirmKillPage(flag, visit.environment.name, killed_at, _groups_of(visit, flag))
        crumbs = (("Flags", visit.href("flags")), (flag.name, visit.href("flags", key)))
        frame = frame_of(visit, "Kill", section="flags", crumbs=crumbs)
        return show(visit, "flags/confirm_kill.html", page, frame=frame)

    def change(flag: Flag, form: Form) -> str:
        command = KillFlag(flag.id, visit.environment.id, form.text("reason"))
        actions.kill_flag(visit.actor, command, now=visit.now)
        return f"Killed in {visit.environment.name}: everybody gets the off variant."

    return _changed(visit, key, change)


def _groups_of(visit: Visit, flag: Flag) -> tuple[Group, ...]:
    return tuple(group for group in flags.groups_of(visit.project.id) if group.key in flag.groups)


@require_POST
@in_place
def unkill(visit: Visit, key: str) -> HttpResponse:
    """Let the rules decide again."""

    def change(flag: Flag, form: Form) -> str:
        command = KillFlag(flag.id, visit.environment.id, form.text("reason"))
        actions.unkill_flag(visit.actor, command, now=visit.now)
        return f"Back on in {visit.environment.name}."

    return _changed(visit, key, change)


@require_POST
@in_place
def archive(visit: Visit, key: str) -> HttpResponse:
    """Put a flag away."""

    def change(flag: Flag, form: Form) -> str:
        actions.archive_flag(visit.actor, ArchiveFlag(flag.id, form.text("reason")), now=visit.now)
        return "Archived."

    return _changed(visit, key, change)


@require_POST
@in_place
def share(visit: Visit, key: str) -> HttpResponse:
    """Change the share of one rollout rule."""

    def change(flag: Flag, form: Form) -> str:
        reader = Reader(form)
        part = reader.percent("share", "The share")
        if part is None:
            raise Invalid(*reader.problems or [Problem("share", "Say how large the share shall be.")])
        command = SetRolloutShare(
            flag.id, visit.environment.id, form.text("rule"), round(part * 1_000_000),
            form.version(), form.text("reason"), form.text("ring"),
        )  # fmt: skip
        actions.set_rollout_share(visit.actor, command, now=visit.now)
        return f"The share is now {part * 100:g} %."

    return _changed(visit, key, change)
