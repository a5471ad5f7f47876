"""What is planted into the data is recovered, or flagged by the note of its name with the arm it sits in."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest
from people import NOW
from planted_shop import DAY, EFFECTS, HOUR, METRICS, Done, Shopper, World, did_more, sent
from scenes import Shop, a_design, a_metric, a_running_experiment, a_shop

from equipoise_server.analysis.actions import refresh
from equipoise_server.analysis.traffic_filters import SetTrafficFilter, set_traffic_filter
from equipoise_server.analysis.traffic_values import SUSPICIOUS, Operator, TrafficRule, TrafficTest
from equipoise_server.analysis.values import Conclusion, Report, SrmState
from equipoise_server.experiments.values import Iteration, MetricRole, PlannedMetric, VerdictState

pytestmark = pytest.mark.django_db
SEEDS = (11, 12, 13)
CHECKED = {
    "join_loss", "bot_share", "bots", "crossed_units", "largest_unit", "odd_day", "null_share", "pre_period",
    "duplicate_exposures", "variance_ratio", "unknown_variant", "surprise", "stationarity", "constant_metric",
    "split_before_filter", "null_p_values", "more_units_than_exposed",
}  # fmt: skip
EVERYTHING = ("bought", "spend", "basket", "returned", "searched")


def experiment_in(shop: Shop, oec: str, *others: str) -> Iteration:
    """A running experiment that needs no end: its intervals hold at every look."""
    for key in (oec, *others):
        a_metric(shop, key, METRICS[key])
    planned = (
        PlannedMetric(oec, MetricRole.OEC),
        *(PlannedMetric(key, MetricRole.SECONDARY) for key in others),
    )
    design = a_design(metrics=planned, looks=None, baseline_deviation=20.0, daily_units=300)
    running = a_running_experiment(shop, design=design)
    assert running.iteration is not None
    return running.iteration


def reported(world: World, seed: int, iteration: Iteration) -> Report:
    """Two days after the last unit came."""
    now = NOW + (world.days + 2) * DAY
    sent(world, iteration, seed, now=now)
    return refresh(iteration.id, now)


def noted(report: Report, key: str) -> list[str]:
    return [f"{note.title} {note.message}" for note in report.notes if note.key == key]


def assert_recovered(report: Report, effects: dict[str, float]) -> None:
    """Every interval holds what was planted; what differs by nothing is not called."""
    assert report.results is not None
    rows = {row.metric: row for row in report.results.rows}
    for metric, planted in effects.items():
        row = rows[metric]
        assert row.effect_interval is not None, metric
        assert row.effect_interval.low is not None
        assert row.effect_interval.high is not None
        assert row.effect_interval.low < planted < row.effect_interval.high, metric
        if planted == 0:
            assert row.conclusion in {Conclusion.UNCLEAR, Conclusion.NOT_READ}, metric


@pytest.mark.parametrize("seed", SEEDS)
def test_planted_effects_are_recovered_and_nothing_is_flagged(seed: int) -> None:
    world = World(units=4_000, days=10, effects=EFFECTS)
    report = reported(world, seed, experiment_in(a_shop(), *EVERYTHING))
    assert_recovered(report, EFFECTS)
    assert report.results is not None
    found = {row.metric: row.conclusion for row in report.results.rows}
    assert found == dict.fromkeys(EVERYTHING, Conclusion.BETTER) | {"searched": Conclusion.UNCLEAR}
    assert {note.key for note in report.notes} & CHECKED == set()
    assert report.srm.state is SrmState.PASS
    assert sum(arm.exposed for arm in report.arms) == 4_000


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong, what the report must say of it, and what it still must recover."""

    name: str
    world: World
    flags: tuple[Callable[[Report], bool], ...]
    oec: str = "spend"
    recovers: tuple[str, ...] = ()


def says(key: str, *words: str) -> Callable[[Report], bool]:
    """A note of this name whose text has all these words."""
    return lambda report: any(all(word in told for word in words) for told in noted(report, key))


def fading(shopper: Shopper, dice: random.Random) -> Shopper:
    """Reads every day; the treatment's extra is gone on the third."""
    treated = shopper.arm == "treatment"
    at = NOW + (shopper.met[0][1] - NOW) / 3
    days = [(day, dice.gauss(5, 1) + (max(0.0, 2 - 0.8 * day) if treated else 0)) for day in range(7)]
    read = tuple(Done("read", at + day * DAY + HOUR, value) for day, value in days)
    return replace(shopper, met=((shopper.arm, at),), did=read)


