"""What the demo's project holds before anybody visits: metrics and flags, as tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from equipoise_server.flags.values import FlagKind, FlagType, FlagValue, Rollout, Rule
from equipoise_server.metrics.values import (
    Aggregate,
    Definition,
    Direction,
    Fact,
    Margin,
    MarginKind,
    MetricKind,
    Spread,
    Tier,
)

SOON = timedelta(days=1)
RAMP = "ramp"


@dataclass(frozen=True, slots=True)
class PlannedMetric:
    """One row of the metric catalogue."""

    key: str
    name: str
    description: str
    definition: Definition
    direction: Direction = Direction.INCREASE
    tier: Tier = Tier.L2
    display: str = "percent"
    default_margin: Margin | None = None


@dataclass(frozen=True, slots=True)
class PlannedFlag:
    """One flag with its values by variant key; "" as default means off, `rules` hold in production."""

    key: str
    name: str
    description: str
    type: FlagType
    values: Mapping[str, FlagValue]
    off: str
    default: str = ""
    kind: FlagKind = FlagKind.EXPERIMENT
    rules: tuple[Rule, ...] = ()


def _relative(value: float) -> Margin:
    return Margin(MarginKind.RELATIVE, value)


METRICS = (
    PlannedMetric(
        "purchase",
        "Purchases",
        "Share of visitors who buy within a day.",
        Definition(MetricKind.CONVERSION, Fact("purchase"), window=SOON),
        tier=Tier.L1,
        default_margin=_relative(0.03),
    ),
    PlannedMetric(
        "revenue",
        "Revenue per visitor",
        "What a visitor spends within a day; one visitor counts for at most €300.",
        Definition(MetricKind.SUM, Fact("purchase", Aggregate.SUM), window=SOON, cap=300.0),
        tier=Tier.L1,
        display="€",
        default_margin=_relative(0.05),
    ),
    PlannedMetric(
        "cart",
        "Filled carts",
        "Share of visitors who put something into the cart within a day.",
        Definition(MetricKind.CONVERSION, Fact("add_to_cart"), window=SOON),
        default_margin=_relative(0.02),
    ),
    PlannedMetric(
        "page-load",
        "Page load time",
        "Mean time until a page is usable.",
        Definition(MetricKind.MEAN, Fact("page_load", Aggregate.SUM), window=SOON),
        direction=Direction.DECREASE,
        display="ms",
        default_margin=_relative(0.05),
    ),
    PlannedMetric(
        "slow-pages",
        "Slowest pages",
        "The time within which 95 of 100 pages are usable.",
        Definition(
            MetricKind.QUANTILE,
            Fact("page_load", Aggregate.SUM),
            window=SOON,
            quantile=0.95,
            over=Spread.EVENTS,
        ),
        direction=Direction.DECREASE,
        display="ms",
    ),
    PlannedMetric(
        "delivery-time",
        "Delivery time",
        "Mean minutes from the order to the door.",
        Definition(MetricKind.MEAN, Fact("delivery", Aggregate.SUM), window=SOON),
        direction=Direction.DECREASE,
        display="min",
        default_margin=_relative(0.05),
    ),
    PlannedMetric(
        "refund",
        "Refunds",
        "Share of visitors who give back what they bought within a day.",
        Definition(MetricKind.CONVERSION, Fact("refund"), window=SOON),
        direction=Direction.DECREASE,
        default_margin=Margin(MarginKind.ABSOLUTE, 0.003),
    ),
    PlannedMetric(
        "basket",
        "Basket value",
        "Revenue per purchase.",
        Definition(
            MetricKind.RATIO,
            Fact("purchase", Aggregate.SUM),
            denominator=Fact("purchase"),
            window=SOON,
        ),
        display="€",
        default_margin=_relative(0.05),
    ),
)

ON_OFF: Mapping[str, FlagValue] = {"on": True, "off": False}
GERMANY = {"attribute": "country", "operator": "in", "values": ["DE"]}

FLAGS = (
    PlannedFlag(
        "checkout-button",
        "Checkout button",
        "Colour of the button on the product page.",
        FlagType.STRING,
        {"grey": "grey", "green": "green"},
        off="grey",
    ),
    PlannedFlag(
        "search-ranking",
        "Search ranking",
        "How search results are ordered.",
        FlagType.STRING,
        {"popular": "popular", "learned": "learned"},
        off="popular",
    ),
    PlannedFlag(
        "free-shipping-banner",
        "Free-shipping banner",
        "Banner on top of every page that names the limit for free shipping.",
        FlagType.BOOLEAN,
        ON_OFF,
        off="off",
    ),
    PlannedFlag(
        "one-page-checkout",
        "One-page checkout",
        "Address, delivery and payment on a single page.",
        FlagType.BOOLEAN,
        ON_OFF,
        off="off",
    ),
    PlannedFlag(
        "product-photos",
        "Product photos",
        "Size of the photos on the product page.",
        FlagType.STRING,
        {"small": "small", "large": "large"},
        off="small",
    ),
    PlannedFlag(
        "express-pay",
        "Express payment",
        "Pay from the cart with one tap.",
        FlagType.BOOLEAN,
        ON_OFF,
        off="off",
    ),
    PlannedFlag(
        "courier-batching",
        "Courier batching",
        "Couriers take orders from the same street together.",
        FlagType.BOOLEAN,
        ON_OFF,
        off="off",
    ),
    PlannedFlag(
        "gift-wrapping",
        "Gift wrapping",
        "Offer gift wrapping at the checkout.",
        FlagType.BOOLEAN,
        ON_OFF,
        off="off",
        kind=FlagKind.RELEASE,
        rules=(
            Rule("germany", eligibility=GERMANY, serve="on", description="Germany has it already"),
            Rule(RAMP, rollout=Rollout("on", "user", 250_000), description="A quarter of everybody else"),
        ),
    ),
    PlannedFlag(
        "search-page-size",
        "Results per search page",
        "Smaller pages take load off the search service.",
        FlagType.NUMBER,
        {"normal": 24, "light": 12},
        off="light",
        default="normal",
        kind=FlagKind.OPS,
    ),
    PlannedFlag(
        "support-hours",
        "Support hours",
        "When the chat button is shown, in hours UTC.",
        FlagType.OBJECT,
        {"weekdays": {"from": 8, "to": 18}, "closed": {"from": 0, "to": 0}},
        off="closed",
        default="weekdays",
        kind=FlagKind.OPS,
    ),
)


@dataclass(frozen=True, slots=True)
class PlannedGroup:
    """Flags that are killed together."""

    key: str
    name: str
    description: str
    flags: frozenset[str]


GROUPS = (
    PlannedGroup(
        "paying",
        "Paying",
        "Kill it when payments fail: the checkout falls back to what it was.",
        frozenset({"express-pay", "one-page-checkout", "gift-wrapping"}),
    ),
    PlannedGroup(
        "finding",
        "Finding things",
        "Kill it when the search service is slow.",
        frozenset({"search-ranking", "search-page-size"}),
    ),
)
# How the share of gift wrapping rises from when the demo is opened: hours from then, parts per million.
RAMP_STEPS = ((6, 500_000), (30, 1_000_000))
TESTERS = tuple(f"tester-{number}" for number in range(1, 25))
