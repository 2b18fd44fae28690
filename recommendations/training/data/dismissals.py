"""Dismissed products: reported by events, ended by buying the product after all."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from customers.warehouse.connection import Warehouse
from recommendations.engine import IdMap

DISMISSAL_EVENT_NAMES = ("Recommendation Dismissed", "Product Dismissed")


@dataclass(frozen=True, eq=False)
class Dismissals:
    """The item rows that each user row has dismissed, sorted, as CSR."""

    indptr: npt.NDArray[np.int64]
    item: npt.NDArray[np.int32]

    @classmethod
    def from_table(cls, table: pa.Table, *, customers: IdMap, items: IdMap) -> Self:
        """Build from columns customer_id and product_id; unknown customers and products are dropped."""
        user = customers.get_rows(table["customer_id"].to_numpy())
        item = items.get_rows(table["product_id"].to_pylist())
        is_known = (user >= 0) & (item >= 0)
        # One number per pair: unique sorts pairs by user and then by item, which is the order of CSR.
        n_items = max(len(items), 1)
        pairs = np.unique(user[is_known].astype(np.int64) * n_items + item[is_known])
        user, item = pairs // n_items, (pairs % n_items).astype(np.int32)
        return cls(np.searchsorted(user, np.arange(len(customers) + 1)).astype(np.int64), item)

    def to_arrays(self) -> dict[str, npt.NDArray]:
        return {"indptr": self.indptr, "item": self.item}


def read_dismissals(tables: Warehouse, *, purchases: ir.Table, as_of: datetime) -> pa.Table:
    """Return customer_id and product_id of active dismissals.

    A dismissal is active while the product was not bought after its latest dismissal. purchases: columns customer_id,
    product_id, at.
    """
    events = tables["events"]
    dismissals = events.filter(
        (events.type == "track")
        & events.name.strip().lower().isin([name.lower() for name in DISMISSAL_EVENT_NAMES])
        & events.customer_id.notnull()
        & events.product_ids.notnull()
        & (events.occurred_at < as_of)
    )
    dismissals = dismissals.select("customer_id", product_id=dismissals.product_ids.unnest(), at=dismissals.occurred_at)
    # Only the latest dismissal counts: a product bought after an earlier one may be dismissed again.
    newest = dismissals.group_by("customer_id", "product_id").aggregate(dismissed_at=dismissals["at"].max())
    earlier_purchases = purchases.filter(purchases["at"] < as_of).select(
        by="customer_id", of="product_id", bought_at="at"
    )
    bought_later = [
        newest.customer_id == earlier_purchases.by,
        newest.product_id == earlier_purchases.of,
        earlier_purchases.bought_at > newest.dismissed_at,
    ]
    active = newest.anti_join(earlier_purchases, bought_later).select("customer_id", "product_id")
    return active.order_by("customer_id", "product_id").to_pyarrow()
