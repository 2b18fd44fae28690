"""Reads the facts that stages are derived from.

They are orders, returns, and when customers became known and identified.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
from psycopg import sql

from catalog.models import Category
from config.foundation.database.binary_copy import IntegerColumns, read_integers
from config.foundation.shop.profile import get_shop_clock
from customers.lifecycle.facts.amounts import build_net_amount
from customers.lifecycle.scoring.clv.purchase_histories import DAY, PurchaseHistories, summarize_purchases
from customers.lifecycle.scoring.clv.returns import assign_returns
from customers.lifecycle.scoring.stages.derivation import OrderHistories

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# A customer is known from their earliest trace: an import can add orders from before the customer was created.
CUSTOMERS = sql.SQL("""
    SELECT c.id, LEAST(c.created_at, c.first_seen_at, o.at) AS known_at, COALESCE(i.at, 'infinity') AS identified_at
    FROM identity_customer c
    LEFT JOIN (
        SELECT customer_id, min(placed_at) AS at FROM orders_order
        WHERE customer_id IS NOT NULL AND placed_at < {as_of}{owner_filter}
        GROUP BY customer_id
    ) AS o ON o.customer_id = c.id
    LEFT JOIN (
        SELECT customer_id, min(created_at) AS at FROM identity_identifier
        WHERE kind IN ('user_id', 'email_hash', 'phone_hash'){owner_filter}
        GROUP BY customer_id
    ) AS i ON i.customer_id = c.id
    WHERE c.erased_at IS NULL AND LEAST(c.created_at, c.first_seen_at, o.at) < {as_of}{customer_filter}
    ORDER BY c.id
""")

FACTS = sql.SQL("""
    SELECT o.customer_id, o.placed_at AS at, (({net}) * 100)::bigint AS amount,
           (o.kind = 'sale')::int::bigint AS is_order, COALESCE(m.code, -1) AS category
    FROM orders_order o
    JOIN identity_customer c ON c.id = o.customer_id
    LEFT JOIN ({main_categories}) AS m ON m.order_id = o.id
    WHERE c.erased_at IS NULL AND o.status <> 'cancelled' AND o.placed_at < {as_of}
      AND c.id = ANY({ids}::bigint[])
    ORDER BY o.customer_id, o.placed_at, o.id
""")
# The main category of an order is the top-level category of its most expensive line. The subquery on the orders keeps the scan to the
# lines of these customers.
MAIN_CATEGORIES = sql.SQL("""
    SELECT DISTINCT ON (l.order_id) l.order_id, t.code
    FROM orders_orderline l
    JOIN catalog_product p ON p.id = l.product_id
    JOIN catalog_category k ON k.id = p.category_id
    JOIN unnest({names}::text[]) WITH ORDINALITY AS n (name, position) ON n.name = split_part(k.path, ' > ', 1)
    CROSS JOIN LATERAL (SELECT n.position - 1 AS code) AS t
    WHERE l.order_id IN (SELECT id FROM orders_order WHERE customer_id = ANY({ids}::bigint[]))
    ORDER BY l.order_id, l.total DESC, t.code
""")
NO_CATEGORIES = sql.SQL("SELECT NULL::bigint AS order_id, -1::bigint AS code WHERE false")


def to_microseconds(moment: datetime) -> int:
    """Return microseconds since 1970 as an integer, which is exact, unlike seconds as a float."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def from_microseconds(microseconds: int) -> datetime:
    return EPOCH + timedelta(microseconds=microseconds)


def read_customers(*, as_of: datetime, customer_ids: Sequence[int] | None = None) -> IntegerColumns:
    """Return id, known_at and identified_at of customers known before ``as_of``, by ID.

    Optionally, only of some customers.
    """
    customer_filter: sql.Composable = sql.SQL("")
    owner_filter: sql.Composable = sql.SQL("")
    if customer_ids is not None:
        ids = sql.Literal(list(customer_ids))
        customer_filter = sql.SQL(" AND c.id = ANY({}::bigint[])").format(ids)
        owner_filter = sql.SQL(" AND customer_id = ANY({}::bigint[])").format(ids)
    query = CUSTOMERS.format(as_of=sql.Literal(as_of), customer_filter=customer_filter, owner_filter=owner_filter)
    moments = ["known_at", "identified_at"]
    return read_integers(query, ["id", *moments], moments=moments)


