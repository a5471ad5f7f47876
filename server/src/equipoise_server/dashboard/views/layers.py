"""Layers: who holds which slots, and new ones."""

from __future__ import annotations

from django.http import HttpResponse
from django.views.decorators.http import require_http_methods

from equipoise_server.access.values import Permission
from equipoise_server.dashboard.forms import Form, Reader, posted
from equipoise_server.dashboard.pages.layers import layers_page
from equipoise_server.dashboard.visits import Visit, done, frame_of, in_place, show
from equipoise_server.experiments import actions
from equipoise_server.experiments import reads as experiments
from equipoise_server.experiments.actions import CreateLayer
from equipoise_server.foundation.ids import key_from_name
from equipoise_server.foundation.refusals import Invalid, Refusal


@require_http_methods(["GET", "POST"])
@in_place
def layers(visit: Visit) -> HttpResponse:
    """Who holds which slots of which layer; a post makes a new layer."""
    if visit.request.method == "GET":
        return _page(visit, Form())
    form = posted(visit.request)
    try:
        made = actions.create_layer(visit.actor, _command(visit, form), now=visit.now)
    except Refusal as refusal:
        return _page(visit, form.with_problems(refusal.problems), status=refusal.status)
    return done(visit, visit.href("layers"), said=f"The layer {made.name} is made; nobody holds it yet.")


def _command(visit: Visit, form: Form) -> CreateLayer:
    reader = Reader(form)
    share = reader.percent("share", "The share of the outer layer")
    if reader.problems:
        raise Invalid(*reader.problems)
    where, _, rest = form.text("place").partition(":")
    inside, _, beside = rest.partition(":")
    return CreateLayer(
        environment_id=visit.environment.id,
        key=form.text("key").strip() or key_from_name(form.text("name")),
        name=form.text("name").strip(),
        unit_type=form.text("unit_type", visit.project.default_unit_type),
        is_launch="is_launch" in form.values,
        inside=inside,
        share=share or 0.0,
        beside=beside if where == "beside" else "",
    )


def _page(visit: Visit, form: Form, *, status: int = 200) -> HttpResponse:
    page = layers_page(
        experiments.layers_of(visit.environment.id),
        experiments.holdings_of(visit.environment.id),
        form=form,
        unit_types=visit.project.unit_types,
        may_create=visit.may(Permission.EXPERIMENT_LAUNCH),
        now=visit.now,
    )
    return show(visit, "layers.html", page, frame=frame_of(visit, "Layers", section="layers"), status=status)
