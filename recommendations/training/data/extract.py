"""The training data as arrays, read from the warehouse."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from config.foundation.shop.profile import get_time_zone
from customers.identity.consent.consent_denials import find_customers_denying_profiling
from customers.warehouse.current_tables import open_current_warehouse, read_current_identifiers
from recommendations.engine import IdMap, Interactions, Products
from recommendations.engine.data.event_weights import EventWeights
from recommendations.engine.data.rated_weights import RatedWeights
from recommendations.engine.exploration import ExplorationTrials
from recommendations.training.data.data_position import DataPosition
from recommendations.training.data.dismissals import Dismissals, read_dismissals
from recommendations.training.data.exploration_data import read_exploration_trials
from recommendations.training.data.interaction_tables import (
    NEUTRAL_STARS,
    build_purchases_table,
    read_interactions,
    read_ratings,
    read_sold_products,
)
from recommendations.training.data.product_texts import ProductColumns, compute_price_bands

NOT_CONSENTED = "because they have not consented to personalization"


class NoTrainingDataError(Exception):
    """The warehouse has no product interaction of a known customer who allows profiling before the given time."""

    @classmethod
    def build(cls, as_of: datetime, withheld: int) -> "NoTrainingDataError":
        """Return the error with advice on what to do. withheld: customers with interactions who have not consented to personalization."""
        before = f"before {as_of:%Y-%m-%d %H:%M}"
        if withheld:
            return cls(
                f"All {withheld} customers with an order line or product event {before} are left out, {NOT_CONSENTED}. "
                "Import their consents, or change what no answer means in Settings → Consent rules, then train again."
            )
        return cls(
            f"No order line or product event of a known customer {before}; import orders "
            "or send events, run `manage.py export_warehouse`, then train again."
        )


@dataclass(frozen=True, eq=False)
class TrainingData:
    """The interactions, products and identifiers of a shop.

    interactions: users by customer id, weights as recorded (pieces bought, 1 for a click, 0 to 1 for stars, 0 for
    products rated one or two stars and for ratings that were replaced); `before` returns the weights known at a moment.
    identifiers: "kind:value", with the user row of each. dismissed: products each
    user dismissed. published: seconds since 1970 of each product, NaN if unknown. position: what the interactions contain.
    trials: see `read_exploration_trials`.
    sold: whether each product was ever sold, also in orders without a customer; None if that is unknown.
    """

    interactions: Interactions
    products: Products
    identifiers: IdMap
    identifier_user: npt.NDArray[np.int32]
    fingerprint: str
    dismissed: Dismissals
    published: npt.NDArray[np.float64]
    position: DataPosition
    trials: ExplorationTrials
    sold: npt.NDArray[np.bool_] | None = None

    def with_event_weights(self, event_weights: EventWeights) -> "TrainingData":
        """Return the same data under the tuned event weights."""
        return replace(self, interactions=event_weights.of(self.interactions))


def extract_training_data(*, as_of: datetime) -> TrainingData:
    """Read everything known before ``as_of``. Raises NoTrainingDataError."""
    with open_current_warehouse(as_of=as_of) as tables:
        interaction_rows, rating_rows = read_interactions(tables, as_of=as_of), read_ratings(tables, as_of=as_of)
        catalog = tables["products"].order_by("product_id").to_pyarrow()
        vectors = tables["product_vectors"].order_by("id").to_pyarrow()
        identifiers = read_current_identifiers()
        position = DataPosition.of(tables)
        trials = read_exploration_trials(tables, as_of=as_of)
        dismissal_rows = read_dismissals(tables, purchases=build_purchases_table(tables), as_of=as_of)
        sold_ids = read_sold_products(tables, as_of=as_of)
    denied = find_customers_denying_profiling()
    known = interaction_rows["customer_id"].drop_null()
    interaction_rows, dismissal_rows = (drop_customers(rows, denied) for rows in (interaction_rows, dismissal_rows))
    items = IdMap.of(catalog["product_id"].to_pylist())
    customers = IdMap.of(list_customer_ids(interaction_rows, dismissal_rows))
    interactions = build_interactions(interaction_rows, customers=customers, items=items, as_of=as_of)
    # The offset of as_of counts for all times: daylight saving time moves only purchases within an hour of midnight to another day.
    offset = as_of.astimezone(get_time_zone()).utcoffset() or timedelta()
    ratings = build_rated_weights(interactions, rating_rows)
    interactions = replace(interactions, ratings=ratings, day_offset_s=offset.total_seconds())
    interactions = interactions.weigh_before(interactions.as_of)
    if not (interactions.weight > 0).any():
        raise NoTrainingDataError.build(as_of, 0 if len(interaction_rows) else len(known.unique()))
    names, rows = index_identifiers(identifiers, customers)
    return TrainingData(
        interactions,
        build_products(catalog, vectors),
        names,
        rows,
        compute_fingerprint(interactions),
        Dismissals.from_table(dismissal_rows, customers=customers, items=items),
        read_publication_times(catalog, items),
        position,
        trials,
        mark_rows(items, sold_ids),
    )


def drop_customers(rows: pa.Table, customer_ids: npt.NDArray[np.int64]) -> pa.Table:
    """Return the rows of other customers."""
    return rows.filter(pa.array(~np.isin(rows["customer_id"].to_numpy(), customer_ids))) if len(customer_ids) else rows


def list_customer_ids(interaction_rows: pa.Table, dismissal_rows: pa.Table) -> npt.NDArray[np.int64]:
    """Return the ids of customers who interacted with a product or dismissed one."""
    return np.union1d(interaction_rows["customer_id"].to_numpy(), dismissal_rows["customer_id"].to_numpy())


def read_publication_times(catalog: pa.Table, items: IdMap) -> npt.NDArray[np.float64]:
    """Return the publication time of each item row in seconds since 1970, NaN if unknown."""
    seconds = pc.fill_null(catalog["published_at"].cast(pa.int64()).cast(pa.float64()), np.nan).to_numpy() / 1e6
    published = np.full(len(items), np.nan)
    published[items.get_rows(catalog["product_id"].to_pylist())] = seconds
    return published


def mark_rows(items: IdMap, product_ids: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Return whether each item is among the products."""
    marked = np.zeros(len(items), np.bool_)
    rows = items.get_rows(product_ids) if product_ids else np.empty(0, np.int32)
    marked[rows[rows >= 0]] = True
    return marked


