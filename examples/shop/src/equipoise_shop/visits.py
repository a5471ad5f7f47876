"""One visit: the pages in their order, what they ask Equipoise for and what they report to it."""

from __future__ import annotations

from datetime import datetime, timedelta

from equipoise_sdk import Client
from equipoise_shop.truth import (
    BANNER,
    BATCHING,
    BUTTON,
    NO_EFFECT,
    ONE_PAGE,
    PHOTOS,
    RANKING,
    Asked,
    effect_of,
)
from equipoise_shop.visitors import (
    CART_SHARE,
    CHECKOUT_SHARE,
    PURCHASE_SHARE,
    REFUND_SHARE,
    SEARCH_SHARE,
    Visitor,
)

LONGEST_VISIT = timedelta(minutes=5)


class Visit:
    """A visitor on the way through the shop; time moves on from page to page."""

    __slots__ = ("_client", "_context", "_effect", "_now", "_visitor")

    def __init__(self, client: Client, visitor: Visitor, *, arrived_at: datetime) -> None:
        self._client = client
        self._visitor = visitor
        self._context = visitor.context
        self._now = arrived_at
        self._effect = NO_EFFECT

    def walk(self) -> None:
        """Go through the shop until the visitor leaves."""
        visitor = self._visitor
        self._meet(BANNER)
        if visitor.search_draw < SEARCH_SHARE:
            self._wait(visitor.pause_seconds[0])
            self._meet(RANKING)
            self._load_page("search", visitor.load_ms[0])
        self._wait(visitor.pause_seconds[1])
        self._look_at_product()
        if visitor.cart_draw < CHECKOUT_SHARE:
            self._check_out()

    def _look_at_product(self) -> None:
        visitor = self._visitor
        self._meet(PHOTOS)
        self._meet(BUTTON)
        self._load_page("product", visitor.load_ms[1])
        if visitor.cart_draw < CART_SHARE * self._effect.cart:
            self._report("add_to_cart")

    def _check_out(self) -> None:
        visitor = self._visitor
        if not self._meet(ONE_PAGE):
            return
        self._wait(visitor.pause_seconds[2])
        if visitor.purchase_draw >= PURCHASE_SHARE / CHECKOUT_SHARE * self._effect.purchase:
            return
        gift = self._client.boolean("gift-wrapping", False, self._context) and visitor.returning
        self._report("purchase", value=visitor.basket, properties={"gift": gift})
        self._deliver()
        if visitor.refund_draw < REFUND_SHARE:
            self._report("refund", value=visitor.basket)

    def _deliver(self) -> None:
        """Send the order out. It belongs to the region, whose couriers all orders of the hour share."""
        region = self._visitor.region_at(self._now)
        decision = self._client.peek(BATCHING.key, BATCHING.otherwise, region)
        self._client.expose(decision, at=self._now)
        minutes = self._visitor.delivery_minutes + effect_of(BATCHING, decision.value).delivery_minutes
        self._wait(0.5)
        self._client.track("delivery", region, value=round(minutes, 1), at=self._now)

    def _meet(self, asked: Asked) -> bool:
        """Show what the flag decides; False when the page crashes before it could say that it was shown."""
        decision = self._client.peek(asked.key, asked.otherwise, self._context)
        effect = effect_of(asked, decision.value)
        if self._visitor.crash_draw < effect.lost:
            return False
        self._effect = self._effect.and_then(effect)
        self._client.expose(decision, attributes=self._context["attributes"], at=self._now)
        return True

    def _load_page(self, page: str, load_ms: float) -> None:
        duration = round(load_ms + self._effect.load_ms, 1)
        self._report("page_load", value=duration, properties={"page": page})

    def _report(
        self, event: str, *, value: float | None = None, properties: dict[str, object] | None = None
    ) -> None:
        # A moment after the page was shown: an outcome counts from the first exposure on.
        self._wait(0.5)
        self._client.track(event, self._context, value=value, properties=properties, at=self._now)

    def _wait(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
