"""From the warehouse to the arrays that the engine learns from."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from customers.warehouse.connection import warehouse
from recommendations.engine import KIND_CODES, IdMap, Interactions, Products


class NothingToTrainOnError(Exception):
    """The warehouse holds no order line of a known customer before the given moment."""

    def __init__(self, as_of: datetime) -> None:
        super().__init__(
            f"There is no order line of a known customer before {as_of:%Y-%m-%d %H:%M}: import orders, "
            "run `manage.py export_warehouse`, then train again."
        )


@dataclass(frozen=True, eq=False)
class TrainingData:
    """interactions: purchases of known customers, users by customer id; identifiers: "kind:value" and the user row of each."""

    interactions: Interactions
    products: Products
    identifiers: IdMap
    identifier_user: npt.NDArray[np.int32]
    fingerprint: str


def extract(*, as_of: datetime) -> TrainingData:
    """Everything known before ``as_of``. Raises NothingToTrainOnError."""
    with warehouse() as tables:
        lines = tables["order_lines"]
        bought = lines.filter(
            (lines.placed_at < as_of)
            & (lines.quantity > 0)  # coupons and corrections come as lines of quantity 0
            & lines.customer_id.notnull()
            & (lines.kind == "sale")
            & (lines.status != "cancelled")
        )
        columns = bought.select("customer_id", "product_id", "placed_at").to_pyarrow()
        catalogue = tables["products"].order_by("product_id").to_pyarrow()
        identifiers = tables["identifiers"].select("kind", "value", "customer_id").to_pyarrow()
    if not columns.num_rows:
        raise NothingToTrainOnError(as_of)
    products = products_of(catalogue)
    items = IdMap.of(catalogue["product_id"].to_pylist())
    seconds = columns["placed_at"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy() / 1e6
    in_time = np.lexsort((columns["customer_id"].to_numpy(), seconds))
    customers, user = IdMap.numbered(columns["customer_id"].to_numpy()[in_time])
    item = rows_of(items, columns["product_id"])[in_time]
    known = item >= 0
    interactions = Interactions.from_rows(
        user=user[known],
        item=item[known],
        order=seconds[in_time][known],
        kind=np.full(int(known.sum()), KIND_CODES["purchase"], np.int8),
        users=customers,
        items=items,
        as_of=as_of.astimezone(UTC).timestamp(),
    )
    names, rows = identifiers_of(identifiers, customers)
    return TrainingData(interactions, products, names, rows, fingerprint_of(interactions))


def rows_of(items: IdMap, column: pa.ChunkedArray) -> npt.NDArray[np.int32]:
    """The item row of each product id; each different id is looked up once."""
    encoded = column.combine_chunks().dictionary_encode()
    return items.rows(encoded.dictionary.to_pylist())[encoded.indices.to_numpy(zero_copy_only=False)]


def products_of(catalogue: pa.Table) -> Products:
    """Texts of the products, in the order of their ids' bytes, which is the order of the item rows."""
    order = np.argsort(np.array([text.encode() for text in catalogue["product_id"].to_pylist()], dtype=object))
    sorted_rows = catalogue.take(pa.array(order))
    texts = {
        name: [text or "" for text in sorted_rows[name].to_pylist()]
        for name in ("title", "description", "brand", "category")
    }
    return Products.of_columns(texts)


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
