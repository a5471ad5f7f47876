"""The dashboard's addresses: everything of a project lies under /p/<project>/<environment>."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from equipoise_server.dashboard import themes
from equipoise_server.dashboard.views import (
    certified_metrics,
    data_quality,
    experiments,
    exposure_tokens,
    exposures,
    flag_editing,
    flags,
    groups,
    holdouts,
    home,
    imports,
    jobs,
    late_metrics,
    layers,
    metrics,
    planning_aids,
    previews,
    privacy,
    ramps,
    segments,
    sessions,
    settings,
    sources,
    traffic,
    wizard,
)

_experiments: list[URLPattern | URLResolver] = [
    path("", experiments.listing),
    path("/new", wizard.new),
    path("/<key>", experiments.one),
    path("/<key>/edit/<step>", wizard.edit),
    path("/<key>/power", wizard.power),
    path("/<key>/audience", planning_aids.audience),
    path("/<key>/launch", wizard.launch),
    path("/<key>/stop", experiments.stop),
    path("/<key>/restart", experiments.restart),
    path("/<key>/widen", experiments.widen),
    path("/<key>/archive", experiments.archive),
    path("/<key>/refresh", jobs.refresh),
    path("/<key>/pause", experiments.pause_ramp),
    path("/<key>/resume", experiments.resume_ramp),
    path("/<key>/decide", experiments.decide),
    path("/<key>/metrics", late_metrics.add),
    path("/<key>/exposures", exposures.one),
    path("/<key>/<tab>", experiments.one),
]
_flags: list[URLPattern | URLResolver] = [
    path("", flags.listing),
    path("/new", flags.new),
    path("/<key>", flags.one),
    path("/<key>/edit", flag_editing.edit),
    path("/<key>/words", flag_editing.words),
    path("/<key>/ramp", ramps.plan),
    path("/<key>/ramps", ramps.change),
    path("/<key>/kill", flags.kill),
    path("/<key>/unkill", flags.unkill),
    path("/<key>/share", flags.share),
    path("/<key>/archive", flags.archive),
]
_groups: list[URLPattern | URLResolver] = [
    path("", groups.listing),
    path("/new", groups.new),
    path("/<key>/edit", groups.edit),
    path("/<key>/kill", groups.kill),
    path("/<key>/unkill", groups.unkill),
    path("/<key>/delete", groups.delete),
]
_segments: list[URLPattern | URLResolver] = [
    path("", segments.listing),
    path("/new", segments.new),
    path("/<key>", segments.one),
    path("/<key>/members", segments.members),
    path("/<key>/delete", segments.delete),
]
_metrics: list[URLPattern | URLResolver] = [
    path("", metrics.listing),
    path("/new", metrics.new),
    path("/<key>", metrics.one),
    path("/<key>/edit", metrics.edit),
    path("/<key>/preview", certified_metrics.preview),
    path("/<key>/certify", certified_metrics.certify),
    path("/<key>/withdraw", certified_metrics.withdraw),
    path("/rules/certified", certified_metrics.rules),
]
_sources: list[URLPattern | URLResolver] = [
    path("", sources.listing),
    path("/new", sources.new),
    path("/connections", sources.connect),
    path("/<key>", sources.one),
    path("/<key>/edit", sources.edit),
    path("/<key>/archive", sources.archive),
]
_settings: list[URLPattern | URLResolver] = [
    path("", settings.page),
    path("/keys", settings.issue_key),
    path("/revoke", settings.revoke_key),
    path("/members", settings.grant),
    path("/tokens", settings.issue_token),
    path("/tokens/revoke", settings.revoke_token),
    path("/environments", settings.add_environment),
    path("/exposure-tokens", exposure_tokens.set_rule),
    path("/exposure-tokens/rotate", exposure_tokens.rotate),
    path("/kill", settings.kill),
    path("/unkill", settings.unkill),
    path("/jobs", jobs.page),
    path("/jobs/<job>/cancel", jobs.cancel),
    path("/jobs/<job>/retry", jobs.retry),
    path("/privacy", privacy.page),
    path("/privacy/erase", privacy.erase),
    path("/privacy/retention", privacy.retain),
    path("/traffic", traffic.rules),
    path("/traffic/remove", traffic.remove),
]
_holdouts: list[URLPattern | URLResolver] = [
    path("", holdouts.listing),
    path("/new", holdouts.new),
    path("/<key>", holdouts.one),
    path("/<key>/seasons", holdouts.season),
    path("/<key>/close", holdouts.close),
    path("/<key>/release", holdouts.release),
]
_data_quality: list[URLPattern | URLResolver] = [
    path("", data_quality.page),
    path("/faults/<fault>", data_quality.fault),
    path("/events/<event>", data_quality.event),
    path("/replays", data_quality.replay),
]
_place: list[URLPattern | URLResolver] = [
    path("", home.home),
    path("/experiments", include(_experiments)),
    path("/flags", include(_flags)),
    path("/groups", include(_groups)),
    path("/segments", include(_segments)),
    path("/previews", previews.make),
    path("/previews/revoke", previews.revoke),
    path("/metrics", include(_metrics)),
    path("/sources", include(_sources)),
    path("/import", imports.past),
    path("/layers", layers.layers),
    path("/holdouts", include(_holdouts)),
    path("/data-quality", include(_data_quality)),
    path("/activity", home.activity),
    path("/settings", include(_settings)),
]
urlpatterns: list[URLPattern | URLResolver] = [
    path("", sessions.start),
    path("sign-in", sessions.sign_in),
    path("sign-out", sessions.sign_out),
    path("projects", sessions.new_project),
    path("theme", themes.choose),
    path("p/<project>/<environment>", include(_place)),
    path("<path:rest>", sessions.unknown),
]
