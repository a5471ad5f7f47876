"""Experiments assigned outside: what a design may say, and that nothing here changes who gets what."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from outside import (
    TABLE,
    Seen,
    an_exposure_source,
    an_outside_design,
    an_outside_draft,
    an_outside_experiment,
    written_exposures,
)
from people import NOW
from scenes import (
    Shop,
    a_running_experiment,
    a_shop,
    environment_of,
    launched,
)

from equipoise_server.automation.actions import stop_after_kill
from equipoise_server.experiments import models, reads
from equipoise_server.experiments.actions import (
    Decide,
    EditDesign,
    Restart,
    Stop,
    Widen,
    decide,
    edit_design,
    record_verdict,
    restart,
    stop,
    widen,
)
from equipoise_server.experiments.values import (
    Arm,
    BreachAction,
    DecisionKind,
    Design,
    ExposureTable,
    GateStep,
    MetricRole,
    PlannedMetric,
    Status,
    Switchback,
    Verdict,
    VerdictState,
)
from equipoise_server.flags.actions import KillEnvironment, kill_environment
from equipoise_server.flags.reads import flag_by_key
from equipoise_server.foundation.refusals import Conflict, Invalid
from equipoise_server.snapshots import reads as snapshots
from equipoise_server.snapshots.models import Snapshot
from equipoise_server.sources.actions import archive_source
from equipoise_server.sources.reads import source_by_key
from equipoise_server.sources.values import SourceUnusable

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def shop(tmp_path: Path, settings: pytest.FixtureRequest) -> Shop:
    settings.SOURCES_DIRECTORY = tmp_path / "sources"
    shop = a_shop()
    written_exposures([Seen(f"u{n}", NOW - HOUR, n % 2) for n in range(10)])
    an_exposure_source(shop)
    return shop


def fields(failure: pytest.ExceptionInfo[Invalid]) -> list[str]:
    return [problem.field for problem in failure.value.problems]


def test_a_draft_is_refused_with_every_column_that_its_source_does_not_declare(shop: Shop) -> None:
    table = ExposureTable(
        "exposures", "arm", {"0": "control"}, "test", "", "phase", ("plan", "country"), overlap_hours=0
    )
    with pytest.raises(Invalid) as refused:
        an_outside_draft(shop, an_outside_design(table, unit_type="account"))
    assert fields(refused) == [
        "exposures.source", "exposures.variant_column", "exposures.experiment_column",
        "exposures.iteration_column", "exposures.attributes.1", "exposures.experiment",
        "exposures.overlap_hours",
    ]  # fmt: skip
    assert "it declares: age, experiment_id, plan, run, variation_id" in refused.value.problems[1].message


def test_a_source_that_is_not_there_or_archived_is_named(shop: Shop) -> None:
    with pytest.raises(Invalid, match="There is no source “elsewhere”"):
        an_outside_draft(shop, an_outside_design(replace(TABLE, source="elsewhere")))
    source = an_outside_draft(shop)
    found = reads.look_at(source, now=NOW)
    archive_source(shop.owner, source_by_key(shop.project.id, "exposures").id, now=NOW)
    with pytest.raises(Invalid, match="The source “exposures” is archived"):
        reads.look_at(source, now=NOW)
    assert found.source == "exposures@1"


def test_a_number_is_looked_for_among_numbers(shop: Shop) -> None:
    table = replace(TABLE, experiment_column="run", experiment="first")
    with pytest.raises(Invalid, match="“first” is none; write the experiment's number"):
        an_outside_draft(shop, an_outside_design(table))


def test_a_save_asks_whether_the_columns_are_there(shop: Shop) -> None:
    written_exposures([]).unlink()
    with pytest.raises(SourceUnusable, match="The source “exposures@1”"):
        an_outside_draft(shop)


def test_a_save_that_leaves_the_table_alone_asks_nothing(shop: Shop) -> None:
    draft = an_outside_draft(shop)
    written_exposures([]).unlink()
    command = EditDesign(draft.id, draft.version, "Renamed", draft.design)
    assert edit_design(shop.owner, command, now=NOW).name == "Renamed"


def test_what_only_the_one_who_assigns_can_do_is_refused_all_at_once(shop: Shop) -> None:
    design = Design(
        hypothesis="A green button is easier to see, so more people buy.",
        eligibility={"attribute": "plan", "operator": "equals", "values": ["paid"]},
        arms=(
            Arm("control", "Grey", 1, {"checkout-button": "grey"}),
            Arm("treatment", "Green", 1, {"checkout-button": "green"}),
        ),
        metrics=(
            PlannedMetric("purchase", MetricRole.OEC),
            PlannedMetric("latency", MetricRole.GUARDRAIL, on_breach=BreachAction.STOP),
        ),
        mde_relative=0.05, layer="search", slot_share=0.5, audience_parts_per_million=500_000,
        ramp=(GateStep(24, 1_000_000),), surface="button", cluster_type="user", switchback=Switchback(),
        only_differing=True, covariates=("age",), strata="plan",
        exposures=replace(TABLE, variants={"0": "control", "1": "other"}, since=NOW + DAY),
    )  # fmt: skip
    draft = an_outside_draft(shop, design)
    (check,) = [
        one for one in reads.launch_checks(draft, environment_of(shop), NOW) if one.key == "exposures"
    ]
    assert not check.passed
    with pytest.raises(Invalid) as refused:
        launched(shop, draft)
    assert set(fields(refused)) >= {
        "eligibility", "audience_parts_per_million", "ramp", "layer", "slot_share", "surface",
        "cluster_type", "switchback", "only_differing", "arms.0.values", "arms.1.values",
        "metrics.1.on_breach", "exposures.variants.1", "exposures.since", "exposures.attributes",
    }  # fmt: skip
    assert reads.experiment(draft.id).status is Status.DRAFT


def test_a_run_that_began_too_long_ago_is_an_import(shop: Shop) -> None:
    table = replace(TABLE, since=NOW - 100 * DAY)
    with pytest.raises(Invalid, match="up to 90 days ago; import an older one"):
        launched(shop, an_outside_draft(shop, an_outside_design(table)))


def test_a_launch_names_the_variants_that_stand_for_no_arm(shop: Shop) -> None:
    written_exposures([Seen(f"u{n}", NOW - HOUR, n % 4) for n in range(12)])
    draft = an_outside_draft(shop)
    with pytest.raises(Invalid) as refused:
        launched(shop, draft)
    assert fields(refused) == ["exposures.variants"]
    assert "also says “2”, “3”; say which variant each stands for" in refused.value.problems[0].message


def test_a_launch_freezes_the_version_of_the_source(shop: Shop) -> None:
    running = an_outside_experiment(shop)
    assert running.iteration is not None
    assert running.iteration.design.exposures == replace(TABLE, source="exposures@1")


def test_it_holds_no_slots_and_is_in_no_snapshot(shop: Shop) -> None:
    revisions = _revisions(shop)
    running = an_outside_experiment(shop)
    assert running.iteration is not None
    assert running.iteration.is_outside
    assert (running.iteration.layer_key, running.iteration.slots) == ("", ())
    assert not models.SlotRange.objects.exists()
    assert "checkout-button" not in reads.payload(environment_of(shop).id).experiments
    stop(shop.owner, Stop(running.id, "enough"), now=NOW + DAY)
    assert _revisions(shop) == revisions


def _revisions(shop: Shop) -> int:
    return Snapshot.objects.filter(environment_id=environment_of(shop).id).count()


def test_no_kill_ends_it_and_nothing_widens_it(shop: Shop) -> None:
    running = an_outside_experiment(shop)
    inside = a_running_experiment(shop, "ours")
    kill_environment(shop.owner, KillEnvironment(environment_of(shop).id), now=NOW + HOUR)
    stop_after_kill(flag_by_key(shop.project.id, "ours").id, environment_of(shop).id, now=NOW + HOUR)
    assert reads.experiment(inside.id).status is Status.STOPPED
    held = reads.experiment(running.id)
    assert held.status is Status.RUNNING
    assert reads.kills_over(held) == ()
    with pytest.raises(
        Conflict, match="“checkout-button” is assigned outside; let more units take part there"
    ):
        widen(shop.owner, Widen(held.id, held.version, 1_000_000), now=NOW + DAY)


def test_it_starts_though_the_environment_is_killed(shop: Shop) -> None:
    kill_environment(shop.owner, KillEnvironment(environment_of(shop).id), now=NOW)
    assert an_outside_experiment(shop).status is Status.RUNNING


def test_a_restart_counts_from_now_on(shop: Shop) -> None:
    running = an_outside_experiment(shop, an_outside_design(replace(TABLE, since=NOW - DAY)))
    command = Restart(running.id, running.version, "mended")
    again = restart(shop.owner, command, now=NOW + DAY)
    assert [one.started_at for one in again.iterations] == [NOW - DAY, NOW + DAY]
    assert again.iterations[0].stopped_at == NOW + DAY


def test_shipping_is_written_down_and_rolls_nothing_out(shop: Shop) -> None:
    running = an_outside_experiment(shop)
    assert running.iteration is not None
    stop(shop.owner, Stop(running.id, "enough"), now=NOW + DAY)
    verdict = Verdict(VerdictState.WINNING, "Green wins.", NOW + DAY)
    record_verdict(running.iteration.id, verdict, now=NOW + DAY)
    revisions = _revisions(shop)
    command = Decide(running.id, DecisionKind.SHIP, "treatment", "It wins, so the other system serves it.")
    decided = decide(shop.owner, command, now=NOW + 2 * DAY)
    assert decided.status is Status.DECIDED
    assert _revisions(shop) == revisions


def test_a_draft_shows_no_shares_of_a_split_that_is_drawn_elsewhere(shop: Shop) -> None:
    draft = an_outside_draft(shop)
    shares = snapshots.draft_shares(draft, environment_of(shop), now=NOW)
    assert shares.missing == ("Units are assigned outside, so who gets what is decided there.",)
    assert snapshots.explain_draft(draft, environment_of(shop), {"units": {"user": "u1"}}, now=NOW) == ()


def test_a_look_tells_what_is_odd_about_the_rows(shop: Shop) -> None:
    rows = [Seen(f"u{n}", NOW - DAY, n % 2) for n in range(20)]
    rows += [Seen("u0", NOW - HOUR, 0), Seen("u1", NOW - HOUR, 0), Seen("u2", NOW - HOUR, 5)]
    rows += [Seen("old", NOW - 60 * DAY, 0), Seen("tomorrow", NOW + 9 * HOUR, 1), Seen("", NOW - HOUR, 1)]
    written_exposures([*rows, Seen("other", NOW - HOUR, 1, experiment="another")])
    look = reads.look_at(an_outside_draft(shop), now=NOW)
    assert [(one.value, one.rows, one.units) for one in look.census.by_value] == [
        ("0", 12, 11), ("1", 11, 11), ("5", 1, 1),
    ]  # fmt: skip
    assert look.unknown == ("5",)
    assert (look.census.crossed, look.census.earlier, look.census.later, look.census.nameless) == (2, 1, 1, 1)
    told = " ".join(look.notes)
    for part in ("“5” in “variation_id”", "1 rows (4%) lie before", "in the future", "several variants"):
        assert part in told
    assert look.census.sample.columns[:2] == ("user_id", "seen_at")
    assert all(row[0].endswith("…") for row in look.census.sample.rows)
    assert "their-button" in look.census.sql


def test_a_look_needs_a_table(shop: Shop) -> None:
    with pytest.raises(Invalid, match="takes the exposures that SDKs send"):
        reads.look_at(a_running_experiment(shop, "ours"), now=NOW)
