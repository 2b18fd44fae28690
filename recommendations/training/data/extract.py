"""From the warehouse to the arrays that the engine learns from."""

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

from customers.events.event_taxonomy import NAMES, Meaning
from customers.warehouse.connection import Warehouse, warehouse
from recommendations.engine import KIND_CODES, IdMap, Interactions, Products
from recommendations.engine.data.event_weights import EventWeights
from recommendations.training.data.dismissals import Dismissed, dismissals_table
from recommendations.training.data.product_texts import Described, bands_of
from recommendations.training.data.time_split import kinds_in

# what an event says somebody did; a purchase is taken from the orders
KIND_OF_MEANING = {
    Meaning.VIEW: "view",
    Meaning.WISHLIST: "wishlist",
    Meaning.CART: "cart",
    Meaning.PURCHASE: "purchase",
}
NEUTRAL, MOST = 3.0, 5.0  # stars
ORDER_ID = ("order_id", "orderId", "transaction_id", "transactionId", "id")
# a purchase told by an event and by an order that names another number: the same person, the same product, hardly apart
SAME_PURCHASE = timedelta(days=1)


class NothingToTrainOnError(Exception):
    """The warehouse holds nothing that a known person did with a product before the given moment."""

    def __init__(self, as_of: datetime) -> None:
        super().__init__(
            f"There is no order line and no product event of a known customer before {as_of:%Y-%m-%d %H:%M}: import orders "
            "or send events, run `manage.py export_warehouse`, then train again."
        )


@dataclass(frozen=True, eq=False)
class TrainingData:
    """interactions: what people did, users by customer id, weights as told (pieces bought, 1 for a click, 0 to 1 for stars,
    0 for what they gave one or two).

    identifiers: "kind:value" and the user row of each. dismissed: what each user does not want to see; published: seconds since 1970 of
    each product, NaN unknown.
    """

    interactions: Interactions
    products: Products
    identifiers: IdMap
    identifier_user: npt.NDArray[np.int32]
    fingerprint: str
    dismissed: Dismissed
    published: npt.NDArray[np.float64]

    def weighed(self, weighing: EventWeights) -> "TrainingData":
        """The same with the weights that a training has chosen."""
        return replace(self, interactions=weighing.of(self.interactions))

    def counts(self) -> dict[str, int]:
        """How many interactions there are of each kind that occurs."""
        return kinds_in(self.interactions)


SCHEMA = pa.schema(
    [
        ("customer_id", pa.int64()),
        ("product_id", pa.string()),
        ("at", pa.timestamp("us", tz="UTC")),
        ("weight", pa.float64()),
        ("kind", pa.int8()),
    ]
)


def extract(*, as_of: datetime) -> TrainingData:
    """Everything known before ``as_of``. Raises NothingToTrainOnError."""
    with warehouse() as tables:
        told = interactions_table(tables, since=None, as_of=as_of)
        catalogue = tables["products"].order_by("product_id").to_pyarrow()
        vectors = tables["product_vectors"].order_by("id").to_pyarrow()
        identifiers = tables["identifiers"].select("kind", "value", "customer_id").to_pyarrow()
        unwanted = dismissals_table(tables, purchases=purchases(tables), as_of=as_of)
    items = IdMap.of(catalogue["product_id"].to_pylist())
    customers = IdMap.of(people_of(told, unwanted))
    interactions = interactions_of(told, customers=customers, items=items, as_of=as_of)
    if not (interactions.weight > 0).any():
        raise NothingToTrainOnError(as_of)
    names, rows = identifiers_of(identifiers, customers)
    return TrainingData(
        interactions,
        products_of(catalogue, vectors),
        names,
        rows,
        fingerprint_of(interactions),
        Dismissed.of_table(unwanted, customers=customers, items=items),
        published_of(catalogue, items),
    )


def people_of(told: pa.Table, unwanted: pa.Table) -> npt.NDArray[np.int64]:
    """Customer ids of those who did something with a product, or dismissed one: they are to be known by it."""
    return np.union1d(told["customer_id"].to_numpy(), unwanted["customer_id"].to_numpy())


def published_of(catalogue: pa.Table, items: IdMap) -> npt.NDArray[np.float64]:
    seconds = pc.fill_null(catalogue["published_at"].cast(pa.int64()).cast(pa.float64()), np.nan).to_numpy() / 1e6
    published = np.full(len(items), np.nan)
    published[items.rows(catalogue["product_id"].to_pylist())] = seconds
    return published


def interactions_table(tables: Warehouse, *, since: datetime | None, as_of: datetime) -> pa.Table:
    """SCHEMA: what happened from ``since`` until before ``as_of``; ``kind`` is its place in KINDS."""
    held = opinions(tables, as_of=as_of)
    parts = [without_disliked(bought(tables), held), without_disliked(done(tables), held), liked(held)]
    parts = [
        part.filter(part.at < as_of) if since is None else part.filter((part.at >= since) & (part.at < as_of))
        for part in parts
    ]
    return pa.concat_tables([part.to_pyarrow().cast(SCHEMA) for part in parts])


