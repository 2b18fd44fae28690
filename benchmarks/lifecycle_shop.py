"""The simulated shop of benchmarks.lifecycle: customers of a known purchase model, written to PostgreSQL by COPY.

Orders come from an MBG/NBD with Gamma-Gamma spend. An order has a few lines, mostly of the customer's own categories; some lines are
discounted, and some orders are followed by a return, a separate document. All customers joined within the observed days.
"""

import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from benchmarks.serving_shop import (
    SimulatedCatalog,
    draw_by_power_law,
    draw_within_categories,
    simulate_catalog,
    store_products,
)
from customers.lifecycle.scoring.clv.models.gamma_gamma import GammaGamma
from customers.lifecycle.scoring.clv.models.mbg_nbd import MbgNbd
from customers.lifecycle.scoring.clv.simulation import SimulatedOrders, simulate_orders

SEED = 17
PRODUCTS = 5_000
START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 730
AS_OF = START + timedelta(days=DAYS)
MODEL = MbgNbd(r=0.8, alpha=35.0, a=0.9, b=3.0)  # times in days
SPEND = GammaGamma(p=6.25, q=3.74, gamma=15.44)
MEAN_EXTRA_LINES = 1.2  # mean number of lines of an order after its first
OWN_CATEGORIES, OWN_CATEGORY_SHARE = 3, 0.7
DISCOUNTED_SHARE, DISCOUNT = 0.2, 0.1
RETURNED_SHARE, RETURN_DAYS = 0.03, 5
CUSTOMERS_PER_BLOCK = 200_000
SOURCE = "lifecycle"
EMPTY_TABLES = """
    SET perennial.consent_ledger = 'on';  -- the ledger of consents refuses it otherwise
    TRUNCATE orders_order, orders_orderline, identity_customer, identity_identifier, catalog_product, catalog_category,
             lifecycle_customerprofile, lifecycle_stagetransition, lifecycle_stagerules, lifecycle_lifecyclerun,
             lifecycle_scoremodel, lifecycle_countedsession, lifecycle_pendingrecount CASCADE
"""

type Ints = npt.NDArray[np.int64]
type Columns = Mapping[str, Any]


@dataclass
class Counts:
    customers: int = 0
    orders: int = 0
    lines: int = 0
    returns: int = 0


def simulate_shop_orders(customers: int, *, seed: int = SEED, days: float = DAYS) -> SimulatedOrders:
    """Simulate customers 0…n−1 with their orders in [START, START + days); first orders are uniform over the days."""
    start = int(START.timestamp()) * 1_000_000
    return simulate_orders(
        model=MODEL, spend=SPEND, customers=customers, start=start, joining_days=days, days=days, seed=seed
    )


def fill_shop(customers: int, *, seed: int = SEED, products: int = PRODUCTS) -> Counts:
    """Replace the contents of the database by the shop, with a day of orders after AS_OF."""
    from customers.events.models import Source

    draws = np.random.default_rng(seed + 1)
    catalog = simulate_catalog(products, draws)
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute(EMPTY_TABLES)
    store_products(catalog, START)
    source, _created = Source.objects.get_or_create(key=SOURCE, defaults={"name": SOURCE, "kind": Source.Kind.IMPORT})
    orders = simulate_shop_orders(customers, seed=seed, days=DAYS + 1)
    counts = Counts()
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        # Skips foreign key checks, since all keys are valid
        connection.execute("SET session_replication_role = replica")
        first_product = connection.execute("SELECT min(id) FROM catalog_product").fetchone()
        assert first_product is not None
        for low in range(0, customers, CUSTOMERS_PER_BLOCK):
            high = min(low + CUSTOMERS_PER_BLOCK, customers)
            first, last = np.searchsorted(orders.customer, [low, high])
            block = SimulatedOrders(orders.customer[first:last], orders.at[first:last], orders.value[first:last])
            write_customers(connection, block, low, high)
            write_orders(connection, block, catalog, counts, draws, source=source.pk, first_product=first_product[0])
            counts.customers += high - low
        for table in ("identity_customer", "identity_identifier", "orders_order", "orders_orderline"):
            connection.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT COALESCE(max(id), 1) FROM {table}))"
            )
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")
    return counts


def write_customers(connection: psycopg.Connection, orders: SimulatedOrders, low: int, high: int) -> None:
    """Write customers, known since their first order: all with a user id, every second with an e-mail, every third with a browser."""
    first_order_at = orders.at[np.searchsorted(orders.customer, np.arange(low, high))]
    ids = np.arange(low, high) + 1
    empty_texts = dict.fromkeys(("name", "email", "phone", "birthday", "language", "country"), "")
    timestamps = {name: to_timestamps(first_order_at) for name in ("created_at", "first_seen_at", "last_seen_at")}
    copy_columns(
        connection,
        "identity_customer",
        {"id": ids, **timestamps, **empty_texts, "traits": "{}", "field_updated_at": "{}"},
    )
    for kind, every in (("user_id", 1), ("email_hash", 2), ("anonymous_id", 3)):
        selected_ids = ids[ids % every == 0]
        columns = {
            "kind": kind,
            "value": pc.binary_join_element_wise(kind, pa.array(selected_ids).cast(pa.string()), "-"),
            "customer_id": selected_ids,
            "created_at": to_timestamps(first_order_at[ids % every == 0]),
            "linked_by": "",
        }
        copy_columns(connection, "identity_identifier", columns)


