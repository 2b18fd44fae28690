"""The training data as arrays, read from the warehouse."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from customers.events.event_taxonomy import EVENT_NAMES, Meaning
from customers.warehouse.connection import Warehouse, open_warehouse
from recommendations.engine import KIND_CODES, IdMap, Interactions, Products
from recommendations.engine.data.event_weights import EventWeights
from recommendations.training.data.dismissals import Dismissals, read_dismissals
from recommendations.training.data.product_texts import ProductColumns, compute_price_bands
from recommendations.training.data.time_split import count_kinds

# event meaning → interaction type; purchases come from orders where there are any
MEANING_KINDS = {
    Meaning.VIEW: "view",
    Meaning.WISHLIST: "wishlist",
    Meaning.CART: "cart",
    Meaning.PURCHASE: "purchase",
}
NEUTRAL_STARS, MAX_STARS = 3.0, 5.0  # stars
ORDER_ID_PROPERTIES = ("order_id", "orderId", "transaction_id", "transactionId", "id")
# A purchase event and an order with different numbers are the same purchase if customer and product match within this time.
SAME_PURCHASE_WINDOW = timedelta(days=1)


class NoTrainingDataError(Exception):
    """The warehouse has no product interaction of a known customer before the given time."""

    def __init__(self, as_of: datetime) -> None:
        super().__init__(
            f"No order line or product event of a known customer before {as_of:%Y-%m-%d %H:%M}; import orders "
            "or send events, run `manage.py export_warehouse`, then train again."
        )


@dataclass(frozen=True, eq=False)
class TrainingData:
    """The interactions, products and identifiers of a shop.

    interactions: users by customer id, weights as recorded (pieces bought, 1 for a click, 0 to 1 for stars, 0 for products rated one or
    two stars). identifiers: "kind:value", with the user row of each. dismissed: products each user dismissed. published: seconds since 1970
    of each product, NaN if unknown.
    """

    interactions: Interactions
    products: Products
    identifiers: IdMap
    identifier_user: npt.NDArray[np.int32]
    fingerprint: str
    dismissed: Dismissals
    published: npt.NDArray[np.float64]

    def with_event_weights(self, weighing: EventWeights) -> "TrainingData":
        """Return the same data under the event weights a training has chosen."""
        return replace(self, interactions=weighing.of(self.interactions))

    def counts(self) -> dict[str, int]:
        """Return the number of interactions of each type that occurs."""
        return count_kinds(self.interactions)


INTERACTION_SCHEMA = pa.schema(
    [
        ("customer_id", pa.int64()),
        ("product_id", pa.string()),
        ("at", pa.timestamp("us", tz="UTC")),
        ("weight", pa.float64()),
        ("kind", pa.int8()),
    ]
)


def extract_training_data(*, as_of: datetime) -> TrainingData:
    """Read everything known before ``as_of``. Raises NoTrainingDataError."""
    with open_warehouse() as tables:
        interaction_rows = read_interactions(tables, since=None, as_of=as_of)
        catalog = tables["products"].order_by("product_id").to_pyarrow()
        vectors = tables["product_vectors"].order_by("id").to_pyarrow()
        identifiers = tables["identifiers"].select("kind", "value", "customer_id").to_pyarrow()
        dismissal_rows = read_dismissals(tables, purchases=build_purchases_table(tables), as_of=as_of)
    items = IdMap.of(catalog["product_id"].to_pylist())
    customers = IdMap.of(list_customer_ids(interaction_rows, dismissal_rows))
    interactions = build_interactions(interaction_rows, customers=customers, items=items, as_of=as_of)
    if not (interactions.weight > 0).any():
        raise NoTrainingDataError(as_of)
    names, rows = index_identifiers(identifiers, customers)
    return TrainingData(
        interactions,
        build_products(catalog, vectors),
        names,
        rows,
        compute_fingerprint(interactions),
        Dismissals.of_table(dismissal_rows, customers=customers, items=items),
        read_publication_times(catalog, items),
    )


def list_customer_ids(interaction_rows: pa.Table, dismissal_rows: pa.Table) -> npt.NDArray[np.int64]:
    """Return the ids of customers who interacted with a product or dismissed one."""
    return np.union1d(interaction_rows["customer_id"].to_numpy(), dismissal_rows["customer_id"].to_numpy())


def read_publication_times(catalogue: pa.Table, items: IdMap) -> npt.NDArray[np.float64]:
    """Return the publication time of each item row in seconds since 1970, NaN if unknown."""
    seconds = pc.fill_null(catalogue["published_at"].cast(pa.int64()).cast(pa.float64()), np.nan).to_numpy() / 1e6
    published = np.full(len(items), np.nan)
    published[items.rows(catalogue["product_id"].to_pylist())] = seconds
    return published


def read_interactions(tables: Warehouse, *, since: datetime | None, as_of: datetime) -> pa.Table:
    """Read the interactions from ``since`` until before ``as_of``, in INTERACTION_SCHEMA; ``kind`` is the index in KINDS."""
    ratings = build_ratings_table(tables, as_of=as_of)
    parts = [
        zero_disliked(build_order_lines_table(tables), ratings),
        zero_disliked(build_product_events_table(tables), ratings),
        keep_positive_ratings(ratings),
    ]
    parts = [
        part.filter(part.at < as_of) if since is None else part.filter((part.at >= since) & (part.at < as_of))
        for part in parts
    ]
    return pa.concat_tables([part.to_pyarrow().cast(INTERACTION_SCHEMA) for part in parts])


def build_order_lines_table(tables: Warehouse) -> ir.Table:
    """Select the sold order lines.

    Coupons and corrections have quantity 0; returns are documents of another kind.
    """
    lines = tables["order_lines"]
    sold_lines = lines.filter(
        (lines.quantity > 0) & lines.customer_id.notnull() & (lines.kind == "sale") & (lines.status != "cancelled")
    )
    return sold_lines.select(
        "customer_id",
        "product_id",
        at=sold_lines.placed_at,
        weight=sold_lines.quantity.cast("float64"),
        kind=ibis.literal(KIND_CODES["purchase"], "int8"),
    )


def build_product_events_table(tables: Warehouse) -> ir.Table:
    """Select product events, one row per product. Visitors count too: the processor gives each of them a customer."""
    events = tables["events"]
    product_events = events.filter(
        (events.type == "track") & events.customer_id.notnull() & events.product_ids.notnull()
    )
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
        at=product_events.occurred_at,
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
    """Return the latest rating, 1 to 5 stars, per customer and product: customer_id, product_id, at, stars.

    Reviews take precedence. A rating event counts only for pairs without a review: its review has another time, or was refused.
    """
    reviews = tables["reviews"]
    written = reviews.filter(reviews.customer_id.notnull() & (reviews.written_at < as_of)).select(
        "id", "customer_id", "product_id", at=reviews.written_at, stars=reviews.rating.cast("float64")
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
        "id", "customer_id", product_id=rating_events.product_ids.unnest(), at=rating_events.occurred_at, stars=stars
    )
    rating_events = rating_events.filter(rating_events.stars.between(1.0, MAX_STARS)).anti_join(
        written, ["customer_id", "product_id"]
    )
    ratings = written.union(rating_events)
    age_rank = ibis.row_number().over(
        group_by=["customer_id", "product_id"], order_by=[ibis.desc(ratings["at"]), ibis.desc(ratings["id"])]
    )
    return ratings.mutate(place=age_rank).filter(ibis._.place == 0).drop("place", "id")


def keep_positive_ratings(ratings: ir.Table) -> ir.Table:
    """Return ratings above three stars as interactions; weight 1 for five stars."""
    weight = ((ratings.stars - NEUTRAL_STARS) / (MAX_STARS - NEUTRAL_STARS)).clip(0.0, 1.0)
    weighted = ratings.mutate(weight=weight, kind=ibis.literal(KIND_CODES["rating"], "int8"))
    return weighted.filter(weighted.weight > 0).select(*INTERACTION_SCHEMA.names)


def zero_disliked(rows: ir.Table, ratings: ir.Table) -> ir.Table:
    """Set the weight of interactions to 0 where the customer's latest rating of the product is one or two stars.

    The rows stay because the customer knows the product. Two stars get no fraction: a training may count any purchase above 0 as one.
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
    """Drop purchase events that an order covers: the order number is known, or the same product was bought at about the same time.

    Orders are the source of truth, cancelled ones too.
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


def build_interactions(table: pa.Table, *, customers: IdMap, items: IdMap, as_of: datetime) -> Interactions:
    """Return the numbered interactions in time order; rows whose product is not in the catalog are dropped."""
    seconds = table["at"].cast(pa.int64()).to_numpy() / 1e6
    customer_ids, item = table["customer_id"].to_numpy(), find_item_rows(items, table["product_id"])
    kind, weight = table["kind"].to_numpy(), table["weight"].to_numpy()
    time_order = np.lexsort((weight, kind, item, customer_ids, seconds))
    time_order = time_order[item[time_order] >= 0]
    return Interactions.from_rows(
        user=customers.rows(customer_ids[time_order]),
        item=item[time_order],
        order=seconds[time_order],
        weight=weight[time_order],
        kind=kind[time_order],
        users=customers,
        items=items,
        as_of=as_of.astimezone(UTC).timestamp(),
    )


def find_item_rows(items: IdMap, column: pa.ChunkedArray) -> npt.NDArray[np.int32]:
    """Return the item row of each product id; each distinct id is looked up once."""
    encoded = column.combine_chunks().dictionary_encode()
    return items.rows(encoded.dictionary.to_pylist())[encoded.indices.to_numpy(zero_copy_only=False)]


def build_products(catalogue: pa.Table, vectors: pa.Table | None = None) -> Products:
    """Return texts and vectors of the products, ordered by the bytes of their ids, as the item rows are."""
    order = np.argsort(np.array([text.encode() for text in catalogue["product_id"].to_pylist()], dtype=object))
    sorted_rows = catalogue.take(pa.array(order))
    columns = {
        name: [text or "" for text in sorted_rows[name].to_pylist()]
        for name in ("title", "description", "brand", "category", "currency")
    }
    band = compute_price_bands(
        price=pc.fill_null(sorted_rows["price"].cast(pa.float64()), np.nan).to_numpy(),
        currency=columns.pop("currency"),
        category=columns["category"],
    )
    attributes = [json.loads(text) if text else {} for text in sorted_rows["attributes"].to_pylist()]
    described = ProductColumns(
        **columns, attributes=attributes, tags=[tags or [] for tags in sorted_rows["tags"].to_pylist()]
    )
    products = Products.of_columns(described.texts(band))
    if vectors is None:
        return products
    return replace(products, vectors=build_vectors(vectors, IdMap.of(catalogue["product_id"].to_pylist())))


def build_vectors(vectors: pa.Table, items: IdMap) -> dict[str, npt.NDArray[np.float32]]:
    """Return name → float32 (items, d); the row is zero where a product has no vector of that name."""
    blocks = {}
    for name in sorted(pc.unique(vectors["name"]).to_pylist()):
        rows = vectors.filter(pc.equal(vectors["name"], name))
        dimension = rows["dimension"][0].as_py()
        item_rows = items.rows(rows["product_id"].to_pylist())
        block = np.zeros((len(items), dimension), np.float32)
        values = rows["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(-1, dimension)
        block[item_rows[item_rows >= 0]] = values[item_rows >= 0]
        blocks[name] = block
    return blocks


def index_identifiers(identifiers: pa.Table, customers: IdMap) -> tuple[IdMap, npt.NDArray[np.int32]]:
    """Return the names "kind:value" of customers in the training data, and their user rows."""
    rows = customers.rows(identifiers["customer_id"].to_numpy())
    known_rows = np.flatnonzero(rows >= 0)
    types, values = identifiers["kind"].to_pylist(), identifiers["value"].to_pylist()
    names, name_rows = IdMap.numbered([f"{types[number]}:{values[number]}" for number in known_rows])
    user = np.full(len(names), -1, np.int32)
    user[name_rows] = rows[known_rows]
    return names, user


def compute_fingerprint(interactions: Interactions) -> str:
    """Return the SHA-256 of the interactions: equal data, equal fingerprint."""
    digest = hashlib.sha256()
    for array in (interactions.user, interactions.item, interactions.order, interactions.weight, interactions.kind):
        digest.update(np.ascontiguousarray(array).tobytes())
    for names in (interactions.users, interactions.items):
        digest.update(np.ascontiguousarray(names.text).tobytes())
    return digest.hexdigest()
