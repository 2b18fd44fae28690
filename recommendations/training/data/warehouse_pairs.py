"""Counts the pairs of a training on the engine of the warehouse, from the same weights that the algorithms use."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
from scipy.sparse import csr_array

from config.foundation.array_types import Rows
from customers.warehouse.connection import Warehouse, open_warehouse
from customers.warehouse.engines.registry import get_job_engine
from recommendations.engine.linear_algebra.sparse import list_entry_rows, make_csr
from recommendations.engine.pair_support.pair_engine import (
    CountedPairs,
    FirstAndLast,
    PairEngine,
    PairScore,
    use_pair_engine,
)
from recommendations.training.data.pair_counts import (
    build_basket_counts,
    build_matrix_neighbors,
    build_neighbor_matrix,
    build_people_counts,
)

# multiplications that take this process about a second; an engine needs longer to plan a query and receive the entries
MIN_TERMS = 100_000_000
# Pairs beyond the k best that the engine returns: it ranks by double precision, and the algorithm by single precision.
SPARE = 16


class WarehousePairEngine(PairEngine):
    """Joins pairs on the engine of the warehouse. The entries are sent as row numbers, without IDs."""

    def __init__(self, warehouse: Warehouse, *, min_terms: int = MIN_TERMS) -> None:
        self.warehouse = warehouse
        self.min_terms = min_terms

    def is_worth_sending(self, terms: int) -> bool:
        return terms >= self.min_terms

    def find_neighbors(self, items: csr_array, *, k: int, shrinkage: float) -> csr_array:
        entries = {"number": list_entry_rows(items), "owner": items.indices, "weight": items.data.astype(np.float64)}
        with self._share(entries) as table:
            found = self._fetch(build_matrix_neighbors(table, k=k, shrinkage=shrinkage))
        matrix = build_neighbor_matrix(found, value="similarity", size=items.shape[0])
        return make_csr(matrix.data, matrix.indices, matrix.indptr, (items.shape[0], items.shape[0]))

    def count_baskets(self, basket_items: csr_array, basket_user: Rows, *, k: int, score: PairScore) -> CountedPairs:
        baskets = list_entry_rows(basket_items)
        entries = {"basket": baskets, "number": basket_items.indices, "person": basket_user[baskets]}
        items = {
            "number": np.arange(len(score.share)),
            "baskets": np.bincount(basket_items.indices, minlength=len(score.share)),
            "share": score.share,
            "factor": score.factor,
        }
        with self._share(entries) as table, self._share(items) as totals:
            query = build_basket_counts(
                table, totals, k=k + SPARE, min_count=score.min_count, prior=score.prior, z=score.z
            )
            found = self._fetch(query)
        columns = (found[name].to_numpy() for name in ("row", "neighbor", "orders", "people"))
        row, column, orders, people = (values.astype(np.int64) for values in columns)
        return CountedPairs(row, column, orders.astype(np.int32), people.astype(np.int32))

    def count_people(self, pairs: csr_array, entries: FirstAndLast, *, in_order: bool) -> Rows:
        own = {"person": entries.user, "number": entries.item, "first_at": entries.first, "last_at": entries.last}
        wanted = {"row": list_entry_rows(pairs), "neighbor": pairs.indices, "position": np.arange(pairs.nnz)}
        with self._share(own) as table, self._share(wanted) as listed:
            found = self._fetch(build_people_counts(table, listed, in_order=in_order))
        people = np.zeros(pairs.nnz, np.int32)
        people[found["position"].to_numpy()] = found["people"].to_numpy()
        return people

    @contextmanager
    def _share(self, columns: dict[str, Any]) -> Iterator[Any]:
        wide = {
            name: values.astype(np.int64) if values.dtype.kind in "iu" else values for name, values in columns.items()
        }
        warehouse = self.warehouse
        with warehouse.engine.share_rows(warehouse.backend, warehouse.root, pa.table(wide)) as table:
            yield table

    def _fetch(self, expression: Any) -> pa.Table:
        return self.warehouse.backend.to_pyarrow(expression)


@contextmanager
def count_pairs_on_engine() -> Iterator[None]:
    """Count pairs within the block on the engine WAREHOUSE_ENGINE if it runs jobs, otherwise in this process.

    The engine is opened immediately, so that a training that needs it fails now and not after an hour of work. Errors: WarehouseEngineError.
    """
    engine = get_job_engine()
    if engine is None:
        yield
        return
    with open_warehouse(engine) as warehouse, use_pair_engine(WarehousePairEngine(warehouse)):
        yield
