"""Links to previews: choose variants, or an arm of an experiment, and hand the link on; or revoke all."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

from django.http import HttpResponse
from django.views.decorators.http import require_http_methods, require_POST

from equipoise_server.access.values import Permission
from equipoise_server.dashboard.forms import Form, asked, filled, posted, small_number
from equipoise_server.dashboard.pages.previews import PreviewPage, arm_choices, chosen_flags
from equipoise_server.dashboard.visits import Visit, done, frame_of, in_place, not_done, show
from equipoise_server.experiments import reads as experiments
from equipoise_server.experiments.values import Experiment
from equipoise_server.flags import actions
from equipoise_server.flags import reads as flags
from equipoise_server.flags.actions import CreatePreviewLink, RevokePreviewLinks
from equipoise_server.flags.values import PreviewLink
from equipoise_server.foundation.refusals import Invalid, Problem, Refusal

PARAMETER = "equipoise_preview"
A_DAY = 24


@require_http_methods(["GET", "POST"])
@in_place
def make(visit: Visit) -> HttpResponse:
    """A new link. It is in this one answer and nowhere else, so there is no redirect."""
    visit.actor.require(Permission.FLAG_EDIT, visit.project.id)
    named = asked(visit.request).text("experiment")
    experiment = experiments.experiment_by_key(visit.project.id, named) if named else None
    if visit.request.method == "GET":
        return _page(visit, filled({"hours": str(A_DAY)}), experiment)
    form = posted(visit.request)
    try:
        address = _address(form)
        life = timedelta(hours=min(small_number(form.text("hours")) or 0, 10_000))
        command = CreatePreviewLink(
            visit.environment.id, _overrides(form, experiment), life, form.text("reason")
        )
        link = actions.create_preview_link(visit.actor, command, now=visit.now)
    except Refusal as refusal:
        return _page(visit, form.with_problems(refusal.problems), experiment, status=refusal.status)
    return _page(visit, form, experiment, link=link, address=address)


def _overrides(form: Form, experiment: Experiment | None) -> dict[str, str]:
    if experiment is not None:
        arms = {arm.key: arm for arm in experiment.design.arms}
        if form.text("arm") not in arms:
            raise Invalid(Problem("arm", "Choose an arm."))
        return dict(arms[form.text("arm")].values)
    chosen = {name.removeprefix("variant:"): form.text(name) for name in form.values if ":" in name}
    return {flag: variant for flag, variant in chosen.items() if variant}


def _address(form: Form) -> str:
    """Where the link shall lead; "" when nothing was typed."""
    typed = form.text("address").strip()
    if typed and (urlsplit(typed).scheme not in {"http", "https"} or not urlsplit(typed).netloc):
        raise Invalid(Problem("address", "Write the whole address, such as https://shop.example/basket."))
    return typed


def _page(
    visit: Visit,
    form: Form,
    experiment: Experiment | None,
    *,
    link: PreviewLink | None = None,
    address: str = "",
    status: int = 200,
) -> HttpResponse:
    shown = asked(visit.request).text("flag")
    held = sorted(flags.flags_of(visit.project.id), key=lambda flag: flag.key != shown)
    page = PreviewPage(
        form=form,
        flags=chosen_flags(held) if experiment is None else (),
        experiment=experiment,
        arms=arm_choices(experiment),
        link=link,
        address="" if link is None or not address else _with_token(address, link.token),
        has_links=bool(flags.preview_key(visit.environment.id)),
        first_count=1 if shown else len(held),
    )
    crumbs = (("Flags", visit.href("flags")),)
    if experiment is not None:
        crumbs = ((experiment.name, visit.href("experiments", experiment.key)),)
    frame = frame_of(
        visit, "Preview link", section="flags" if experiment is None else "experiments", crumbs=crumbs
    )
    return show(visit, "previews.html", page, frame=frame, status=status)


def _with_token(address: str, token: str) -> str:
    parts = urlsplit(address)
    query = f"{parts.query}&{PARAMETER}={token}" if parts.query else f"{PARAMETER}={token}"
    return parts._replace(query=query).geturl()


@require_POST
@in_place
def revoke(visit: Visit) -> HttpResponse:
    """Make every link of the environment void."""
    command = RevokePreviewLinks(visit.environment.id, posted(visit.request).text("reason"))
    try:
        actions.revoke_preview_links(visit.actor, command, now=visit.now)
    except Refusal as refusal:
        return not_done(visit, visit.href("flags"), refusal)
    said = f"No preview link made before opens anything in {visit.environment.name}."
    return done(visit, visit.href("previews"), said=said)
