"""Turns order events into orders: each event is logged, and an order is derived from its log whenever an event arrives.

The order of arrival does not matter, nor do repeated events. Set-based, in the caller's transaction.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import connection

from catalog.categories import ensure_categories
from catalog.sku_lookup import find_products_by_group, find_products_by_sku
from config.foundation.database.advisory_locks import compute_lock_key
from config.foundation.shop.profile import get_shop
from customers.events.event_taxonomy import Meaning
from customers.events.recent.correction import RevokedPurchase
from customers.orders.models import Order
from customers.orders.order_events.event_parsing import OrderEventError, parse_order_event, read_order_id
from customers.orders.order_events.event_sourcing import (
    COMPLETED,
    EVENT_TYPES,
    REFUNDED,
    Buyer,
    DerivedOrder,
    LoggedOrderEvent,
    derive_order,
)
from customers.orders.order_events.imported_states import insert_first_states
from customers.orders.source_lock import name_source_lock

TYPE_OF_MEANING = {
    Meaning.PURCHASE: "completed",
    Meaning.ORDER_UPDATE: "updated",
    Meaning.REFUND: "refunded",
    Meaning.CANCELLATION: "cancelled",
}

# Every INSERT sorts its rows by their unique key, so that two writers lock rows in the same order and cannot deadlock. COLLATE "C"
# compares bytes, which is faster than a collation and the same in every database.
INSERT_EVENTS = """
INSERT INTO orders_orderevent (
    source_id, message_id, order_id, kind, occurred_at, user_id, anonymous_id, guest_email_hash, content, folded
)
SELECT source_id, message_id, order_id, kind, occurred_at, user_id, anonymous_id, guest_email_hash, content, false
FROM json_to_recordset(%s) AS row (
    source_id bigint, message_id text, order_id text, kind text, occurred_at timestamptz, user_id text, anonymous_id text,
    guest_email_hash text, content jsonb
)
ORDER BY source_id, message_id COLLATE "C"
ON CONFLICT (source_id, message_id) DO NOTHING
"""
SELECT_WAITING_ORDERS = """
SELECT DISTINCT e.source_id, s.key, e.order_id
FROM orders_orderevent e JOIN events_source s ON s.id = e.source_id
WHERE NOT e.folded
ORDER BY s.key, e.order_id
LIMIT %s
"""
SELECT_WAITING_EVENTS = """
SELECT e.source_id, e.message_id
FROM unnest(%(sources)s::bigint[], %(messages)s::text[]) AS w (source_id, message_id)
JOIN orders_orderevent e ON e.source_id = w.source_id AND e.message_id = w.message_id
WHERE NOT e.folded
"""
SELECT_EVENTS = """
SELECT e.source_id, e.order_id, e.kind, e.occurred_at, e.message_id, e.content, e.user_id, e.anonymous_id,
       e.guest_email_hash
FROM unnest(%(sources)s::bigint[], %(orders)s::text[]) AS w (source_id, order_id)
JOIN orders_orderevent e ON e.source_id = w.source_id AND e.order_id = w.order_id
"""
SELECT_ORDERS = """
SELECT o.source_id, o.order_id, o.id, o.customer_id, o.kind, o.currency
FROM unnest(%(sources)s::bigint[], %(orders)s::text[]) AS w (source_id, order_id)
JOIN orders_order o ON o.source_id = w.source_id AND o.order_id = w.order_id
"""
SELECT_OWNERS = """
SELECT kind, value, customer_id FROM identity_identifier
WHERE (kind = 'user_id' AND value = ANY(%(user_ids)s)) OR (kind = 'anonymous_id' AND value = ANY(%(anonymous_ids)s))
"""
INSERT_PRODUCTS = """
INSERT INTO catalog_product (product_id, sku, title, description, category_id, brand, price, currency, availability,
                             image_url, url, attributes, tags, is_active, is_draft, created_at, updated_at)
SELECT product_id, '', title, '', category_id, brand, price, CASE WHEN price IS NULL THEN '' ELSE currency END, 'in_stock',
       '', '', '{}', '{}', false, true, %(at)s, %(at)s
