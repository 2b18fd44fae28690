"""Converts planned events to items in the form of Segment's SDKs, marked as simulated."""

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np

from config.clickstream.sessions import SimulatedHistory, VisitStep
from config.clickstream.shop import SimulatedShop
from config.clickstream.visits import MISSING, SimulatedDevice

LIBRARY = {"name": "perennial-simulation"}
EVENT_NAMES = {
    VisitStep.EMAIL_CLICKED: "Email Link Clicked",
    VisitStep.LIST_VIEWED: "Product List Viewed",
    VisitStep.SEARCHED: "Products Searched",
    VisitStep.VIEWED: "Product Viewed",
    VisitStep.ADDED: "Product Added",
    VisitStep.REMOVED: "Product Removed",
    VisitStep.CART_VIEWED: "Cart Viewed",
    VisitStep.CHECKOUT_STARTED: "Checkout Started",
    VisitStep.STEP_VIEWED: "Checkout Step Viewed",
    VisitStep.STEP_COMPLETED: "Checkout Step Completed",
    VisitStep.PAYMENT_ENTERED: "Payment Info Entered",
}
PAGES = {VisitStep.LANDED: ("Home", "/"), VisitStep.CONFIRMED: ("Order Confirmation", "/checkout/done")}
USER_AGENTS = {
    SimulatedDevice.PHONE: "Mozilla/5.0 (Android 16; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0",
    SimulatedDevice.DESKTOP: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    SimulatedDevice.APP: "DemoShop/1.4 (Android 16)",
}
EMAIL_CAMPAIGN = {"source": "newsletter", "medium": "email", "name": "weekly-offers"}
BATCH_ITEMS = 2_000

_encode = msgspec.json.Encoder().encode


def build_items(shop: SimulatedShop, history: SimulatedHistory, *, locale: str = "en-US") -> Iterator[list[bytes]]:
    """Yield lists of items in order of time. The same seed and orders give the same message ids."""
    writer = ItemWriter(shop, history, locale)
    for start in range(0, len(history), BATCH_ITEMS):
        yield writer.encode_items(start, min(start + BATCH_ITEMS, len(history)))


class ItemWriter:
    """Encodes events; the JSON parts that many events share are encoded once."""

    def __init__(self, shop: SimulatedShop, history: SimulatedHistory, locale: str = "en-US") -> None:
        self.shop = shop
        self.history = history
        self.locale = locale
        self.contexts: dict[int, msgspec.Raw] = {}
        self.products: dict[tuple[int, int], msgspec.Raw] = {}
        visits = history.visits
        self.visit_ids = [f"{key:016x}" for key in visits.key.tolist()]
        self.visitors = [f"sim-{key:016x}" for key in visits.visitor.tolist()]
        self.households = visits.household.tolist()
        self.baskets = visits.basket.tolist()

    def encode_items(self, start: int, end: int) -> list[bytes]:
        history, rows_slice = self.history, slice(start, end)
        columns = (history.visit, history.number, history.step, history.product, history.quantity, history.signed_in)
        times = np.datetime_as_string(
            (history.at[rows_slice] * 1000).astype(np.int64).astype("datetime64[ms]"), unit="ms", timezone="UTC"
        )
        rows = zip(*(column[rows_slice].tolist() for column in columns), times.tolist(), strict=True)
        return [self.encode_item(*row) for row in rows]

    def encode_item(
        self, visit: int, number: int, step: int, product: int, quantity: int, signed_in: bool, timestamp: str
    ) -> bytes:
        item: dict[str, Any] = {
            "type": "track",
            "messageId": f"sim-{self.visit_ids[visit]}-{number}",
            "anonymousId": self.visitors[visit],
            "timestamp": timestamp,
            "context": self.contexts.get(visit) or self.encode_context(visit),
        }
        if signed_in:
            item["userId"] = self.shop.households[self.households[visit]]
        if step == VisitStep.IDENTIFIED:
            item["type"] = "identify"
            item["traits"] = {}
            return _encode(item)
        if step in PAGES:
            item["type"] = "screen" if self.history.visits.device_kind[visit] == SimulatedDevice.APP else "page"
            item["name"], path = PAGES[VisitStep(step)]
            item["properties"] = self.build_page_properties(visit, step, path)
            return _encode(item)
        item["event"] = EVENT_NAMES[VisitStep(step)]
        if product != MISSING:
            item["properties"] = self.encode_product_properties(step, product, quantity)
        else:
            item["properties"] = self.build_visit_properties(visit, step)
        return _encode(item)

    def encode_context(self, visit: int) -> msgspec.Raw:
        """Return the encoded context of a visit. Its events follow each other, so caching a few thousand contexts is enough."""
        visits = self.history.visits
        kind = SimulatedDevice(int(visits.device_kind[visit]))
        context: dict[str, Any] = {
            "simulated": True,
            "library": LIBRARY,
            "sessionId": f"sim-{self.visit_ids[visit]}",
            "userAgent": USER_AGENTS[kind],
            "locale": self.locale,
        }
        if kind == SimulatedDevice.APP:
            context["device"] = {"id": f"sim-{int(visits.device[visit]):016x}", "type": "android"}
        if visits.by_email[visit]:
            context["campaign"] = EMAIL_CAMPAIGN
        if len(self.contexts) >= 5_000:
            self.contexts.clear()
        self.contexts[visit] = raw = msgspec.Raw(_encode(context))
        return raw

    def build_page_properties(self, visit: int, step: int, path: str) -> dict[str, Any]:
        if step != VisitStep.CONFIRMED or self.baskets[visit] == MISSING:
            return {"path": path}
        return {"path": path, "order_id": self.shop.basket_order[self.baskets[visit]]}

    def encode_product_properties(self, step: int, product: int, quantity: int) -> Any:
        _pk, product_id, title, brand, category, price, currency = self.shop.catalog.rows[product]
        if step == VisitStep.LIST_VIEWED:
            return {"category": category}
        if step == VisitStep.SEARCHED:
            return {"query": build_query(title)}
        quantity_shown = quantity if step in (VisitStep.ADDED, VisitStep.REMOVED) else 0
        raw = self.products.get((product, quantity_shown))
        if raw is None:
            properties = {"product_id": product_id, "name": title, "category": category, "brand": brand}
            if price is not None:
                properties |= {"price": price, "currency": currency}
            if quantity_shown:
                properties["quantity"] = quantity_shown
            if len(self.products) >= 50_000:
                self.products.clear()
            self.products[product, quantity_shown] = raw = msgspec.Raw(_encode(properties))
        return raw

    def build_visit_properties(self, visit: int, step: int) -> dict[str, Any]:
        if step == VisitStep.EMAIL_CLICKED:
            return {"campaign_name": EMAIL_CAMPAIGN["name"], "link_url": "/"}
        properties: dict[str, Any] = {"cart_id": self.visit_ids[visit]}
        if step in (VisitStep.STEP_VIEWED, VisitStep.STEP_COMPLETED):
            properties["step"] = 1
        basket = self.baskets[visit]
        if step == VisitStep.CHECKOUT_STARTED and basket != MISSING:
            properties |= {
                "value": float(self.shop.basket_total[basket]),
                "currency": self.shop.basket_currency[basket],
            }
        return properties


def build_query(title: str) -> str:
    """Return what a visitor who looks for a product types: its title up to the first comma, or to the first space if it is Chinese."""
    return title.partition("," if title[:1].isascii() else " ")[0].lower()
