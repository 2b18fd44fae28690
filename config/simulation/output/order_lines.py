"""CSV rows of order lines and customers, and JSON lines of products, as the importers read them."""

import json
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from config.simulation.catalog import BRANDS, ShopCatalog, format_category, format_title
from config.simulation.customers import LANGUAGES, SimulatedCustomers
from config.simulation.output.event_lines import CURRENCY, format_moments
from config.simulation.plan import ShopPlan
from config.simulation.purchases import Purchases
from config.simulation.truth import format_customers, format_products

COLUMNS = (
    "order_id",
    "line_number",
    "customer_id",
    "placed_at",
    "product_id",
    "quantity",
    "unit_price",
    "line_discount",
    "currency",
)
HEADER = ",".join(COLUMNS) + "\n"
CUSTOMER_HEADER = "user_id,email,language,country,email_consent\n"
COUNTRIES = (
    "US",
    "SG",
)  # one per language, in which events need no consent by default; otherwise most events would have no customer


def format_order_ids(plan: ShopPlan, customers: SimulatedCustomers, purchases: Purchases) -> pa.Array:
    owner = format_customers(customers.first + purchases.customer)
    return pc.binary_join_element_wise(
        f"o-{plan.fingerprint}-", owner, "-", pa.array(purchases.day).cast(pa.string()), ""
    )


def format_amounts(amounts: np.ndarray) -> pa.Array:
    cents = np.round(amounts * 100).astype(np.int64)
    whole, rest = pa.array(cents // 100).cast(pa.string()), pa.array(np.char.zfill((cents % 100).astype(str), 2))
    return pc.binary_join_element_wise(whole, rest, ".")


def format_order_lines(plan: ShopPlan, customers: SimulatedCustomers, purchases: Purchases) -> pa.Array:
    """Return one row per line of the orders that were placed in the history."""
    chosen = np.flatnonzero((purchases.is_placed & (purchases.day < plan.days))[purchases.line_order])
    order = purchases.line_order[chosen]
    number = np.arange(len(purchases.line_order)) - np.searchsorted(purchases.line_order, purchases.line_order)
    orders = pa.array(order)
    return pc.binary_join_element_wise(
        format_order_ids(plan, customers, purchases).take(orders),
        pa.array(1 + number[chosen]).cast(pa.string()),
        format_customers(customers.first + purchases.customer[order]),
        format_moments(plan.start_ms + purchases.at[order]),
        format_products(purchases.product[chosen]),
        pa.array(purchases.quantity[chosen]).cast(pa.string()),
        format_amounts(purchases.price[chosen]),
        format_amounts(purchases.line_discount[chosen]),
        pc.binary_join_element_wise(pa.array(np.full(len(chosen), CURRENCY)), "\n", ""),
        ",",
    )


def format_customer_rows(customers: SimulatedCustomers) -> pa.Array:
    ids = format_customers(customers.first + np.arange(len(customers)))
    language = pa.array(customers.language)
    # a domain that never exists, RFC 2606
    emails = pc.binary_join_element_wise(ids, "@simulated.invalid", "")
    columns = (ids, emails, pa.array(LANGUAGES).take(language), pa.array(COUNTRIES).take(language), "yes\n")
    return pc.binary_join_element_wise(*columns, ",")


def format_product_lines(catalog: ShopCatalog) -> Iterator[str]:
    ids = format_products(np.arange(len(catalog))).to_pylist()
    for number in range(len(catalog)):
        yield (
            json.dumps(
                {
                    "product_id": ids[number],
                    "title": format_title(catalog, number),
                    "category": format_category(int(catalog.cluster[number])),
                    "brand": BRANDS[catalog.brand[number]],
                    "price": float(catalog.price[number]),
                    "currency": CURRENCY,
                    "stock": 1_000,
                },
                ensure_ascii=False,
            )
            + "\n"
        )