FROM json_to_recordset(%(rows)s) AS row (
    product_id text, title text, category_id bigint, brand text, price numeric, currency text
)
ORDER BY product_id COLLATE "C"
ON CONFLICT (product_id) DO NOTHING
"""
ORDER_COLUMNS = (
    "customer_id", "guest_email_hash", "status", "placed_at", "currency", "subtotal", "discount", "shipping", "tax", "total",
    "refunded", "coupon", "channel",
)  # fmt: skip
UPSERT_ORDERS = f"""
INSERT INTO orders_order (source_id, order_id, kind, created_at, {", ".join(ORDER_COLUMNS)})
SELECT source_id, order_id, 'sale', %(at)s, {", ".join(ORDER_COLUMNS)}
FROM json_to_recordset(%(rows)s) AS row (
    source_id bigint, order_id text, customer_id bigint, guest_email_hash text, status text, placed_at timestamptz,
    currency text, subtotal numeric, discount numeric, shipping numeric, tax numeric, total numeric, refunded numeric,
    coupon text, channel text
)
ORDER BY source_id, order_id COLLATE "C"
ON CONFLICT (source_id, order_id) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in ORDER_COLUMNS)}
WHERE ({", ".join(f"orders_order.{name}" for name in ORDER_COLUMNS)})
      IS DISTINCT FROM ({", ".join(f"excluded.{name}" for name in ORDER_COLUMNS)})
RETURNING xmax = 0  -- xmax is 0 in an inserted row and set in an updated one
"""  # noqa: S608 — the names are constants
LINE_COLUMNS = ("product_id", "quantity", "unit_price", "discount", "total")
UPSERT_LINES = f"""
INSERT INTO orders_orderline (order_id, line_number, {", ".join(LINE_COLUMNS)})
SELECT order_id, line_number, {", ".join(LINE_COLUMNS)}
FROM json_to_recordset(%s) AS row (
    order_id bigint, line_number integer, product_id bigint, quantity numeric, unit_price numeric, discount numeric, total numeric
)
ORDER BY order_id, line_number
ON CONFLICT (order_id, line_number) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in LINE_COLUMNS)}
WHERE ({", ".join(f"orders_orderline.{name}" for name in LINE_COLUMNS)})
      IS DISTINCT FROM ({", ".join(f"excluded.{name}" for name in LINE_COLUMNS)})