def bought(tables: Warehouse) -> ir.Table:
    """Lines of orders. Coupons and corrections come as lines of quantity 0, returns as documents of another kind."""
    lines = tables["order_lines"]
    kept = lines.filter(
        (lines.quantity > 0) & lines.customer_id.notnull() & (lines.kind == "sale") & (lines.status != "cancelled")
    )
    return kept.select(
        "customer_id",
        "product_id",
        at=kept.placed_at,
        weight=kept.quantity.cast("float64"),
        kind=ibis.literal(KIND_CODES["purchase"], "int8"),
    )


def done(tables: Warehouse) -> ir.Table:
    """Events with products, one row a product. Visitors count too: the processor gives every one of them a customer."""
    events = tables["events"]
    told = events.filter((events.type == "track") & events.customer_id.notnull() & events.product_ids.notnull())
    told = told.mutate(name=told.name.strip().lower())
    code = ibis.cases(
        *((told.name.isin(lowered(NAMES[meaning])), KIND_CODES[kind]) for meaning, kind in KIND_OF_MEANING.items()),
        else_=-1,
    )
    told = told.mutate(kind=code.cast("int8")).filter(ibis._.kind >= 0)
    rows = told.select(
        "customer_id", "source", "kind", "properties", at=told.occurred_at, product_id=told.product_ids.unnest()
    )
    others = rows.filter(rows.kind != KIND_CODES["purchase"]).mutate(weight=ibis.literal(1.0))
    purchases = not_ordered(tables, rows.filter(rows.kind == KIND_CODES["purchase"])).mutate(weight=ibis.literal(1.0))
    return others.select(*SCHEMA.names).union(purchases.select(*SCHEMA.names))


def purchases(tables: Warehouse) -> ir.Table:
    """SCHEMA: what was bought, by orders and by events."""
    told = done(tables)
    return bought(tables).union(told.filter(told.kind == KIND_CODES["purchase"]))


def opinions(tables: Warehouse, *, as_of: datetime) -> ir.Table:
    """The newest stars, 1 to 5, of each customer for each product: customer_id, product_id, at, stars.

    Reviews are the truth. An event counts only of a pair without any: its review has another moment, or was refused.
    """
    reviews = tables["reviews"]
    written = reviews.filter(reviews.customer_id.notnull() & (reviews.written_at < as_of)).select(
        "id", "customer_id", "product_id", at=reviews.written_at, stars=reviews.rating.cast("float64")
    )
    events = tables["events"]
    told = events.filter(
        (events.type == "track")
        & events.name.strip().lower().isin(lowered(NAMES[Meaning.REVIEW]))
        & events.customer_id.notnull()
        & events.product_ids.notnull()
        & (events.occurred_at < as_of)
    )
    stars = text_of(told.properties, "rating").try_cast("float64")
    told = told.select("id", "customer_id", product_id=told.product_ids.unnest(), at=told.occurred_at, stars=stars)
    told = told.filter(told.stars.between(1.0, MOST)).anti_join(written, ["customer_id", "product_id"])
    both = written.union(told)
    place = ibis.row_number().over(
        group_by=["customer_id", "product_id"], order_by=[ibis.desc(both["at"]), ibis.desc(both["id"])]
    )
    return both.mutate(place=place).filter(ibis._.place == 0).drop("place", "id")


def liked(held: ir.Table) -> ir.Table:
    """Stars that say somebody likes a product: 0 for three and fewer, which is left out, 1 for five."""
    weight = ((held.stars - NEUTRAL) / (MOST - NEUTRAL)).clip(0.0, 1.0)
    rated = held.mutate(weight=weight, kind=ibis.literal(KIND_CODES["rating"], "int8"))
    return rated.filter(rated.weight > 0).select(*SCHEMA.names)


def without_disliked(rows: ir.Table, held: ir.Table) -> ir.Table:
    """What somebody did with a product speaks for nothing, weight 0, where their newest stars for it are one or two.

    The rows stay: the product is known to them. No fraction for two stars: a training may count any purchase above 0 as one.
    """
    disliked = held.filter(held.stars < NEUTRAL).select(by="customer_id", of="product_id")
    joined = rows.left_join(disliked, [rows.customer_id == disliked.by, rows.product_id == disliked.of])
    return joined.mutate(weight=ibis.ifelse(joined.by.isnull(), joined.weight, 0.0)).select(*SCHEMA.names)


def lowered(names: Iterable[str]) -> list[str]:
    return [name.lower() for name in names]


def text_of(properties: ir.StringValue, name: str) -> ir.StringValue:
    """A property that is a text or a number, as text."""
    value = properties.cast("json")[name]
    return ibis.coalesce(value.str.nullif(""), value.int.cast("string"), value.float.cast("string"))


