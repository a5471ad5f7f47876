"""Flags: the list, one flag in one environment, its kill switch, rules and explanation."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpResponse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from equipoise_server.access.values import Permission
from equipoise_server.audit import reads as audit
from equipoise_server.dashboard.forms import Form, Reader, asked, choice, posted
from equipoise_server.dashboard.pages import flag_forms as forms
from equipoise_server.dashboard.pages import flags as pages
from equipoise_server.dashboard.pages.activity import activity_lines
from equipoise_server.dashboard.pages.attributes import read_attributes
from equipoise_server.dashboard.pages.flags import ConfirmKillPage, EditFlagPage, FlagPage, NewFlagPage
from equipoise_server.dashboard.views.home import environment_names
from equipoise_server.dashboard.visits import Visit, done, frame_of, in_place, not_done, show
from equipoise_server.flags import actions
from equipoise_server.flags import reads as flags
from equipoise_server.flags.actions import (
    ArchiveFlag,
    CreateFlag,
    KillFlag,
    SetRolloutShare,
    UpdateFlagSettings,
)
from equipoise_server.flags.values import Flag, FlagKind, FlagType
from equipoise_server.foundation.ids import key_from_name
from equipoise_server.foundation.refusals import Invalid, NotFound, Problem, Refusal
from equipoise_server.snapshots import reads as snapshots


@require_safe
@in_place
def listing(visit: Visit) -> HttpResponse:
    """The list as searched."""
    page = pages.flags_page(
        flags.flags_of(visit.project.id), visit.project, environment=visit.environment.key,
        search=visit.request.GET.get("search", ""),
    )  # fmt: skip
    return show(visit, "flags/list.html", page, frame=frame_of(visit, "Flags", section="flags"))


@require_http_methods(["GET", "POST"])
@in_place
def new(visit: Visit) -> HttpResponse:
    """A new flag."""
    visit.actor.require(Permission.FLAG_EDIT, visit.project.id)
    if visit.request.method == "GET":
        return _new_page(visit, forms.new_flag_form())
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
    settings = flag.settings[visit.environment.key]
    question = asked(visit.request)
    values = pages.value_texts(flag)
    page = FlagPage(
        flag=flag,
        settings=settings,
        states=pages.states_of(flag, visit.project, visit.environment.key),
        values=values,
        rules=pages.rule_lines(settings, values),
        powers=pages.flag_powers(flag, settings, visit.actor.permissions.get(visit.project.id, frozenset())),
        history=activity_lines(audit.of_subject("flag", flag.id, limit=20), environment_names(visit)),
        unit_types=visit.project.unit_types,
        question=question,
        explanation=_explanation(visit, flag, question),
        snippet=pages.snippet(flag, visit.environment.key, visit.project.default_unit_type),
    )
    frame = frame_of(visit, flag.name, section="flags", crumbs=(("Flags", visit.href("flags")),))
    return show(visit, "flags/page.html", page, frame=frame)


def _explanation(visit: Visit, flag: Flag, question: Form) -> pages.Explanation | None:
    unit = question.text("unit").strip()
    if not unit or flag.archived_at is not None:
        return None
    unit_type = question.text("unit_type", visit.project.default_unit_type)
    context = {"units": {unit_type: unit}, "attributes": read_attributes(question.text("attributes"))}
    decision, steps = snapshots.explain(visit.environment.id, flag.key, context)
    return pages.explanation(unit, decision, steps)


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
        killed_at = flag.settings[visit.environment.key].killed_at
        page = ConfirmKillPage(flag, visit.environment.name, killed_at)
        crumbs = (("Flags", visit.href("flags")), (flag.name, visit.href("flags", key)))
        frame = frame_of(visit, "Kill", section="flags", crumbs=crumbs)
        return show(visit, "flags/confirm_kill.html", page, frame=frame)

    def change(flag: Flag, form: Form) -> str:
        command = KillFlag(flag.id, visit.environment.id, form.text("reason"))
        actions.kill_flag(visit.actor, command, now=visit.now)
        return f"Killed in {visit.environment.name}: everybody gets the off variant."

    return _changed(visit, key, change)


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
            form.version(), form.text("reason"),
        )  # fmt: skip
        actions.set_rollout_share(visit.actor, command, now=visit.now)
        return f"The share is now {part * 100:g} %."

    return _changed(visit, key, change)


@require_http_methods(["GET", "POST"])
@in_place
def edit(visit: Visit, key: str) -> HttpResponse:
    """The rules of one environment."""
    visit.actor.require(Permission.FLAG_EDIT, visit.project.id)
    flag = flags.flag_by_key(visit.project.id, key)
    if visit.environment.key not in flag.settings:
        raise NotFound(Problem("", f"The flag has no settings in {visit.environment.name}."))
    if visit.request.method == "GET":
        return _edit_page(visit, flag, forms.settings_form(flag.settings[visit.environment.key]))
    form = posted(visit.request)
    if form.text("do", "save") != "save":
        return _edit_page(visit, flag, _rearranged(visit, flag, form))
    return _saved(visit, flag, form)


def _rearranged(visit: Visit, flag: Flag, form: Form) -> Form:
    """The form after a button that only changes its lines."""
    verb, _, place = form.text("do").partition("-")
    if verb == "add":
        return forms.with_rule(form, flag.variants[-1].key, visit.project.default_unit_type)
    if verb == "remove" and place.isdecimal():
        return forms.without_rule(form, int(place))
    if verb == "raise" and place.isdecimal():
        return forms.with_rule_raised(form, int(place))
    return form


def _saved(visit: Visit, flag: Flag, form: Form) -> HttpResponse:
    reader = Reader(form)
    command = UpdateFlagSettings(
        flag_id=flag.id,
        environment_id=visit.environment.id,
        expected_version=form.version(),
        off=form.text("off"),
        default=form.text("default"),
        overrides=forms.read_overrides(form),
        rules=forms.read_rules(reader),
        reason=form.text("reason"),
        prerequisites=flag.settings[visit.environment.key].prerequisites,
    )
    try:
        if reader.problems:
            raise Invalid(*reader.problems)
        actions.update_flag_settings(visit.actor, command, now=visit.now)
    except Refusal as refusal:
        newest = flags.flag(flag.id)
        return _edit_page(visit, newest, form.with_problems(refusal.problems), status=refusal.status)
    return done(visit, visit.href("flags", flag.key), said=f"Saved for {visit.environment.name}.")


def _edit_page(visit: Visit, flag: Flag, form: Form, *, status: int = 200) -> HttpResponse:
    page = EditFlagPage(
        flag=flag, settings=flag.settings[visit.environment.key], form=form,
        rule_numbers=forms.rule_places(form), clause_counts=forms.rule_clauses(form),
        override_count=forms.override_count(form), segments=flags.segments_of(visit.project.id),
        unit_types=visit.project.unit_types,
    )  # fmt: skip
    crumbs = (("Flags", visit.href("flags")), (flag.name, visit.href("flags", flag.key)))
    frame = frame_of(visit, "Edit rules", section="flags", crumbs=crumbs)
    return show(visit, "flags/edit.html", page, frame=frame, status=status)