"""  # noqa: S608 — the names are constants
DELETE_SURPLUS_LINES = """
DELETE FROM orders_orderline l USING unnest(%s::bigint[], %s::integer[]) AS o (id, lines)
WHERE l.order_id = o.id AND l.line_number > o.lines
"""
MARK_PROJECTED = """
UPDATE orders_orderevent e SET folded = true
FROM unnest(%(sources)s::bigint[], %(orders)s::text[]) AS w (source_id, order_id)
WHERE e.source_id = w.source_id AND e.order_id = w.order_id AND NOT e.folded
"""
MAX_ORDERS = 5_000


class OrderMessage(NamedTuple):
    """An event about an order, as stored.

    ``position`` is its index in the caller's list of events.
    """

    position: int
    source_id: int
    message_id: str
    meaning: Meaning
    name: str
    occurred_at: datetime
    received_at: datetime
    user_id: str
    anonymous_id: str
    guest_email_hash: str
    properties: Mapping[str, Any]


class UnmatchedReturn(NamedTuple):
    """A refund with a returned product that is not in its order and counts as 0."""

    source_id: int
    message_id: str
    order_id: str
    product_id: str


class OrderKey(NamedTuple):
    source_id: int
    order_id: str


class StoredOrder(NamedTuple):
    """What the derivation needs to know of an order that exists."""

    id: int
    customer_id: int | None
    kind: str
    currency: str


@dataclass
class OrderProjection:
    """The result of a projection.

    Attributes:
        customer_ids: the customers whose orders changed.
        rejected: position, code and reason of each event that was rejected.
        cancelled: the purchases of the orders that are cancelled now.
        unmatched_returns: those of new refunds, and of refunds that waited for their order.
    """

    created: int = 0
    updated: int = 0
    products_created: int = 0
    customer_ids: set[int] = field(default_factory=set)
    rejected: list[tuple[int, str, str]] = field(default_factory=list)
    cancelled: list[RevokedPurchase] = field(default_factory=list)
    unmatched_returns: list[UnmatchedReturn] = field(default_factory=list)


def project_orders(*, messages: Sequence[OrderMessage], at: datetime) -> OrderProjection:
    """Log events, and derive the orders of all logged events that have not been projected yet.

    Events of a source whose file is being imported wait in the log until the import ends.
    """
    result = OrderProjection()
    log_messages(messages, result)
    keys = claim_waiting_orders()
    if keys:
        derive_orders(keys, result, at=at)
    return result


def log_messages(messages: Sequence[OrderMessage], result: OrderProjection) -> None:
    rows = []
    for message in messages:
        try:
            order_id = read_order_id(message.properties, name=message.name)
            content = parse_order_event(message.properties, meaning=message.meaning, name=message.name)
        except OrderEventError as error:
            result.rejected.append((message.position, error.code, error.reason))
            continue
        rows.append(
            {
                "source_id": message.source_id,
                "message_id": message.message_id,
                "order_id": order_id,
                "kind": TYPE_OF_MEANING[message.meaning],
                # an order cannot be in the future: a device clock that is ahead must not hide it
                "occurred_at": min(message.occurred_at, message.received_at).isoformat(),
                "user_id": message.user_id,
                "anonymous_id": message.anonymous_id,
                "guest_email_hash": message.guest_email_hash,
                "content": content,
            }
        )
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(INSERT_EVENTS, [json.dumps(rows)])


def claim_waiting_orders() -> list[OrderKey]:
    """Return the orders with new events, of the sources whose lock is free.

    The locks are held until the transaction ends.
    """
    with connection.cursor() as cursor:
        cursor.execute(SELECT_WAITING_ORDERS, [MAX_ORDERS])
        waiting = cursor.fetchall()
        free = {}  # by source: whether this transaction holds its lock; a source that is being imported is left for later
        for source_id, source_key in sorted({(row[0], row[1]) for row in waiting}, key=lambda row: row[1]):
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [compute_lock_key(name_source_lock(source_key))])
            free[source_id] = cursor.fetchone()[0]
    return [OrderKey(source_id, order_id) for source_id, _key, order_id in waiting if free[source_id]]


def derive_orders(keys: Sequence[OrderKey], result: OrderProjection, *, at: datetime) -> None:
    parameters = build_key_parameters(keys)
    with connection.cursor() as cursor:
        insert_first_states(cursor, parameters)
        events = read_log(cursor, parameters)
        stored = read_stored_orders(cursor, parameters)
        derived = derive_from_log(cursor, keys, events, stored)
        for key, order in derived.items():
            if order.status == Order.Status.CANCELLED:
                result.cancelled += list_purchases(key, events[key])
        result.unmatched_returns += find_new_unmatched_returns(cursor, derived, stored)
        if derived:
            write_orders(cursor, derived, stored, result, at=at)
        cursor.execute(MARK_PROJECTED, parameters)


def find_new_unmatched_returns(
    cursor: Any, derived: Mapping[OrderKey, DerivedOrder], stored: Mapping[OrderKey, StoredOrder]
) -> list[UnmatchedReturn]:
    """Return the unmatched returns that have not been reported: of new refunds, and of those that came before their order."""
    returns = [
        UnmatchedReturn(key.source_id, message_id, key.order_id, product_id)
        for key, order in derived.items()
        for message_id, product_id in order.unmatched_returns.items()
    ]
    if not returns:
        return []
    cursor.execute(
        SELECT_WAITING_EVENTS,
        {"sources": [item.source_id for item in returns], "messages": [item.message_id for item in returns]},
    )
    waiting = set(cursor.fetchall())
    return [
        item
        for item in returns
        if (item.source_id, item.message_id) in waiting or OrderKey(item.source_id, item.order_id) not in stored
    ]


def derive_imported_orders(keys: Sequence[OrderKey], *, at: datetime) -> None:
    """Derive orders from their logs, to which an import has added their new states.

    Waiting events count, but stay marked as waiting: the next run of the pipeline reports what they change.
    """
    parameters = build_key_parameters(keys)
    with connection.cursor() as cursor:
        events, stored = read_log(cursor, parameters), read_stored_orders(cursor, parameters)
        if derived := derive_from_log(cursor, keys, events, stored):
            write_orders(cursor, derived, stored, OrderProjection(), at=at)


def derive_from_log(
    cursor: Any,
    keys: Iterable[OrderKey],
    events: Mapping[OrderKey, Sequence[LoggedOrderEvent]],
    stored: Mapping[OrderKey, StoredOrder],
    *,
    keeps_imported_lines: bool = True,
) -> dict[OrderKey, DerivedOrder]:
    """Return the orders that the logs describe, without imported credit notes: events describe sales only."""
    product_keys = find_returned_products(cursor, events)
    derived, currency = {}, get_shop().currency
    for key in keys:
        known = stored.get(key)
        if known is not None and known.kind == Order.Kind.RETURN:
            continue
        order = derive_order(
            events[key],
            # the shop's currency may have changed since the order was placed
            currency=currency if known is None else known.currency,
            keeps_imported_lines=keeps_imported_lines,
            product_keys=product_keys,
        )
        if order is not None:
            derived[key] = order
    return derived


def find_returned_products(cursor: Any, events: Mapping[OrderKey, Sequence[LoggedOrderEvent]]) -> dict[str, int]:
    """Return the database IDs of the products of orders with returned products; the order may name the SKU and the refund the ID."""
    products: set[str] = set()
    for log in events.values():
        if any(event.kind == REFUNDED and "products" in event.content for event in log):
            for event in log:
                items = event.content.get("products" if event.kind == REFUNDED else "lines", ())
                products.update(item["product_id"] for item in items)
    return find_products(cursor, products) if products else {}


def list_purchases(key: OrderKey, events: Iterable[LoggedOrderEvent]) -> list[RevokedPurchase]:
    return [
        RevokedPurchase(key.source_id, event.message_id, event.user_id, event.anonymous_id, event.occurred_at)
        for event in events
        if event.kind == COMPLETED
    ]


def build_key_parameters(keys: Iterable[OrderKey]) -> dict[str, Any]:
    key_list = list(keys)
    return {"sources": [key.source_id for key in key_list], "orders": [key.order_id for key in key_list]}


def read_log(cursor: Any, parameters: Mapping[str, Any]) -> dict[OrderKey, list[LoggedOrderEvent]]:
    cursor.execute(SELECT_EVENTS, parameters)
    events: dict[OrderKey, list[LoggedOrderEvent]] = defaultdict(list)
    for (
        source_id,
        order_id,
        kind,
        occurred_at,
        message_id,
        content,
        user_id,
        anonymous_id,
        email_hash,
    ) in cursor.fetchall():
        assert kind in EVENT_TYPES
        events[OrderKey(source_id, order_id)].append(
            LoggedOrderEvent(kind, occurred_at, message_id, json.loads(content), user_id, anonymous_id, email_hash)
        )
    return events


def read_stored_orders(cursor: Any, parameters: Mapping[str, Any]) -> dict[OrderKey, StoredOrder]:
    cursor.execute(SELECT_ORDERS, parameters)
    return {OrderKey(*row[:2]): StoredOrder(*row[2:]) for row in cursor.fetchall()}


def write_orders(
    cursor: Any,
    derived: Mapping[OrderKey, DerivedOrder],
    stored: Mapping[OrderKey, StoredOrder],
    result: OrderProjection,
    *,
    at: datetime,
) -> None:
    owners = find_owners(cursor, derived.values())
    rows = []
    for key, order in derived.items():
        previous_owner = stored[key].customer_id if key in stored else None
        customer_id = find_owner(order, owners, previous_owner)
        result.customer_ids.update(customer for customer in (previous_owner, customer_id) if customer is not None)
        row = {name: getattr(order, name) for name in ORDER_COLUMNS if name != "customer_id"}
        rows.append({"source_id": key.source_id, "order_id": key.order_id, "customer_id": customer_id, **row})
    cursor.execute(UPSERT_ORDERS, {"rows": json.dumps(rows, default=str), "at": at})
    created_flags = [created for (created,) in cursor.fetchall()]
    result.created += sum(created_flags)
    result.updated += len(created_flags) - sum(created_flags)
    write_lines(cursor, {key: order for key, order in derived.items() if order.lines is not None}, result, at=at)


def find_owners(cursor: Any, orders: Collection[DerivedOrder | Buyer]) -> dict[tuple[str, str], int]:
    user_ids = {order.user_id for order in orders if order.user_id}
    anonymous_ids = {order.anonymous_id for order in orders if order.anonymous_id}
    cursor.execute(SELECT_OWNERS, {"user_ids": sorted(user_ids), "anonymous_ids": sorted(anonymous_ids)})
    return {(kind, value): customer_id for kind, value, customer_id in cursor.fetchall()}


def find_owner(
    order: DerivedOrder | Buyer, owners: Mapping[tuple[str, str], int], previous_owner: int | None
) -> int | None:
    """Return the customer that the events name.

    Without one, an order keeps its customer. A visitor does not take an order from the customer with whom it was imported.
    """
    if order.user_id:
        return owners.get(("user_id", order.user_id), previous_owner)
    if order.keeps_customer and previous_owner is not None:
        return previous_owner
    return owners.get(("anonymous_id", order.anonymous_id), previous_owner)


def write_lines(cursor: Any, orders: Mapping[OrderKey, DerivedOrder], result: OrderProjection, *, at: datetime) -> None:
    if not orders:
        return
    products = find_or_create_products(cursor, orders.values(), result, at=at)
    ids = {key: order.id for key, order in read_stored_orders(cursor, build_key_parameters(orders)).items()}
    lines = [
        {name: line[name] for name in LINE_COLUMNS}
        | {"order_id": ids[key], "line_number": number, "product_id": products[line["product_id"]]}
        for key, order in orders.items()
        for number, line in enumerate(order.lines or (), start=1)
    ]
    cursor.execute(
        DELETE_SURPLUS_LINES, [[ids[key] for key in orders], [len(order.lines or ()) for order in orders.values()]]
    )
    if lines:
        cursor.execute(UPSERT_LINES, [json.dumps(lines)])


def find_or_create_products(
    cursor: Any, orders: Iterable[DerivedOrder], result: OrderProjection, *, at: datetime
) -> dict[str, int]:
    """Return the database IDs of all products; an ID may be a SKU, and unknown ones become drafts from their first line."""
    lines: dict[str, tuple[Mapping[str, Any], str]] = {}
    for order in orders:
        for line in order.lines or ():
            lines.setdefault(line["product_id"], (line, order.currency))
    known = find_products(cursor, lines)
    missing = {product_id: line for product_id, line in lines.items() if product_id not in known}
    if not missing:
        return known
    categories = ensure_categories({line["category"] for line, _currency in missing.values() if line["category"]})
    rows = [
        {
            "product_id": product_id,
            "title": line["title"] or product_id,
            "category_id": categories.get(line["category"]),
            "brand": line["brand"],
            "price": line["unit_price"] if Decimal(line["unit_price"]) > 0 else None,
            "currency": currency,
        }
        for product_id, (line, currency) in missing.items()
    ]
    cursor.execute(INSERT_PRODUCTS, {"rows": json.dumps(rows), "at": at})
    result.products_created += cursor.rowcount
    # read again instead of RETURNING, which omits products that another transaction has just created
    return known | find_products(cursor, missing)


def find_products(cursor: Any, product_ids: Iterable[str]) -> dict[str, int]:
    """Return the database ID of each product that is known by its ID, its SKU or, as events do, by the ID of its group."""
    references = set(product_ids)
    cursor.execute(
        "SELECT product_id, id, is_draft FROM catalog_product WHERE product_id = ANY(%s)", [list(references)]
    )
    rows = cursor.fetchall()
    others = references.difference(product_id for product_id, _key, is_draft in rows if not is_draft)
    found = find_products_by_group(others) | find_products_by_sku(others)
    return {product_id: key for product_id, key, _is_draft in rows} | {name: key for name, (key, _id) in found.items()}
