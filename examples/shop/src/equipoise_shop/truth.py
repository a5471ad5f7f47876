"""What the shop's flags really do to its visitors: the answer sheet that no analysis gets to see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Effect:
    """How one value changes a visit. The defaults change nothing.

    purchase, cart: factors on the probability to pay and to fill the cart. load_ms: milliseconds on top of
    every page from here on. lost: share of visits that crash before the exposure is sent. delivery_minutes:
    on top of every delivery.
    """

    purchase: float = 1.0
    cart: float = 1.0
    load_ms: float = 0.0
    lost: float = 0.0
    delivery_minutes: float = 0.0

    def and_then(self, later: Effect) -> Effect:
        """Both effects together; a crash belongs to the moment it happens in and is not carried on."""
        return replace(
            self,
            purchase=self.purchase * later.purchase,
            cart=self.cart * later.cart,
            load_ms=self.load_ms + later.load_ms,
        )


NO_EFFECT = Effect()


@dataclass(frozen=True, slots=True)
class Asked:
    """A flag that the shop asks for, with the value it falls back to."""

    key: str
    otherwise: bool | str


BANNER = Asked("free-shipping-banner", otherwise=False)
RANKING = Asked("search-ranking", otherwise="popular")
PHOTOS = Asked("product-photos", otherwise="small")
BUTTON = Asked("checkout-button", otherwise="grey")
BATCHING = Asked("courier-batching", otherwise=False)
ONE_PAGE = Asked("one-page-checkout", otherwise=False)

TRUTH: Mapping[tuple[str, bool | str], Effect] = {
    (BUTTON.key, "green"): Effect(purchase=1.12),
    (RANKING.key, "learned"): Effect(purchase=0.98, load_ms=60.0),
    (BANNER.key, True): NO_EFFECT,
    (ONE_PAGE.key, True): Effect(purchase=1.02, lost=0.08),
    (BATCHING.key, True): Effect(delivery_minutes=-3.0),
    (PHOTOS.key, "large"): Effect(cart=1.15),
}


def effect_of(asked: Asked, value: object) -> Effect:
    """What a value of a flag does; the value in use today does nothing."""
    if not isinstance(value, bool | str):
        return NO_EFFECT
    return TRUTH.get((asked.key, value), NO_EFFECT)
