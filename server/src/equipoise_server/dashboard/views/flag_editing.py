"""Editing a flag: what one environment serves, tried before it is saved, and its words and variants."""

from __future__ import annotations

from dataclasses import replace

from django.http import HttpResponse
from django.views.decorators.http import require_http_methods

from equipoise_server.access.values import Permission
from equipoise_server.dashboard.forms import Form, Reader, choice, posted
from equipoise_server.dashboard.pages import flag_forms as forms
from equipoise_server.dashboard.pages import flags as pages
from equipoise_server.dashboard.pages import need_forms, ring_forms
from equipoise_server.dashboard.pages.attributes import read_attributes
from equipoise_server.dashboard.pages.flag_editing import (
    EditFlagPage,
    FlagWordsPage,
    WhoGetsWhat,
    who_gets_what,
)
from equipoise_server.dashboard.views.flags import context_of, settings_here
from equipoise_server.dashboard.visits import Visit, done, frame_of, in_place, show
from equipoise_server.flags import actions
from equipoise_server.flags import reads as flags
from equipoise_server.flags.actions import UpdateFlag, UpdateFlagSettings
from equipoise_server.flags.values import Flag, FlagKind
from equipoise_server.foundation.refusals import Invalid, Refusal
from equipoise_server.snapshots import reads as snapshots


@require_http_methods(["GET", "POST"])
@in_place
def edit(visit: Visit, key: str) -> HttpResponse:
    """What one environment serves."""
    visit.actor.require(Permission.FLAG_EDIT, visit.project.id)
    flag = flags.flag_by_key(visit.project.id, key)
    settings = settings_here(visit, flag)
    if visit.request.method == "GET":
        return _edit_page(visit, flag, forms.settings_form(settings))
    form = posted(visit.request)
    if form.text("do", "save") == "try":
        return _tried(visit, flag, form)
    if form.text("do", "save") != "save":
        return _edit_page(visit, flag, _rearranged(visit, flag, form))
    return _saved(visit, flag, form)


def _rearranged(visit: Visit, flag: Flag, form: Form) -> Form:
    """The form after a button that only changes its lines."""
    verb, _, named = form.text("do").partition("-")
    place, _, ring = named.partition("-")
    if verb == "add":
        return forms.with_rule(form, flag.variants[-1].key, visit.project.default_unit_type)
    if not place.isdecimal():
        return form
    match verb:
        case "remove":
            return forms.without_rule(form, int(place))
        case "raise":
            return forms.with_rule_raised(form, int(place))
        case "rings":
            return ring_forms.with_usual_rings(form, f"rule.{int(place)}.")
        case "ring":
            return ring_forms.with_ring(form, f"rule.{int(place)}.")
        case "unring" if ring.isdecimal():
            return ring_forms.without_ring(form, f"rule.{int(place)}.", int(ring))
        case _:
            return form


def _command(visit: Visit, flag: Flag, reader: Reader) -> UpdateFlagSettings:
    """What the form asks for; of a flag that is held still, only its overrides are in the form."""
    form, settings = reader.form, flag.settings[visit.environment.key]
    command = UpdateFlagSettings(
        flag_id=flag.id,
        environment_id=visit.environment.id,
        expected_version=form.version(),
        off=settings.off,
        default=settings.default,
        overrides=forms.read_overrides(form),
        rules=settings.rules,
        reason=form.text("reason"),
        confirms_growth=bool(form.text("confirms_growth")),
        prerequisites=settings.prerequisites,
    )
    if not settings.pins:
        command = replace(
            command, off=form.text("off"), default=form.text("default"), rules=forms.read_rules(reader),
            prerequisites=need_forms.read_needs(form),
        )  # fmt: skip
    if reader.problems:
        raise Invalid(*reader.problems)
    return command


def _saved(visit: Visit, flag: Flag, form: Form) -> HttpResponse:
    try:
        actions.update_flag_settings(visit.actor, _command(visit, flag, Reader(form)), now=visit.now)
    except Refusal as refusal:
        newest = flags.flag(flag.id)
        return _edit_page(visit, newest, form.with_problems(refusal.problems), status=refusal.status)
    return done(visit, visit.href("flags", flag.key), said=f"Saved for {visit.environment.name}.")