def build_interactions(table: pa.Table, *, customers: IdMap, items: IdMap, as_of: datetime) -> Interactions:
    """Return the numbered interactions in time order.

    Rows whose product is not in the catalog are dropped.
    """
    seconds = table["at"].cast(pa.int64()).to_numpy() / 1e6  # timestamps are in microseconds
    customer_ids, item = table["customer_id"].to_numpy(), find_item_rows(items, table["product_id"])
    kind, weight = table["kind"].to_numpy(), table["weight"].to_numpy()
    # By all columns, not only by time: the warehouse returns rows in any order, and equal data must get an equal fingerprint.
    time_order = np.lexsort((weight, kind, item, customer_ids, seconds))
    time_order = time_order[item[time_order] >= 0]
    return Interactions.from_rows(
        user=find_customer_rows(customers, customer_ids[time_order]),
        item=item[time_order],
        order=seconds[time_order],
        weight=weight[time_order],
        kind=kind[time_order],
        users=customers,
        items=items,
        as_of=as_of.astimezone(UTC).timestamp(),
    )


def build_rated_weights(interactions: Interactions, table: pa.Table) -> RatedWeights | None:
    """Return how the ratings of `read_ratings` change the weights of the interactions; None if they change none."""
    if not len(table):
        return None
    user = find_customer_rows(interactions.users, table["customer_id"].to_numpy())
    item = find_item_rows(interactions.items, table["product_id"])
    is_known = (user >= 0) & (item >= 0)
    keys = (user.astype(np.int64) * interactions.n_items + item)[is_known]
    by_pair = np.argsort(keys, kind="stable")  # keeps the precedence among the ratings of a pair
    rated_at = table["at"].cast(pa.int64()).to_numpy()[is_known][by_pair] / 1e6
    is_low = (table["stars"].to_numpy() < NEUTRAL_STARS)[is_known][by_pair]
    pairs, rated_pair = np.unique(keys[by_pair], return_inverse=True)
    if not is_low.any() and len(pairs) == len(keys):
        return None
    own_keys = interactions.user.astype(np.int64) * interactions.n_items + interactions.item
    pair = np.searchsorted(pairs, own_keys).astype(np.int32)
    pair[np.append(pairs, -1)[pair] != own_keys] = -1
    return RatedWeights(interactions.weight, pair, rated_pair.astype(np.int32), rated_at, is_low)


