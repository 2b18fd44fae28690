"""JSON lines of events, in the form of Segment's SDKs. Columns of text are joined by Arrow: no loop over events."""

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from config.foundation.array_types import Ints
from config.simulation.catalog import BRANDS, ShopCatalog, format_category, format_title
from config.simulation.customers import SimulatedCustomers
from config.simulation.plan import ShopPlan
from config.simulation.truth import format_customers, format_products
from config.simulation.visits import BlockEvents, StorefrontEvent

USER_AGENTS = (
    "Mozilla/5.0 (Android 16; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0",
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
)
BOT_AGENT = "Mozilla/5.0 (compatible; PriceCrawler/2.1; +https://crawler.invalid/bot)"
CURRENCY = "EUR"
SENDING_MS = 2_000  # from the event to its arrival


class EventLines:
    """Formats the events of blocks; the parts of a line that many events share are encoded once."""

    def __init__(self, plan: ShopPlan, catalog: ShopCatalog) -> None:
        self.plan = plan
        numbers = range(len(catalog))
        ids = format_products(np.arange(len(catalog))).to_pylist()
        products = [
            {
                "product_id": ids[number],
                "name": format_title(catalog, number),
                "brand": BRANDS[catalog.brand[number]],
                "price": float(catalog.price[number]),
                "currency": CURRENCY,
            }
            for number in numbers
        ]
        queries = [format_title(catalog, number).partition(",")[0].lower() for number in numbers]
        categories = [format_category(cluster) for cluster in catalog.cluster.tolist()]
        # one table of tails: first those without a product, then one per kind and product
        tails = [
            '"type":"page","name":"Home","properties":{"path":"/"}}\n',
            '"type":"track","event":"Checkout Started","properties":{}}\n',
            '"type":"page","name":"Order Confirmation","properties":{"path":"/checkout/done"}}\n',
        ]
        self.first_tail: dict[StorefrontEvent, int] = {
            StorefrontEvent.PAGE: 0,
            StorefrontEvent.CHECKOUT: 1,
            StorefrontEvent.CONFIRMATION: 2,
        }
        for kind, name, properties in (
            (StorefrontEvent.LIST, "Product List Viewed", [{"category": category} for category in categories]),
            (StorefrontEvent.SEARCH, "Products Searched", [{"query": query} for query in queries]),
            (StorefrontEvent.VIEW, "Product Viewed", products),
            (StorefrontEvent.ADD, "Product Added", [product | {"quantity": 1} for product in products]),
        ):
            self.first_tail[kind] = len(tails)
            tails += [f'"type":"track","event":"{name}","properties":{dump(item)}}}\n' for item in properties]
        self.tails = pa.array(tails)
        self.contexts = pa.array([dump({"userAgent": agent}) + "," for agent in (*USER_AGENTS, BOT_AGENT)])
        self.tail_of_kind = np.array([self.first_tail[kind] for kind in StorefrontEvent])
        self.has_product = np.array(
            [
                kind in (StorefrontEvent.LIST, StorefrontEvent.SEARCH, StorefrontEvent.VIEW, StorefrontEvent.ADD)
                for kind in StorefrontEvent
            ]
        )

    def format_messages(self, events: BlockEvents, customers: SimulatedCustomers) -> pa.Array:
        numbers = pa.array(np.arange(len(events))).cast(pa.string())
        return pc.binary_join_element_wise(f"s{self.plan.fingerprint}-{customers.first}-", numbers, "")

    def format(self, events: BlockEvents, customers: SimulatedCustomers, skew: Ints) -> pa.Array:
        """Return one line per event, in their order. skew: milliseconds by which the clock of the device is wrong."""
        is_bot = events.customer >= len(customers)
        owner = format_customers(customers.first + events.customer)
        devices = pa.array(events.device).cast(pa.string())
        kind_of_visitor = pa.array(np.where(is_bot, "b", "v"))
        identified = pc.if_else(
            pa.array(events.is_signed_in), pc.binary_join_element_wise('","userId":"', owner, ""), pa.scalar("")
        )
        tail = self.tail_of_kind[events.kind] + np.where(self.has_product[events.kind], events.product, 0)
        context = np.where(is_bot, len(USER_AGENTS), events.device)
        return pc.binary_join_element_wise(
            '{"messageId":"',
            self.format_messages(events, customers),
            '","anonymousId":"',
            kind_of_visitor,
            owner,
            "-",
            devices,
            identified,
            self.format_clocks(events.at, skew),
            '","context":',
            self.contexts.take(pa.array(context)),
            self.tails.take(pa.array(tail)),
            "",
        )

    def format_clocks(self, at: Ints, skew: Ints) -> pa.Array:
        """Return the times of each event: its timestamp, or for a device with a wrong clock, its own times and the collector's time of receipt."""
        at = self.plan.start_ms + at
        plain = pc.binary_join_element_wise('","timestamp":"', format_moments(at), "")
        rows = np.flatnonzero(skew)
        sent = at[rows] + SENDING_MS
        skewed = pc.binary_join_element_wise(
            '","originalTimestamp":"',
            format_moments(at[rows] + skew[rows]),
            '","sentAt":"',
            format_moments(sent + skew[rows]),
            '","receivedAt":"',
            format_moments(sent),
            "",
        )
        return pc.replace_with_mask(plain, pa.array(skew != 0), skewed)


def format_moments(milliseconds: Ints) -> pa.Array:
    """Return ISO 8601 times of milliseconds since 1970."""
    moments = pa.array(milliseconds).cast(pa.timestamp("ms"))
    return pc.binary_join_element_wise(pc.replace_substring(moments.cast(pa.string()), " ", "T"), "Z", "")


def dump(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