def read_histories(*, as_of: datetime, customer_ids: Sequence[int], with_categories: bool = True) -> OrderHistories:
    """Return the facts before ``as_of`` of these customers.

    `read_order_facts` does so for all customers. with_categories: False leaves out the categories, which are read from every order line.
    """
    names = list_top_categories() if with_categories else []
    parts = {
        "as_of": sql.Literal(as_of),
        "net": build_net_amount(),
        "ids": sql.Literal(list(customer_ids)),
    }
    main = MAIN_CATEGORIES.format(names=sql.Literal(names), **parts) if names else NO_CATEGORIES
    customers = read_customers(as_of=as_of, customer_ids=customer_ids)
    columns = ["customer_id", "at", "amount", "is_order", "category"]
    facts = read_integers(FACTS.format(main_categories=main, **parts), columns, moments=["at"])
    ids = customers["id"]
    # Facts are sorted by customer. A fact of an unknown customer is impossible: an order makes its customer known.
    starts = np.append(np.searchsorted(facts["customer_id"], ids), len(facts["at"]))
    return OrderHistories(
        customer=ids,
        known_at=customers["known_at"],
        identified_at=customers["identified_at"],
        start=starts.astype(np.int64),
        at=facts["at"],
        amount=facts["amount"],
        is_order=facts["is_order"].astype(bool),
        clock=get_shop_clock(),
        category=facts["category"],
        categories=names,
    )


def list_top_categories() -> list[str]:
    """Return the first level of all category paths, sorted."""
    paths = Category.objects.values_list("path", flat=True)
    return sorted({path.split(" > ")[0] for path in paths.iterator()})


def select_orders(histories: OrderHistories) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return customer row and time of every order, sorted by both; shape (orders,) each."""
    rows = np.repeat(np.arange(len(histories.customer)), np.diff(histories.start))
    return rows[histories.is_order], histories.at[histories.is_order]


def select_purchases(
    histories: OrderHistories,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return customer ID, time and net value of every order, shape (orders,) each.

    This is the input of the purchase model.
    """
    rows, at = select_orders(histories)
    return histories.customer[rows], at, compute_net_amounts(histories) / 100


def compute_net_amounts(histories: OrderHistories) -> npt.NDArray[np.int64]:
    """Return what remains of the amount of every order after refunds and return documents, in minor units, shape (orders,)."""
    remaining, _is_returned = assign_returns(
        start=histories.start, amount=histories.amount, is_order=histories.is_order
    )
    return remaining[histories.is_order]


def summarize_histories(histories: OrderHistories, *, as_of: datetime) -> PurchaseHistories:
    """Return the purchase histories of everyone with an order.

    Amounts are added in minor units, which is exact in any order, so that a warehouse engine gets the same means.
    """
    rows, at = select_orders(histories)
    purchases = summarize_purchases(
        customer=histories.customer[rows],
        at=at,
        value=compute_net_amounts(histories),
        as_of=to_microseconds(as_of),
        clock=histories.clock,
    )
    return replace(purchases, mean_value=purchases.mean_value / 100)


def count_local_days(histories: OrderHistories, moment: datetime) -> float:
    """Return days since 1970 on the clock of the shop, with the fraction of the day."""
    return float(histories.clock.to_local(np.array([to_microseconds(moment)]))[0] / DAY)


def sum_revenue(histories: OrderHistories) -> npt.NDArray[np.int64]:
    """Return net revenue per customer in minor units, shape (n,)."""
    sums = np.concatenate(([0], np.cumsum(histories.amount)))
    return sums[histories.start[1:]] - sums[histories.start[:-1]]
