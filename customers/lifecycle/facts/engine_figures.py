"""Purchase histories and RFM values of all customers from the engine of the warehouse, for a refresh that uses it."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from config.foundation.array_types import Ints
from config.foundation.calendars.local_clock import LocalClock
from customers.lifecycle.facts.histories import sum_revenue, summarize_histories, to_microseconds
from customers.lifecycle.facts.warehouse_facts import build_documents, build_purchase_histories, build_rfm
from customers.lifecycle.scoring.clv.purchase_histories import PurchaseHistories
from customers.lifecycle.scoring.rfm.rfm_scores import RfmValues, measure_rfm
from customers.lifecycle.scoring.stages.derivation import OrderHistories
from customers.warehouse.connection import open_warehouse
from customers.warehouse.current_tables import CurrentWarehouse, find_exported_position
from customers.warehouse.engines.base import WarehouseEngine
from customers.warehouse.engines.registry import get_job_engine
from customers.warehouse.position import read_position


@dataclass(frozen=True, eq=False)
class EngineFigures:
    """What the engine computed. purchases: by customer. rfm: of all time. differing: customers whose orders in the files differ."""

    engine: str
    purchases: PurchaseHistories
    rfm: RfmValues
    differing: int


def read_engine_figures(*, histories: OrderHistories, as_of: datetime, currency: str) -> EngineFigures | None:
    """Return the figures of the engine of WAREHOUSE_ENGINE; None if jobs do not run on it. Errors: WarehouseEngineError.

    The files can be older than the database: an order of last month may have been refunded since the last export. Customers whose
    number of orders or revenue differs from that of `histories` are computed here, and so are customers with returns: each return
    reduces an order that depends on all earlier ones (`assign_returns`), which a query over sets does not compute.
    """
    engine = get_job_engine()
    if engine is None:
        return None
    purchases, rfm = compute_figures(engine, as_of=as_of, currency=currency, clock=histories.clock)
    row, rfm = align_rows(rfm, histories)
    differs = find_differing(row, rfm, histories)
    is_own = differs | find_returning(histories)
    kept = select_customers(histories, is_own)
    own = summarize_histories(kept, as_of=as_of)
    (own_rfm,) = measure_rfm(
        start=kept.start, at=kept.at, amount=kept.amount, is_order=kept.is_order, moments=[to_microseconds(as_of)]
    )
    known = find_rows(purchases["customer_id"].to_numpy(), histories.customer)
    of_engine = PurchaseHistories(*(purchases[name].to_numpy() for name in PURCHASE_COLUMNS))
    of_engine = of_engine.select((known >= 0) & ~is_own[np.maximum(known, 0)])
    chosen = ~is_own[row]
    return EngineFigures(
        engine.key,
        merge_purchases(of_engine, own),
        merge_rfm(
            RfmValues(row[chosen], *(rfm[name].to_numpy()[chosen] for name in RFM_COLUMNS)),
            own_rfm,
            np.flatnonzero(is_own),
        ),
        int(differs.sum()),
    )


PURCHASE_COLUMNS = ("customer_id", "x", "last_days", "age_days", "mean_value")
RFM_COLUMNS = ("first_order", "last_order", "orders", "revenue")


def compute_figures(
    engine: WarehouseEngine, *, as_of: datetime, currency: str, clock: LocalClock
) -> tuple[pa.Table, pa.Table]:
    """Return the rows of `build_purchase_histories` and `build_rfm`. Errors: WarehouseEngineError."""
    moment = to_microseconds(as_of)
    with open_warehouse(engine) as files:
        current = CurrentWarehouse(files, position=read_position(as_of=as_of), exported=find_exported_position())
        documents = build_documents(current["orders"], engine, as_of=moment, currency=currency)
        with engine.materialize(files.backend, documents) as stored:
            purchases = files.backend.to_pyarrow(build_purchase_histories(stored, as_of=moment, clock=clock))
            rfm = files.backend.to_pyarrow(build_rfm(stored).drop("r", "f", "m"))
    return purchases, rfm


def align_rows(rfm: pa.Table, histories: OrderHistories) -> tuple[Ints, pa.Table]:
    """Return the customer row of each line, and the lines of known customers."""
    row = find_rows(rfm["customer_id"].to_numpy(), histories.customer)
    return row[row >= 0], rfm.filter(pa.array(row >= 0))


def find_rows(customer: Ints, known: Ints) -> Ints:
    """Return the position of customers among the known ones, which ascend; -1 for others."""
    if not len(known):
        return np.full(len(customer), -1, np.int64)
    position = np.minimum(np.searchsorted(known, customer), len(known) - 1)
    return np.where(known[position] == customer, position, -1)


def find_differing(row: Ints, rfm: pa.Table, histories: OrderHistories) -> npt.NDArray[np.bool_]:
    """Return for each customer whether the number of orders or the revenue in the files differs."""
    before = np.concatenate(([0], np.cumsum(histories.is_order, dtype=np.int64)))
    orders = before[histories.start[1:]] - before[histories.start[:-1]]
    revenue = np.where(orders > 0, sum_revenue(histories), 0)
    counted, summed = np.zeros(len(orders), np.int64), np.zeros(len(orders), np.int64)
    counted[row], summed[row] = rfm["orders"].to_numpy(), rfm["revenue"].to_numpy()
    return (counted != orders) | (summed != revenue)


def find_returning(histories: OrderHistories) -> npt.NDArray[np.bool_]:
    """Return for each customer whether they have return documents."""
    before = np.concatenate(([0], np.cumsum(~histories.is_order, dtype=np.int64)))
    return before[histories.start[1:]] > before[histories.start[:-1]]


def select_customers(histories: OrderHistories, chosen: npt.NDArray[np.bool_]) -> OrderHistories:
    """Return the histories of some customers."""
    lengths = np.diff(histories.start)
    facts = np.repeat(chosen, lengths)
    return OrderHistories(
        customer=histories.customer[chosen],
        known_at=histories.known_at[chosen],
        identified_at=histories.identified_at[chosen],
        start=np.concatenate(([0], np.cumsum(lengths[chosen]))).astype(np.int64),
        at=histories.at[facts],
        amount=histories.amount[facts],
        is_order=histories.is_order[facts],
        clock=histories.clock,
        category=histories.category[facts] if histories.category is not None else None,
        categories=histories.categories,
    )


def merge_purchases(ours: PurchaseHistories, others: PurchaseHistories) -> PurchaseHistories:
    """Return both together, in the order of customers."""
    columns = [
        np.concatenate([getattr(ours, name), getattr(others, name)])
        for name in ("customer", "x", "last_days", "age_days", "mean_value")
    ]
    order = np.argsort(columns[0], kind="stable")
    return PurchaseHistories(*(values[order] for values in columns))


def merge_rfm(ours: RfmValues, others: RfmValues, rows: Ints) -> RfmValues:
    """Return both together, in the order of first order and customer. rows: the customer rows that `others.row` refers to."""
    row = np.concatenate([ours.row, rows[others.row]])
    columns = [np.concatenate([getattr(ours, name), getattr(others, name)]) for name in RFM_COLUMNS]
    order = np.lexsort((row, columns[0]))
    return RfmValues(row[order], *(values[order] for values in columns))