def crossing(shopper: Shopper, dice: random.Random, share: float = 0.005) -> Shopper:
    """Some meet the other arm an hour later."""
    if dice.random() >= share:
        return shopper
    other = "control" if shopper.arm == "treatment" else "treatment"
    return replace(shopper, met=(*shopper.met, (other, shopper.met[0][1] + HOUR)))


def crossing_often(shopper: Shopper, dice: random.Random) -> Shopper:
    return crossing(shopper, dice, share=0.03)


def bots(iteration: Iteration, dice: random.Random) -> Iterator[Shopper]:
    """Some never sleep and one cannot stop; all meet the treatment and order as nobody else does."""
    at = iteration.started_at + DAY
    for number in range(22):
        awake = [Done("page", at + (hour + 0.5) * HOUR) for hour in range(48)]
        ordered = Done("order", at + HOUR, dice.gauss(4_000, 10))
        yield Shopper(f"bot-{number}", (("treatment", at),), "Chrome", (*awake, ordered))
    often = tuple(Done("page", at + second * HOUR / 3600) for second in range(1_100))
    yield Shopper("bot-busy", (("treatment", at),), "Headless Chrome", often)


def a_whale(iteration: Iteration, dice: random.Random) -> Iterator[Shopper]:
    """One unit with a third of its arm's revenue."""
    at = iteration.started_at + DAY
    order = Done("order", at + HOUR, 14_000 + dice.random())
    yield Shopper("whale", (("treatment", at),), "Chrome", (Done("page", at), order))


def losing_ids(shopper: Shopper, dice: random.Random) -> Shopper:
    """One in six of the treatment sends its events without the unit's id."""
    if shopper.arm == "control" or dice.random() > 1 / 6:
        return shopper
    return replace(shopper, did=tuple(replace(done, has_unit=False) for done in shopper.did))


def losing_safari(shopper: Shopper, dice: random.Random) -> Shopper | None:
    """Half of the treatment's exposures in one browser never arrive."""
    is_lost = shopper.arm == "treatment" and shopper.browser == "Safari" and dice.random() < 0.55
    return None if is_lost else shopper


def counting_double(shopper: Shopper, dice: random.Random) -> Shopper:
    """On the third day the treatment logs its orders five times over."""
    if shopper.arm == "control" or (shopper.met[0][1] - NOW) // DAY != 2:
        return shopper
    orders = [done for done in shopper.did if done.name == "order" and done.at > shopper.met[0][1]]
    return did_more(shopper, *(replace(done, at=done.at + HOUR / 60) for done in orders for _ in range(4)))


def logging_less(shopper: Shopper, dice: random.Random) -> Shopper:
    """Since the start, four orders in ten come without their value."""
    kept = (
        replace(done, value=None) if done.name == "order" and done.at > NOW and dice.random() < 0.4 else done
        for done in shopper.did
    )
    return replace(shopper, did=tuple(kept))


def different_before(shopper: Shopper, dice: random.Random) -> Shopper:
    """The treatment got those who had bought more."""
    if shopper.arm == "control":
        return shopper
    more = (Done("order", shopper.met[0][1] - dice.uniform(30, 120) * HOUR, 25.0) for _ in range(1))
    return did_more(shopper, *(more if dice.random() < 0.5 else ()))


def turning(shopper: Shopper, dice: random.Random) -> Shopper:
    """What helps in the first days harms in the later ones."""
    if shopper.arm == "control":
        return shopper
    at = shopper.met[0][1]
    gain = 60.0 if at < NOW + 2 * DAY else -60.0
    return did_more(shopper, Done("order", at + 3 * HOUR, gain))


def is_withheld_for_crossers(report: Report) -> bool:
    return report.results is None and "more than one variant" in report.sentence


def locates_safari(report: Report) -> bool:
    found = report.srm.localisation
    assert found is not None
    worst = found.suspects[0]
    return report.results is None and (worst.attribute, worst.value, worst.is_suspect) == (
        "browser", "Safari", True,
    )  # fmt: skip


