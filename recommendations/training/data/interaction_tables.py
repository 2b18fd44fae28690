"""Warehouse queries for the interactions of customers: order lines, product events and ratings."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from customers.events.event_taxonomy import EVENT_NAMES, Meaning
from customers.warehouse.connection import Warehouse
from recommendations.engine import KIND_CODES
from recommendations.training.data.data_position import DataPosition

# event meaning → interaction type; purchases come from orders where there are any
MEANING_KINDS = {
    Meaning.VIEW: "view",
    Meaning.WISHLIST: "wishlist",
    Meaning.CART: "cart",
    Meaning.PURCHASE: "purchase",
}
NEUTRAL_STARS, MAX_STARS = 3.0, 5.0
ORDER_ID_PROPERTIES = ("order_id", "orderId", "transaction_id", "transactionId", "id")
# A purchase event and an order with different numbers are the same purchase if customer and product match within this time.
SAME_PURCHASE_WINDOW = timedelta(days=1)
INTERACTION_SCHEMA = pa.schema(
    [
        ("customer_id", pa.int64()),
        ("product_id", pa.string()),
        ("at", pa.timestamp("us", tz="UTC")),
        ("weight", pa.float64()),
        ("kind", pa.int8()),
    ]
)


RATING_SCHEMA = pa.schema(
    [
        ("customer_id", pa.int64()),
        ("product_id", pa.string()),
        ("at", pa.timestamp("us", tz="UTC")),
        ("stars", pa.float64()),
        ("is_review", pa.bool_()),
    ]
)


def read_interactions(tables: Warehouse, *, as_of: datetime) -> pa.Table:
    """Read the interactions before ``as_of``, in INTERACTION_SCHEMA; ``kind`` is the index in KINDS.

    Low ratings take no weight away, and ratings that were replaced later are included: see `read_ratings`.
    """
    return collect_parts(
        [
            build_order_lines_table(tables),
            build_product_events_table(tables),
            keep_positive_ratings(build_ratings_table(tables, as_of=as_of)),
        ],
        as_of=as_of,
    )


def read_ratings(tables: Warehouse, *, as_of: datetime) -> pa.Table:
    """Read all ratings before ``as_of``, in RATING_SCHEMA.

    Of the ratings of a customer and product, a later row takes precedence.
    """
    ratings = build_ratings_table(tables, as_of=as_of).select(*RATING_SCHEMA.names)
    return ratings.order_by("customer_id", "product_id", "is_review", "at").to_pyarrow().cast(RATING_SCHEMA)


def read_new_interactions(tables: Warehouse, *, as_of: datetime, beyond: DataPosition) -> pa.Table:
    """Read the interactions before ``as_of`` that data at the position ``beyond`` may lack, whenever they happened.

    In INTERACTION_SCHEMA, with the weights known at ``as_of``.
    """
    ratings = keep_latest_ratings(build_ratings_table(tables, as_of=as_of))
    rated = keep_positive_ratings(ratings)
    return collect_parts(
        [
            zero_disliked(build_order_lines_table(tables, beyond=beyond), ratings),
            zero_disliked(build_product_events_table(tables, beyond=beyond), ratings),
            rated.filter(rated.at >= beyond.known_until_moment),
        ],
        as_of=as_of,
    )


def collect_parts(parts: Iterable[ir.Table], *, as_of: datetime) -> pa.Table:
    """Return the rows before ``as_of`` of all parts."""
    return pa.concat_tables([part.filter(part.at < as_of).to_pyarrow().cast(INTERACTION_SCHEMA) for part in parts])


def build_order_lines_table(tables: Warehouse, *, beyond: DataPosition | None = None) -> ir.Table:
    """Select the sold order lines.

    Coupons and corrections have quantity 0; returns are documents of another kind. beyond: see `read_interactions`.
    """
    lines = tables["order_lines"]
    sold_lines = lines.filter(
        (lines.quantity > 0) & lines.customer_id.notnull() & (lines.kind == "sale") & (lines.status != "cancelled")
    )
    if beyond is not None:
        is_new = sold_lines.order_pk >= beyond.first_new_order
        sold_lines = sold_lines.filter(is_new | (sold_lines.placed_at >= beyond.known_until_moment))
    return sold_lines.select(
        "customer_id",
        "product_id",
        at=sold_lines.placed_at,
        weight=sold_lines.quantity.cast("float64"),
        kind=ibis.literal(KIND_CODES["purchase"], "int8"),
    )


def read_sold_products(tables: Warehouse, *, as_of: datetime) -> list[str]:
    """Return the ids of the products sold before ``as_of``, to customers and in orders without a customer."""
    lines = tables["order_lines"]
    is_sold = (lines.quantity > 0) & (lines.kind == "sale") & (lines.status != "cancelled") & (lines.placed_at < as_of)
    sold_ids = lines.filter(is_sold & lines.product_id.notnull()).select("product_id").distinct()
    return sold_ids.to_pyarrow()["product_id"].to_pylist()


def build_product_events_table(tables: Warehouse, *, beyond: DataPosition | None = None) -> ir.Table:
    """Select product events, one row per product.

    Visitors count too: the processor gives each of them a customer. If the clock of an event is ahead, the time of
    receipt counts. beyond: see `read_interactions`.
    """
    events = tables["events"]
    product_events = events.filter(
        (events.type == "track") & events.customer_id.notnull() & events.product_ids.notnull()
    )
    if beyond is not None:
        is_new = product_events.id >= beyond.first_new_event
        product_events = product_events.filter(is_new | (product_events.received_at >= beyond.known_until_moment))
    product_events = product_events.mutate(name=product_events.name.strip().lower())
    code = ibis.cases(
        *(
            (product_events.name.isin(lowercase_names(EVENT_NAMES[meaning])), KIND_CODES[kind])
            for meaning, kind in MEANING_KINDS.items()
        ),
        else_=-1,
    )
    product_events = product_events.mutate(kind=code.cast("int8")).filter(ibis._.kind >= 0)
    rows = product_events.select(
        "customer_id",
        "source",
        "kind",
        "properties",
        at=ibis.least(product_events.occurred_at, product_events.received_at),
        product_id=product_events.product_ids.unnest(),
    )
    others = rows.filter(rows.kind != KIND_CODES["purchase"]).mutate(weight=ibis.literal(1.0))
    purchases = drop_ordered_purchases(tables, rows.filter(rows.kind == KIND_CODES["purchase"])).mutate(
        weight=ibis.literal(1.0)
    )
    return others.select(*INTERACTION_SCHEMA.names).union(purchases.select(*INTERACTION_SCHEMA.names))


def build_purchases_table(tables: Warehouse) -> ir.Table:
    """Return purchases from orders and from events, in INTERACTION_SCHEMA."""
    product_events = build_product_events_table(tables)
    return build_order_lines_table(tables).union(product_events.filter(product_events.kind == KIND_CODES["purchase"]))


def build_ratings_table(tables: Warehouse, *, as_of: datetime) -> ir.Table:
    """Return all ratings, 1 to 5 stars, before ``as_of``; of several at one moment the one that takes precedence.

    Columns: customer_id, product_id, at, stars, is_review. Reviews take precedence. A rating event counts only for pairs without a
    review: its review has another time, or was refused.
    """
    reviews = tables["reviews"]
    review_ratings = reviews.filter(reviews.customer_id.notnull() & (reviews.written_at < as_of)).select(
        "id",
        "customer_id",
        "product_id",
        at=reviews.written_at,
        stars=reviews.rating.cast("float64"),
        is_review=ibis.literal(True),
    )
    events = tables["events"]
    rating_events = events.filter(
        (events.type == "track")
        & events.name.strip().lower().isin(lowercase_names(EVENT_NAMES[Meaning.REVIEW]))
        & events.customer_id.notnull()
        & events.product_ids.notnull()
        & (events.occurred_at < as_of)
    )
    stars = extract_property_text(rating_events.properties, "rating").try_cast("float64")
    rating_events = rating_events.select(
        "id",
        "customer_id",
        product_id=rating_events.product_ids.unnest(),
        at=rating_events.occurred_at,
        stars=stars,
        is_review=ibis.literal(False),
    )
    ratings = review_ratings.union(rating_events.filter(rating_events.stars.between(1.0, MAX_STARS)))
    # By id among equal times, so that repeated reads return the same rows.
    rank = ibis.row_number().over(
        group_by=["customer_id", "product_id", "at"],
        order_by=[ibis.desc(ratings["is_review"]), ibis.desc(ratings["id"])],
    )
    return ratings.mutate(rank=rank).filter(ibis._.rank == 0).drop("rank", "id")


def keep_latest_ratings(ratings: ir.Table) -> ir.Table:
    """Return the rating that counts of each customer and product."""
    rank = ibis.row_number().over(
        group_by=["customer_id", "product_id"], order_by=[ibis.desc(ratings["is_review"]), ibis.desc(ratings["at"])]
    )
    return ratings.mutate(rank=rank).filter(ibis._.rank == 0).drop("rank")


def keep_positive_ratings(ratings: ir.Table) -> ir.Table:
    """Return ratings above three stars as interactions; weight 1 for five stars."""
    weight = ((ratings.stars - NEUTRAL_STARS) / (MAX_STARS - NEUTRAL_STARS)).clip(0.0, 1.0)
    weighted = ratings.mutate(weight=weight, kind=ibis.literal(KIND_CODES["rating"], "int8"))
    return weighted.filter(weighted.weight > 0).select(*INTERACTION_SCHEMA.names)


def zero_disliked(rows: ir.Table, ratings: ir.Table) -> ir.Table:
    """Set the weight of interactions to 0 where the customer dislikes the product.

    The customer's latest rating is one or two stars. The rows stay because the customer knows the product. Two stars
    get no fraction, because a training may count any purchase with a weight above 0 as a whole one.
    """
    disliked = ratings.filter(ratings.stars < NEUTRAL_STARS).select(by="customer_id", of="product_id")
    joined = rows.left_join(disliked, [rows.customer_id == disliked.by, rows.product_id == disliked.of])
    return joined.mutate(weight=ibis.ifelse(joined.by.isnull(), joined.weight, 0.0)).select(*INTERACTION_SCHEMA.names)


def lowercase_names(names: Iterable[str]) -> list[str]:
    """Return the names in lower case."""
    return [name.lower() for name in names]


def extract_property_text(properties: ir.StringValue, name: str) -> ir.StringValue:
    """Return a property that is a text or a number as text."""
    value = properties.cast("json")[name]
    return ibis.coalesce(value.str.nullif(""), value.int.cast("string"), value.float.cast("string"))


def drop_ordered_purchases(tables: Warehouse, purchases: ir.Table) -> ir.Table:
    """Drop purchase events that an order covers.

    An order has the same number, or the customer ordered the same product at about the same time. Orders are the source
    of truth, even canceled ones.
    """
    lines = tables["order_lines"]
    number = ibis.coalesce(*(extract_property_text(purchases.properties, name) for name in ORDER_ID_PROPERTIES))
    purchases = purchases.mutate(order_id=number)
    without_order = purchases.anti_join(tables["orders"], "order_id")
    same_purchase = [
        without_order.customer_id == lines.customer_id,
        without_order.product_id == lines.product_id,
        lines.placed_at >= without_order.at - SAME_PURCHASE_WINDOW,
        lines.placed_at <= without_order.at + SAME_PURCHASE_WINDOW,
    ]
    return without_order.anti_join(lines, same_purchase)