def not_ordered(tables: Warehouse, purchases: ir.Table) -> ir.Table:
    """Purchases told by events that are in no order: neither its number is known, nor was the same bought at about the same time.

    Orders are the truth, the cancelled ones too.
    """
    lines = tables["order_lines"]
    number = ibis.coalesce(*(text_of(purchases.properties, name) for name in ORDER_ID))
    purchases = purchases.mutate(order_id=number)
    unknown = purchases.anti_join(tables["orders"], "order_id")
    same = [
        unknown.customer_id == lines.customer_id,
        unknown.product_id == lines.product_id,
        lines.placed_at >= unknown.at - SAME_PURCHASE,
        lines.placed_at <= unknown.at + SAME_PURCHASE,
    ]
    return unknown.anti_join(lines, same)


def interactions_of(told: pa.Table, *, customers: IdMap, items: IdMap, as_of: datetime) -> Interactions:
    """The rows in order of time, numbered; what names a product that the catalogue does not have is left out."""
    seconds = told["at"].cast(pa.int64()).to_numpy() / 1e6
    people, item = told["customer_id"].to_numpy(), rows_of(items, told["product_id"])
    kind, weight = told["kind"].to_numpy(), told["weight"].to_numpy()
    in_time = np.lexsort((weight, kind, item, people, seconds))
    in_time = in_time[item[in_time] >= 0]
    return Interactions.from_rows(
        user=customers.rows(people[in_time]),
        item=item[in_time],
        order=seconds[in_time],
        weight=weight[in_time],
        kind=kind[in_time],
        users=customers,
        items=items,
        as_of=as_of.astimezone(UTC).timestamp(),
    )


def rows_of(items: IdMap, column: pa.ChunkedArray) -> npt.NDArray[np.int32]:
    """The item row of each product id; each different id is looked up once."""
    encoded = column.combine_chunks().dictionary_encode()
    return items.rows(encoded.dictionary.to_pylist())[encoded.indices.to_numpy(zero_copy_only=False)]


def products_of(catalogue: pa.Table, vectors: pa.Table | None = None) -> Products:
    """Texts and vectors of the products, in the order of their ids' bytes, which is the order of the item rows."""
    order = np.argsort(np.array([text.encode() for text in catalogue["product_id"].to_pylist()], dtype=object))
    sorted_rows = catalogue.take(pa.array(order))
    columns = {
        name: [text or "" for text in sorted_rows[name].to_pylist()]
        for name in ("title", "description", "brand", "category", "currency")
    }
    band = bands_of(
        price=pc.fill_null(sorted_rows["price"].cast(pa.float64()), np.nan).to_numpy(),
        currency=columns.pop("currency"),
        category=columns["category"],
    )
    attributes = [json.loads(text) if text else {} for text in sorted_rows["attributes"].to_pylist()]
    described = Described(
        **columns, attributes=attributes, tags=[tags or [] for tags in sorted_rows["tags"].to_pylist()]
    )
    products = Products.of_columns(described.texts(band))
    if vectors is None:
        return products
    return replace(products, vectors=vectors_of(vectors, IdMap.of(catalogue["product_id"].to_pylist())))


def vectors_of(vectors: pa.Table, items: IdMap) -> dict[str, npt.NDArray[np.float32]]:
    """Name → float32 (items, d), a row of zeros where a product has no vector of that name."""
    blocks = {}
    for name in sorted(pc.unique(vectors["name"]).to_pylist()):
        rows = vectors.filter(pc.equal(vectors["name"], name))
        dimension = rows["dimension"][0].as_py()
        place = items.rows(rows["product_id"].to_pylist())
        block = np.zeros((len(items), dimension), np.float32)
        values = rows["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(-1, dimension)
        block[place[place >= 0]] = values[place >= 0]
        blocks[name] = block
    return blocks


def identifiers_of(identifiers: pa.Table, customers: IdMap) -> tuple[IdMap, npt.NDArray[np.int32]]:
    """Names "kind:value" of those customers who are in the training data, and their rows."""
    rows = customers.rows(identifiers["customer_id"].to_numpy())
    known = np.flatnonzero(rows >= 0)
    kinds, values = identifiers["kind"].to_pylist(), identifiers["value"].to_pylist()
    names, place = IdMap.numbered([f"{kinds[number]}:{values[number]}" for number in known])
    user = np.full(len(names), -1, np.int32)
    user[place] = rows[known]
    return names, user


def fingerprint_of(interactions: Interactions) -> str:
    """SHA-256 of what was learnt from: equal data, equal fingerprint."""
    digest = hashlib.sha256()
    for array in (interactions.user, interactions.item, interactions.order, interactions.weight, interactions.kind):
        digest.update(np.ascontiguousarray(array).tobytes())
    for names in (interactions.users, interactions.items):
        digest.update(np.ascontiguousarray(names.text).tobytes())
    return digest.hexdigest()