def _tried(visit: Visit, flag: Flag, form: Form) -> HttpResponse:
    """The form again, with what it would serve to many units and to the one that was asked for."""
    try:
        command = _command(visit, flag, Reader(form))
        node = actions.proposed_node(command)
    except Refusal as refusal:
        return _edit_page(visit, flag, form.with_problems(refusal.problems), status=refusal.status)
    proposed = snapshots.Proposed(visit.environment.id, flag.key, node)
    unit_type = visit.project.default_unit_type
    attributes = read_attributes(form.text("attributes"))
    shares = snapshots.flag_shares(proposed, attributes, unit_type=unit_type, now=visit.now)
    explanation, unit = None, form.text("unit").strip()
    if unit:
        context = context_of(form, {unit_type: unit}, visit.now)
        explanation = pages.explanation(
            unit, *snapshots.explain_proposed(proposed, context), rules=command.rules
        )
    return _edit_page(visit, flag, form, tried=who_gets_what(shares, flag, explanation, rules=command.rules))


def _edit_page(
    visit: Visit, flag: Flag, form: Form, *, status: int = 200, tried: WhoGetsWhat | None = None
) -> HttpResponse:
    settings = flag.settings[visit.environment.key]
    places = forms.rule_places(form)
    page = EditFlagPage(
        flag=flag, settings=settings, form=form, rule_numbers=places,
        clause_counts=forms.rule_clauses(form),
        rings={place: ring_forms.ring_clauses(form, f"rule.{place}.") for place in places},
        override_count=forms.override_count(form), need_count=need_forms.need_count(form),
        flags=flags.flags_of(visit.project.id), segments=flags.segments_of(visit.project.id),
        unit_types=visit.project.unit_types,
        rules=pages.rule_lines(settings, pages.value_texts(flag)),
        held_by=" and ".join(f"“{pin.experiment_key}”" for pin in settings.pins), tried=tried,
    )  # fmt: skip
    crumbs = (("Flags", visit.href("flags")), (flag.name, visit.href("flags", flag.key)))
    frame = frame_of(visit, "Edit rules", section="flags", crumbs=crumbs)
    return show(visit, "flags/edit.html", page, frame=frame, status=status)


@require_http_methods(["GET", "POST"])
@in_place
def words(visit: Visit, key: str) -> HttpResponse:
    """A flag's name, description, owner, kind and variants, for every environment."""
    visit.actor.require(Permission.FLAG_EDIT, visit.project.id)
    flag = flags.flag_by_key(visit.project.id, key)
    if visit.request.method == "GET":
        return _words_page(visit, flag, forms.words_form(flag))
    form = posted(visit.request)
    if form.text("do") == "add":
        place = forms.variant_count(form)
        blank = {f"variant.{place}.key": ("",), f"variant.{place}.value": ("",)}
        return _words_page(visit, flag, Form({**form.values, **blank}))
    reader = Reader(form)
    command = UpdateFlag(
        flag.id, form.version(), form.text("name"), forms.read_variants(reader, flag.type),
        choice(FlagKind, form.text("kind"), flag.kind), form.text("description"), form.text("owner"),
        form.text("reason"), bool(form.text("confirms_growth")),
    )  # fmt: skip
    try:
        if reader.problems:
            raise Invalid(*reader.problems)
        actions.update_flag(visit.actor, command, now=visit.now)
    except Refusal as refusal:
        newest = flags.flag(flag.id)
        return _words_page(visit, newest, form.with_problems(refusal.problems), status=refusal.status)
    return done(visit, visit.href("flags", flag.key), said="Saved for every environment.")


def _words_page(visit: Visit, flag: Flag, form: Form, *, status: int = 200) -> HttpResponse:
    is_held = any(settings.pins for settings in flag.settings.values())
    page = FlagWordsPage(flag, form, forms.variant_count(form), is_held)
    crumbs = (("Flags", visit.href("flags")), (flag.name, visit.href("flags", flag.key)))
    frame = frame_of(visit, "Edit flag", section="flags", crumbs=crumbs)
    return show(visit, "flags/words.html", page, frame=frame, status=status)