def find_customer_rows(customers: IdMap, customer_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    """Return the user row of each customer id; each distinct id is looked up once, as a lookup takes 100 bytes."""
    distinct = np.unique(customer_ids)
    return customers.get_rows(distinct)[np.searchsorted(distinct, customer_ids)]


def find_item_rows(items: IdMap, column: pa.ChunkedArray) -> npt.NDArray[np.int32]:
    """Return the item row of each product id; each distinct id is looked up once."""
    encoded = column.combine_chunks().dictionary_encode()
    return items.get_rows(encoded.dictionary.to_pylist())[encoded.indices.to_numpy(zero_copy_only=False)]


def build_products(catalog: pa.Table, vectors: pa.Table | None = None) -> Products:
    """Return texts and vectors of the products in the order of the item rows.

    Item rows are sorted by the bytes of the product ids.
    """
    order = np.argsort(np.array([text.encode() for text in catalog["product_id"].to_pylist()], dtype=object))
    sorted_rows = catalog.take(pa.array(order))
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
    product_columns = ProductColumns(
        **columns, attributes=attributes, tags=[tags or [] for tags in sorted_rows["tags"].to_pylist()]
    )
    products = Products.of_columns(product_columns.build_texts(band))
    if vectors is None:
        return products
    return replace(products, vectors=build_vectors(vectors, IdMap.of(catalog["product_id"].to_pylist())))


def build_vectors(vectors: pa.Table, items: IdMap) -> dict[str, npt.NDArray[np.float32]]:
    """Return name → float32 (items, d).

    The row is zero where a product has no vector of that name.
    """
    blocks = {}
    for name in sorted(pc.unique(vectors["name"]).to_pylist()):
        rows = vectors.filter(pc.equal(vectors["name"], name))
        dimension = rows["dimension"][0].as_py()
        item_rows = items.get_rows(rows["product_id"].to_pylist())
        block = np.zeros((len(items), dimension), np.float32)
        values = rows["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(-1, dimension)
        block[item_rows[item_rows >= 0]] = values[item_rows >= 0]
        blocks[name] = block
    return blocks


def index_identifiers(identifiers: pa.Table, customers: IdMap) -> tuple[IdMap, npt.NDArray[np.int32]]:
    """Return the names "kind:value" of customers in the training data, and their user rows."""
    rows = find_customer_rows(customers, identifiers["customer_id"].to_numpy())
    known = pa.array(rows >= 0)
    kinds, values = (identifiers[name].filter(known).cast(pa.large_string()) for name in ("kind", "value"))
    # By Arrow, as a large shop has tens of millions of them, and each would take 300 bytes as Python objects
    texts = (
        pc.binary_join_element_wise(kinds, values, pa.scalar(":", pa.large_string()))
        .combine_chunks()
        .cast(pa.large_binary())
    )
    distinct = texts.unique()
    distinct = distinct.take(pc.sort_indices(distinct))
    names = IdMap.of_texts(*get_text_buffers(distinct))
    user = np.full(len(names), -1, np.int32)
    user[pc.index_in(texts, distinct).to_numpy()] = rows[rows >= 0]
    return names, user


def get_text_buffers(texts: pa.LargeBinaryArray) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return the bytes of all texts, and the offset at which each begins, shape (n + 1,)."""
    _validity, offsets, content = texts.buffers()
    starts = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    text = np.frombuffer(content, np.uint8) if content is not None else np.empty(0, np.uint8)
    return text[starts[0] : starts[-1]], starts - starts[0]


def compute_fingerprint(interactions: Interactions) -> str:
    """Return the SHA-256 of the interactions: equal data have an equal fingerprint."""
    digest = hashlib.sha256()
    for array in (interactions.user, interactions.item, interactions.order, interactions.weight, interactions.kind):
        digest.update(np.ascontiguousarray(array).tobytes())
    if (ratings := interactions.ratings) is not None:
        for part in (ratings.recorded, ratings.pair, ratings.rated_pair, ratings.rated_at, ratings.is_low):
            digest.update(np.ascontiguousarray(part).tobytes())
    for names in (interactions.users, interactions.items):
        digest.update(np.ascontiguousarray(names.text).tobytes())
    return digest.hexdigest()
