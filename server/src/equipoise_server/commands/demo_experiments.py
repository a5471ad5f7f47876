"""The demo's own experiments as people would have planned them. What they really do is the shop's secret."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from equipoise_server.experiments.values import (
    Arm,
    Design,
    MetricRole,
    PlannedMetric,
    Spillover,
    Switchback,
)
from equipoise_server.metrics.values import Margin, MarginKind

VISITORS_PER_DAY = 7_500
RUNNING_FOR = timedelta(days=14)
PAST_VISITORS_PER_DAY = 900
PAST_RAN_FOR = timedelta(days=14)
PAST_ENDED_BEFORE = timedelta(days=21)


class Fate(StrEnum):
    """How far an experiment of the demo has come."""

    DRAFT = "draft"
    RUNNING = "running"
    SHIPPED = "shipped"


@dataclass(frozen=True, slots=True)
class PlannedExperiment:
    """One experiment of the demo."""

    key: str
    name: str
    owner: str
    fate: Fate
    design: Design


def _arms(flag: str, control: tuple[str, str], treatment: tuple[str, str]) -> tuple[Arm, ...]:
    """Two equal arms; each is (name, the flag's variant)."""
    return (
        Arm("control", control[0], 1, {flag: control[1]}),
        Arm("treatment", treatment[0], 1, {flag: treatment[1]}),
    )


def _relative(value: float) -> Margin:
    return Margin(MarginKind.RELATIVE, value)


PURCHASE_OEC = PlannedMetric("purchase", MetricRole.OEC)
REVENUE = PlannedMetric("revenue", MetricRole.SECONDARY)
BASKET = PlannedMetric("basket", MetricRole.SECONDARY)
CART = PlannedMetric("cart", MetricRole.SECONDARY)
SLOW_PAGES = PlannedMetric("slow-pages", MetricRole.SECONDARY)
FAST_PAGES = PlannedMetric("page-load", MetricRole.GUARDRAIL, _relative(0.05))
FEW_REFUNDS = PlannedMetric("refund", MetricRole.GUARDRAIL, Margin(MarginKind.ABSOLUTE, 0.003))
# Couriers are shared within a country.
COUNTRIES = ("DE", "FR", "GB", "NL", "PL", "US")
NEARBY = {"attribute": "country", "operator": "in", "values": ["DE", "FR", "NL"]}

EXPERIMENTS = (
    PlannedExperiment(
        "product-photos",
        "Larger product photos",
        "Grace Hopper",
        Fate.SHIPPED,
        Design(
            hypothesis="Larger photos answer questions that keep people from adding a product to the cart.",
            arms=_arms("product-photos", ("Small photos", "small"), ("Large photos", "large")),
            metrics=(PlannedMetric("cart", MetricRole.OEC), FAST_PAGES),
            mde_relative=0.10,
            baseline=0.40,
            daily_units=PAST_VISITORS_PER_DAY,
            planned_days=PAST_RAN_FOR.days,
        ),
    ),
    PlannedExperiment(
        "checkout-button",
        "Green checkout button",
        "Pat Lee",
        Fate.RUNNING,
        Design(
            hypothesis="A green button stands out from the page, so more visitors go on to pay.",
            arms=_arms("checkout-button", ("Grey button", "grey"), ("Green button", "green")),
            metrics=(PURCHASE_OEC, REVENUE, BASKET, CART, SLOW_PAGES, FAST_PAGES, FEW_REFUNDS),
            mde_relative=0.06,
            baseline=0.10,
            daily_units=VISITORS_PER_DAY,
            planned_days=21,
            breakdowns=("country", "platform"),
        ),
    ),
    PlannedExperiment(
        "search-ranking",
        "Learned search ranking",
        "Grace Hopper",
        Fate.RUNNING,
        Design(
            hypothesis="Ranking results by what similar visitors bought helps people find what they want.",
            arms=_arms("search-ranking", ("By popularity", "popular"), ("Learned", "learned")),
            metrics=(PURCHASE_OEC, REVENUE, FAST_PAGES),
            mde_relative=0.08,
            baseline=0.10,
            daily_units=4_100,
            planned_days=21,
            breakdowns=("country", "platform"),
        ),
    ),
    PlannedExperiment(
        "free-shipping-banner",
        "Free-shipping banner",
        "Pat Lee",
        Fate.RUNNING,
        Design(
            hypothesis="Naming the limit for free shipping on every page makes visitors fill larger baskets.",
            eligibility=NEARBY,
            arms=_arms("free-shipping-banner", ("No banner", "off"), ("Banner", "on")),
            metrics=(PURCHASE_OEC, REVENUE, BASKET, FAST_PAGES),
            mde_relative=0.08,
            baseline=0.10,
            daily_units=4_500,
            planned_days=28,
        ),
    ),
    PlannedExperiment(
        "one-page-checkout",
        "One-page checkout",
        "Pat Lee",
        Fate.RUNNING,
        Design(
            hypothesis="A checkout on one page loses fewer people between address, delivery and payment.",
            layer="checkout",
            slot_share=0.9,
            arms=_arms("one-page-checkout", ("Three pages", "off"), ("One page", "on")),
            metrics=(PURCHASE_OEC, REVENUE, FEW_REFUNDS),
            mde_relative=0.06,
            baseline=0.28,
            daily_units=2_400,
            planned_days=21,
        ),
    ),
    PlannedExperiment(
        "courier-batching",
        "Couriers batch orders",
        "Grace Hopper",
        Fate.RUNNING,
        Design(
            hypothesis="Couriers who take orders from one street together come sooner, all in all.",
            unit_type="region",
            arms=_arms("courier-batching", ("One by one", "off"), ("Batched", "on")),
            metrics=(PlannedMetric("delivery-time", MetricRole.OEC),),
            mde_relative=0.05,
            baseline=34.0,
            baseline_deviation=9.0,
            switchback=Switchback(COUNTRIES, window_minutes=120, days=12, burn_in_minutes=15),
            spillover=Spillover.SUPPLY,
        ),
    ),
    PlannedExperiment(
        "express-pay",
        "Express payment in the cart",
        "Pat Lee",
        Fate.DRAFT,
        Design(
            hypothesis="Paying with one tap from the cart saves returning visitors the whole checkout.",
            layer="checkout",
            slot_share=0.1,
            eligibility={"attribute": "returning", "operator": "equals", "value": True},
            arms=_arms("express-pay", ("Checkout as today", "off"), ("Express payment", "on")),
            metrics=(PURCHASE_OEC, REVENUE),
            mde_relative=0.10,
            baseline=0.28,
        ),
    ),
)
