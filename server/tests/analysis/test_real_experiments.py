"""Two published experiments, imported and judged: every number equals scipy's and statsmodels'."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from agreeing import assert_the_same
from people import NOW
from scenes import Shop, a_shop, environment_of
from scipy import stats as scipy_stats
from statsmodels.stats.proportion import confint_proportions_2indep

import equipoise_stats as stats
from equipoise_server.analysis import reads
from equipoise_server.analysis.actions import ImportPast, import_past_experiment, mapping_from_text
from equipoise_server.analysis.values import ComparisonRow, Conclusion, Method, Report, SrmState
from equipoise_server.audit.models import AuditRecord
from equipoise_server.events.reads import data_quality
from equipoise_server.experiments.values import Status, VerdictState

pytestmark = pytest.mark.django_db
DATA = Path(__file__).parents[3] / "examples" / "data"


def imported(shop: Shop, name: str, *, covariates: tuple[str, ...] | None = ()) -> Report:
    mapping = mapping_from_text((DATA / f"{name}.toml").read_text())
    if covariates is not None:
        mapping = replace(mapping, covariates=covariates)
    path = DATA / f"{name}.csv.gz"
    command = ImportPast(shop.project.id, environment_of(shop).id, mapping, path)
    experiment = import_past_experiment(shop.owner, command, now=NOW)
    assert experiment.status is Status.STOPPED
    assert experiment.iteration is not None
    report = reads.report_of(experiment.iteration.id)
    assert report is not None
    return report


def row_of(report: Report, metric: str, arm: str) -> ComparisonRow:
    assert report.results is not None
    return next(row for row in report.results.rows if (row.metric, row.arm) == (metric, arm))


def test_hillstrom_equals_scipy_and_statsmodels() -> None:
    report = imported(a_shop(), "hillstrom")
    frame = pd.read_csv(DATA / "hillstrom.csv.gz")
    arms = {"no-e-mail": "No E-Mail", "mens-e-mail": "Mens E-Mail", "womens-e-mail": "Womens E-Mail"}
    assert [(arm.arm, arm.exposed) for arm in report.arms] == [
        ("no-e-mail", 21_306), ("mens-e-mail", 21_307), ("womens-e-mail", 21_387)
    ]  # fmt: skip
    chi = scipy_stats.chisquare([21_306, 21_307, 21_387])
    assert report.srm.state is SrmState.PASS
    assert report.srm.p_value == pytest.approx(chi.pvalue, rel=1e-9)
    assert report.results is not None
    assert report.results.method is Method.FIXED
    control = frame[frame.segment == "No E-Mail"]
    for arm in ("mens-e-mail", "womens-e-mail"):
        treated = frame[frame.segment == arms[arm]]
        visit = row_of(report, "hillstrom-visit", arm)
        assert visit.control_value == pytest.approx(control.visit.mean(), rel=1e-9)
        assert visit.treatment_value == pytest.approx(treated.visit.mean(), rel=1e-9)
        assert visit.lift == pytest.approx(treated.visit.mean() / control.visit.mean() - 1, rel=1e-9)
        assert visit.conclusion is Conclusion.BETTER
        spend = row_of(report, "hillstrom-spend", arm)
        welch = scipy_stats.ttest_ind(treated.spend, control.spend, equal_var=False)
        interval = welch.confidence_interval(spend.confidence)
        assert spend.effect == pytest.approx(treated.spend.mean() - control.spend.mean(), rel=1e-9)
        assert spend.p_value == pytest.approx(welch.pvalue, rel=1e-9)
        assert spend.effect_interval is not None
        assert spend.effect_interval.low == pytest.approx(interval.low, rel=1e-9)
        assert spend.effect_interval.high == pytest.approx(interval.high, rel=1e-9)
        assert (spend.control_units, spend.treatment_units) == (len(control), len(treated))
    assert report.verdict is VerdictState.WINNING
    assert "Men's e-mail raises visits within two weeks by 72.1 %" in report.sentence


def test_cookie_cats_warns_of_its_split_and_shows_the_outlier() -> None:
    report = imported(a_shop(), "cookie_cats")
    frame = pd.read_csv(DATA / "cookie_cats.csv.gz")
    assert report.srm.state is SrmState.WARN
    assert report.srm.p_value == pytest.approx(scipy_stats.chisquare([44_700, 45_489]).pvalue, rel=1e-9)
    assert report.srm.p_value == pytest.approx(0.0086, abs=5e-5)
    day_7 = row_of(report, "cookie-cats-retention-7", "gate_40")
    kept = frame.groupby("version").retention_7.agg(["sum", "count"])
    wald = confint_proportions_2indep(
        kept.loc["gate_40", "sum"], kept.loc["gate_40", "count"], kept.loc["gate_30", "sum"],
        kept.loc["gate_30", "count"], method="wald", compare="diff",
    )  # fmt: skip
    assert day_7.effect == pytest.approx(-0.0082, abs=5e-5)
    assert day_7.effect_interval is not None
    assert day_7.effect_interval.low == pytest.approx(wald[0], rel=1e-4)
    assert day_7.effect_interval.high == pytest.approx(wald[1], rel=1e-4)
    assert day_7.conclusion is Conclusion.WORSE
    assert report.verdict is VerdictState.LOSING
    note = next(note for note in report.notes if note.key == "largest_unit")
    assert "49,854" in note.message
    means = frame[frame.version == "gate_30"].sum_gamerounds
    assert np.isclose((means.sum() - means.max()) / (len(means) - 1), 51.34, atol=0.01)
    assert "51.34" in note.message


def test_a_repeated_import_adds_nothing() -> None:
    shop = a_shop()
    first = imported(shop, "hillstrom")
    held, records = data_quality(environment_of(shop).id), AuditRecord.objects.count()
    again = imported(shop, "hillstrom")
    quality = data_quality(environment_of(shop).id)
    assert replace(again, computed_at=first.computed_at) == first
    assert (quality.stored, quality.conflicting) == (held.stored, 0)
    assert quality.duplicates == held.stored
    assert AuditRecord.objects.count() == records


def test_hillstroms_history_takes_noise_away_as_least_squares_says() -> None:
    report = imported(a_shop(), "hillstrom", covariates=None)
    frame = pd.read_csv(DATA / "hillstrom.csv.gz")
    pair = frame[frame.segment.isin(["No E-Mail", "Mens E-Mail"])]
    treated = (pair.segment == "Mens E-Mail").to_numpy(dtype=float)
    given = pair[["recency", "history"]] - pair[["recency", "history"]].mean()
    columns = np.column_stack([treated, given, given.mul(treated, axis=0)])
    fitted = sm.OLS(pair.spend, sm.add_constant(columns)).fit(cov_type="HC2")
    row = row_of(report, "hillstrom-spend", "mens-e-mail")
    assert row.adjusted_for == ("recency", "history")
    assert row.variance_reduction is not None
    assert 0 < row.variance_reduction < 0.02
    assert row.effect == pytest.approx(fitted.params.iloc[1], rel=1e-6)
    assert row.effect_interval is not None
    assert row.effect_interval.high is not None
    reach = scipy_stats.norm.isf((1 - row.confidence) / 2)
    assert (row.effect_interval.high - row.effect) / reach == pytest.approx(fitted.bse.iloc[1], rel=1e-3)


def test_a_notebook_makes_hillstroms_report_from_what_the_server_keeps() -> None:
    report = imported(a_shop(), "hillstrom", covariates=None)
    found = stats.analyse(*stats.from_document(reads.evidence_of(report.iteration_id)))
    assert isinstance(found, stats.Results)
    assert report.results is not None
    assert_the_same(report.results.rows, found)
