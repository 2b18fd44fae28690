"""Products that somebody does not want to be shown: told by events, ended by buying the product after all."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from customers.warehouse.connection import Warehouse
from recommendations.engine import IdMap

NAMES = ("Recommendation Dismissed", "Product Dismissed")


@dataclass(frozen=True, eq=False)
class Dismissed:
    """The item rows that each user row has dismissed, in order, as CSR."""

    indptr: npt.NDArray[np.int64]
    item: npt.NDArray[np.int32]

    @classmethod
    def of_table(cls, told: pa.Table, *, customers: IdMap, items: IdMap) -> Self:
        """told: customer_id, product_id. Who or what is not numbered is left out."""
        user = customers.rows(told["customer_id"].to_numpy())
        item = items.rows(told["product_id"].to_pylist())
        known = (user >= 0) & (item >= 0)
        pairs = np.unique(user[known].astype(np.int64) * max(len(items), 1) + item[known])
        user, item = pairs // max(len(items), 1), (pairs % max(len(items), 1)).astype(np.int32)
        return cls(np.searchsorted(user, np.arange(len(customers) + 1)).astype(np.int64), item)

    def arrays(self) -> dict[str, npt.NDArray]:
        return {"indptr": self.indptr, "item": self.item}


def dismissals_table(tables: Warehouse, *, purchases: ir.Table, as_of: datetime) -> pa.Table:
    """customer_id and product_id of what is dismissed as of then: not bought since the newest dismissal. purchases: customer_id, product_id, at."""
    events = tables["events"]
    told = events.filter(
        (events.type == "track")
        & events.name.strip().lower().isin([name.lower() for name in NAMES])
        & events.customer_id.notnull()
        & events.product_ids.notnull()
        & (events.occurred_at < as_of)
    )
    told = told.select("customer_id", product_id=told.product_ids.unnest(), at=told.occurred_at)
    newest = told.group_by("customer_id", "product_id").aggregate(dismissed_at=told["at"].max())
    before = purchases.filter(purchases["at"] < as_of).select(by="customer_id", of="product_id", bought_at="at")
    bought_later = [
        newest.customer_id == before.by,
        newest.product_id == before.of,
        before.bought_at > newest.dismissed_at,
    ]
    left = newest.anti_join(before, bought_later).select("customer_id", "product_id")
    return left.order_by("customer_id", "product_id").to_pyarrow()