def calls_it_novelty(report: Report) -> bool:
    assert report.results is not None
    lines = [(line.metric, line.arm, line.trend) for line in report.results.further.novelty]
    return lines == [("reads", "treatment", "novelty")]


FAULTS = (
    Fault("novelty", World(units=2_000, days=10, spoil=fading), (calls_it_novelty,), oec="reads"),
    Fault(
        "crossovers", World(effects=EFFECTS, spoil=crossing), (says("crossed_units", "several variants"),),
        recovers=("spend", "bought"),
    ),
    Fault("many crossovers", World(spoil=crossing_often), (is_withheld_for_crossers,)),
    Fault("bots in one arm", World(extra=bots), (
        says("bots", "23 units", "active in 23 or more hours"), says("bot_share", "One variant has more"),
    )),
    Fault("a whale", World(extra=a_whale), (
        says("largest_unit", "Spend", "“treatment”", "14,00"), says("variance_ratio", "Spend", "“treatment”"),
    )),
    Fault("join loss in one arm", World(spoil=losing_ids), (
        says("join_loss", "carry no user id"), says("join_loss", "One variant loses more"),
    )),
    Fault("a browser without exposures", World(units=4_000, spoil=losing_safari), (locates_safari,)),
    Fault("an odd day", World(spoil=counting_double), (says("odd_day", "Spend", "“treatment”"),)),
    Fault("a logging change", World(spoil=logging_less), (says("null_share", "Spend"),)),
    Fault("different before", World(spoil=different_before), (says("pre_period", "“treatment”", "Spend"),)),
    Fault("an effect that turns", World(days=6, spoil=turning), (says("stationarity", "“treatment”"),)),
    Fault(
        "repeated events", World(repeats=0.05, effects=EFFECTS), (says("duplicate_exposures", "twice"),),
        recovers=("spend", "bought"),
    ),
)  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "seed"),
    [(fault, SEEDS[place % len(SEEDS)]) for place, fault in enumerate(FAULTS)],
    ids=[fault.name for fault in FAULTS],
)
def test_a_planted_fault_is_flagged_by_name_and_place(fault: Fault, seed: int) -> None:
    others = ("bought",) if "bought" in fault.recovers else ()
    report = reported(fault.world, seed, experiment_in(a_shop(), fault.oec, *others))
    for is_flagged in fault.flags:
        assert is_flagged(report), [(note.key, note.title) for note in report.notes]
    if fault.recovers:
        assert_recovered(report, {metric: EFFECTS[metric] for metric in fault.recovers})


@pytest.mark.parametrize("seed", SEEDS[2:])
def test_a_traffic_filter_takes_bots_out_of_exposures_and_outcomes(seed: int) -> None:
    shop = a_shop()
    set_traffic_filter(shop.owner, SetTrafficFilter(shop.project.id, 0, (*SUSPICIOUS, HEADLESS)), now=NOW)
    iteration = experiment_in(shop, "spend", "bought")
    report = reported(World(effects=EFFECTS, extra=bots), seed, iteration)
    assert_recovered(report, {"spend": EFFECTS["spend"], "bought": EFFECTS["bought"]})
    assert sum(arm.exposed for arm in report.arms) == 3_000
    traffic = report.traffic
    assert traffic is not None
    assert traffic.version == 1
    assert sum(traffic.before) == 3_023
    assert sum(traffic.after) == 3_000
    assert {rule.rule: rule.counts for rule in traffic.rules} == {
        "events-per-hour": (0, 1), "no-sleep": (0, 22), "headless": (0, 1),
    }  # fmt: skip
    (told,) = noted(report, "bot_share")
    assert "active in 23 or more hours" in told
    assert "the variant may decide who is left out" in told
    assert noted(report, "bots") == []


HEADLESS = TrafficRule(
    "headless", "headless browsers", TrafficTest.ATTRIBUTE, "browser", Operator.CONTAINS, ("headless",)
)


def test_a_filter_that_came_later_leaves_nobody_out() -> None:
    shop = a_shop()
    iteration = experiment_in(shop, "spend")
    set_traffic_filter(shop.owner, SetTrafficFilter(shop.project.id, 0, (HEADLESS,)), now=NOW + DAY)
    report = reported(World(units=300, extra=bots), 11, iteration)
    assert report.traffic is None
    assert sum(arm.exposed for arm in report.arms) == 323
    assert report.verdict is not VerdictState.NO_DATA
