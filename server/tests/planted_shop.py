"""A made-up shop whose truth is known: what is planted into its events must be found again, or flagged.

Units arrive in weekly cycles; a world says how arms differ and what is wrong with the data.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from equipoise_server.events.actions import compact, record
from equipoise_server.events.values import Event, Exposure, Track
from equipoise_server.experiments.values import Iteration
from equipoise_server.metrics.values import Aggregate, Definition, Fact, MetricKind

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ARMS = ("control", "treatment")
ORDER = Fact("order", Aggregate.SUM)
METRICS = {
    "bought": Definition(MetricKind.CONVERSION, Fact("purchase"), window=DAY),
    "spend": Definition(MetricKind.SUM, ORDER, window=DAY, covariate_days=7),
    "basket": Definition(MetricKind.RATIO, ORDER, denominator=Fact("order"), window=DAY),
    "returned": Definition(MetricKind.RETENTION, Fact("visit"), delay=DAY, window=3 * DAY),
    "searched": Definition(MetricKind.CONVERSION, Fact("search"), window=DAY),
    "reads": Definition(MetricKind.SUM, Fact("read", Aggregate.SUM), window=7 * DAY),
}
EFFECTS = {"bought": 0.05, "spend": 3.0, "basket": 6.0, "returned": 0.08, "searched": 0.0}
"""What the treatment adds, in each metric's own unit. Nothing is added to `searched`."""
_WEEK = (1.3, 1.1, 1.0, 1.0, 0.9, 0.6, 0.5)
_IDS = UUID("a1c1c0de-7c1e-4a0e-9a52-0f6f2f1f9d11")


@dataclass(frozen=True, slots=True)
class Done:
    """Something that a unit did; `late` comes in another round, `has_unit` is whether anybody knows who."""

    name: str
    at: datetime
    value: float | None = None
    has_unit: bool = True
    late: bool = False


@dataclass(frozen=True, slots=True)
class Shopper:
    """A unit, the arms that it met and when, and all that it did."""

    unit: str
    met: tuple[tuple[str, datetime], ...]
    browser: str
    did: tuple[Done, ...]

    @property
    def arm(self) -> str:
        """The arm that it met first."""
        return self.met[0][0]


Spoil = Callable[[Shopper, random.Random], Shopper | None]
"""What a fault makes of a unit; None when its exposure is lost."""


@dataclass(frozen=True, slots=True)
class World:
    """How many units come in how many days, and what goes wrong."""

    units: int = 3_000
    days: int = 4
    effects: dict[str, float] = field(default_factory=dict)
    """Unless given: nothing differs."""
    spoil: Spoil = lambda shopper, _: shopper
    extra: Callable[[Iteration, random.Random], Iterator[Shopper]] = lambda _iteration, _dice: iter(())
    repeats: float = 0.0
    """The share of events that are sent twice."""


def shoppers(world: World, iteration: Iteration, seed: int) -> Iterator[Shopper]:
    """Everybody, spoilt as the world says."""
    dice = random.Random(seed)
    began = iteration.started_at
    days = [began + place * DAY for place in range(world.days)]
    weights = [_WEEK[day.weekday()] for day in days]
    for number in range(world.units):
        at = dice.choices(days, weights)[0] + timedelta(seconds=dice.uniform(0, 80_000))
        made = _shopper(world, f"s{seed}-u{number}", at, dice)
        spoilt = world.spoil(made, dice)
        if spoilt is not None:
            yield spoilt
    yield from world.extra(iteration, dice)


def _shopper(world: World, unit: str, at: datetime, dice: random.Random) -> Shopper:
    arm = dice.choice(ARMS)
    gains = world.effects if arm == "treatment" else {}
    did = [Done("page", at + HOUR / 60), *_before(at, dice)]
    weekday = _WEEK[at.weekday()]
    if dice.random() < 0.08 * weekday + gains.get("bought", 0):
        did.append(Done("purchase", at + HOUR, late=dice.random() < 0.05))
    if dice.random() < 0.5:
        value = dice.gauss(40, 10) + gains.get("basket", 0)
        did.append(Done("order", at + 2 * HOUR, value, late=dice.random() < 0.05))
    if dice.random() < 0.3 + gains.get("returned", 0):
        did.append(Done("visit", at + dice.uniform(24, 71) * HOUR))
    if dice.random() < 0.3:
        did.append(Done("search", at + 3 * HOUR))
    browser = dice.choices(("Chrome", "Safari", "Firefox"), (6, 3, 1))[0]
    return Shopper(unit, ((arm, at),), browser, tuple(did))


def _before(at: datetime, dice: random.Random) -> Iterator[Done]:
    """What some did in the days before they met a variant."""
    if dice.random() < 0.4:
        yield Done("order", at - dice.uniform(30, 120) * HOUR, dice.gauss(40, 10))


def did_more(shopper: Shopper, *more: Done) -> Shopper:
    """The same unit, busier."""
    return replace(shopper, did=(*shopper.did, *more))


def sent(world: World, iteration: Iteration, seed: int, *, now: datetime) -> None:
    """Through the inbox into the store: first what comes in time, then what is late or comes again."""
    everybody = tuple(shoppers(world, iteration, seed))
    dice = random.Random(seed + 1)
    in_time = list(_events(iteration, everybody, late=False))
    record(iteration.environment_id, in_time, now=now)
    compact(now=now)
    again = [event for event in in_time if dice.random() < world.repeats]
    late = list(_events(iteration, everybody, late=True))
    record(iteration.environment_id, (*again, *late), now=now)
    compact(now=now)


def _events(iteration: Iteration, everybody: tuple[Shopper, ...], *, late: bool) -> Iterator[Event]:
    for shopper in everybody:
        if not late:
            for place, (arm, at) in enumerate(shopper.met):
                yield Exposure(
                    id=_id(iteration, shopper.unit, f"met-{place}"), at=at, flag="checkout-button",
                    experiment=iteration.experiment_key, iteration=iteration.number, variant=arm,
                    unit_type="user", unit=shopper.unit, revision=1, attributes={"browser": shopper.browser},
                )  # fmt: skip
        for place, done in enumerate(shopper.did):
            if done.late is late:
                units = {"user": shopper.unit} if done.has_unit else {"account": f"of-{shopper.unit}"}
                yield Track(
                    id=_id(iteration, shopper.unit, f"did-{place}"), at=done.at, name=done.name,
                    units=units, value=done.value,
                )  # fmt: skip


def _id(iteration: Iteration, unit: str, what: str) -> UUID:
    return uuid5(_IDS, f"{iteration.id}:{unit}:{what}")