def write_orders(
    connection: psycopg.Connection,
    orders: SimulatedOrders,
    catalog: SimulatedCatalog,
    counts: Counts,
    draws: np.random.Generator,
    *,
    source: int,
    first_product: int,
) -> None:
    n = len(orders.at)
    lines_each = draws.geometric(1 / (1 + MEAN_EXTRA_LINES), n)
    starts = np.concatenate(([0], np.cumsum(lines_each)))
    order_row = np.repeat(np.arange(n), lines_each)
    share = draws.gamma(2.0, 1.0, len(order_row))
    cents = np.maximum(
        np.rint(share / np.add.reduceat(share, starts[:-1])[order_row] * orders.value[order_row] * 100), 1.0
    )
    category = draw_categories(catalog, orders.customer[order_row], draws)
    product = draw_within_categories(catalog, category, draws) + first_product
    quantity = draws.integers(1, 4, len(order_row))
    discount_cents = np.where(draws.random(len(order_row)) < DISCOUNTED_SHARE, np.rint(cents * DISCOUNT), 0.0)
    line_numbers = np.arange(len(order_row)) - starts[:-1][order_row] + 1
    order_ids = counts.orders + counts.returns + 1 + np.arange(n)
    total = np.add.reduceat(cents, starts[:-1])
    returned = np.flatnonzero(draws.random(n) < RETURNED_SHARE)
    end = int((AS_OF + timedelta(days=1)).timestamp()) * 1_000_000
    returned = returned[orders.at[returned] + RETURN_DAYS * 86_400_000_000 < end]
    return_ids = order_ids[-1] + 1 + np.arange(len(returned))
    first_line = starts[:-1][returned]
    documents = (
        ("sale", order_ids, orders.customer, orders.at, total),
        (
            "return",
            return_ids,
            orders.customer[returned],
            orders.at[returned] + RETURN_DAYS * 86_400_000_000,
            -cents[first_line],
        ),
    )
    for kind, ids, customer, at, amount in documents:
        columns = {
            "id": ids, "source_id": source, "order_id": pa.array(ids).cast(pa.string()), "customer_id": customer + 1,
            "guest_email_hash": "", "kind": kind, "status": "placed", "placed_at": to_timestamps(at), "currency": "EUR",
            "subtotal": to_amounts(amount), "discount": "0", "shipping": "0", "tax": "0", "total": to_amounts(amount), "refunded": "0",
            "coupon": "", "channel": "web", "created_at": to_timestamps(at),
        }  # fmt: skip
        copy_columns(connection, "orders_order", columns)
    sale_lines = (order_ids[order_row], line_numbers, product, quantity, cents, discount_cents)
    returned_lines = (
        return_ids, np.ones(len(returned), np.int64), product[first_line], -quantity[first_line], -cents[first_line],
        np.zeros(len(returned)),
    )  # fmt: skip
    for order_id, line_number, product_id, units, charged, discount in (sale_lines, returned_lines):
        columns = {
            "order_id": order_id, "line_number": line_number, "product_id": product_id, "quantity": units,
            "unit_price": pa.array(np.round((charged + discount) / units / 100, 4)), "discount": to_amounts(discount),
            "total": to_amounts(charged),
        }  # fmt: skip
        copy_columns(connection, "orders_orderline", columns)
    counts.orders += n
    counts.returns += len(returned)
    counts.lines += len(order_row) + len(returned)


def draw_categories(catalog: SimulatedCatalog, customer: Ints, draws: np.random.Generator) -> Ints:
    """Draw mostly from the few categories derived from a customer's number, else any."""
    n = len(catalog.starts) - 1
    own_category = (customer * 2_654_435_761 + draws.integers(OWN_CATEGORIES, size=len(customer)) * 40_503) % n
    return np.where(
        draws.random(len(customer)) < OWN_CATEGORY_SHARE, own_category, draw_by_power_law(len(customer), n, draws)
    )


def to_timestamps(at: Ints) -> pa.Array:
    return pa.array(at, pa.timestamp("us", tz="UTC"))


def to_amounts(cents: npt.NDArray[np.float64]) -> pa.Array:
    return pa.array(np.round(cents / 100, 2))


def copy_columns(connection: psycopg.Connection, table: str, columns: Columns) -> None:
    """Copy columns of one length; a single string or number fills its column."""
    rows = max(len(values) for values in columns.values() if not isinstance(values, str | int))
    arrays = [
        pa.repeat(pa.scalar(values), rows) if isinstance(values, str | int) else pa.array(values)
        for values in columns.values()
    ]
    buffer = io.BytesIO()
    pacsv.write_csv(pa.table(arrays, list(columns)), buffer, pacsv.WriteOptions(include_header=False))
    with connection.cursor().copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT csv)") as copy:
        copy.write(buffer.getbuffer())
