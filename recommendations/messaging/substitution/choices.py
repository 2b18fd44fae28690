"""What was chosen for one recipient: products and coupon codes. Stored with the delivery, so that it is shown again unchanged."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

from recommendations.serving.state.product_index import ProductCard

NO_CONTENT, COUPONS_USED_UP = "no_content", "coupons_used_up"


def cards_to_json(cards: Iterable[ProductCard]) -> list[dict[str, Any]]:
    return [{**asdict(card), "price": None if card.price is None else str(card.price)} for card in cards]


def cards_from_json(stored: Iterable[dict[str, Any]]) -> list[ProductCard]:
    return [
        ProductCard(**{**card, "price": None if card["price"] is None else Decimal(card["price"])}) for card in stored
    ]


@dataclass
class MessageChoices:
    """The products of each row and the coupon code of each pool.

    event_products: `product` and `products` of the event with the data of the catalog at sending, for variables such as the price.
    recommendations: the recommendation ID of each row of recommended products, used to attribute purchases of these products.
    skip_reason: why the message must not be sent: "no_content" (a required row has no products) or "coupons_used_up"; "" if it may.
    """

    products: dict[str, list[ProductCard]] = field(default_factory=dict)
    coupons: dict[str, str] = field(default_factory=dict)
    skip_reason: str = ""
    recommendations: dict[str, str] = field(default_factory=dict)
    event_products: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the choices as JSON for `Delivery.choices`."""
        rows = {row: cards_to_json(cards) for row, cards in self.products.items()}
        return {
            "products": rows,
            "coupons": dict(self.coupons),
            "recommendations": dict(self.recommendations),
            "skip_reason": self.skip_reason,
            **({"event_products": self.event_products} if self.event_products else {}),
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "MessageChoices":
        """Return the choices that `to_json` wrote; none for an empty object."""
        products = {row: cards_from_json(cards) for row, cards in stored.get("products", {}).items()}
        recommendations = dict(stored.get("recommendations", {}))
        return cls(
            products,
            dict(stored.get("coupons", {})),
            stored.get("skip_reason", ""),
            recommendations,
            dict(stored.get("event_products", {})),
        )
