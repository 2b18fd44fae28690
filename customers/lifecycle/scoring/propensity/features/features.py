"""Measures the features of each customer as of a moment, from facts before it only."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Flags, Floats, Ints
from customers.lifecycle.scoring.propensity.features.event_facts import Matrix, OrderLines, VisitEvents
from customers.lifecycle.scoring.propensity.features.kernels import (
    ORDER_COLUMNS,
    ORDERS,
    VISIT_WINDOWS,
    compute_mean_gap,
    fill_missing,
    measure_details,
    measure_orders,
    measure_visits,
)
from customers.lifecycle.scoring.stages.order_gaps import DEFAULT_QUANTILES

DETAIL_COLUMNS = ("order_units", "discount_share", "categories", "favorite_share")

# Columns of one family measure the same aspect, so that explanations can be given by family.
FAMILIES: dict[str, tuple[str, ...]] = {
    "recency": ("recency_days", "overdue"),
    "frequency": (
        "orders", "orders_30", "orders_90", "orders_180", "orders_365", "orders_decayed_7", "orders_decayed_30",
        "orders_decayed_120", "active_weeks_12", "active_months_12",
    ),
    "season": ("orders_year_ago",),
    "tenure": ("tenure_days",),
    "rhythm": ("gap_days", "gap_spread", "last_gap_ratio", "weekday_regularity", "hour_regularity"),
    "trend": ("orders_trend", "spend_trend"),
    "spend": ("spend", "order_value", "last_value", "spend_30", "spend_90", "spend_180", "spend_365", "order_units"),
    "discounts": ("discount_share",),
    "returns": ("return_share",),
    "breadth": ("categories", "favorite_share"),
}  # fmt: skip
VISITS_FAMILY, OTHER_FAMILY = "visits", "purchase_model"


@dataclass(frozen=True, eq=False)
class FeatureMatrix:
    """matrix: (n, k) float32, finite.

    names: of the k columns; row: (n,), the customers; has_ordered: (n,).
    """

    names: tuple[str, ...]
    matrix: Matrix
    row: Ints
    has_ordered: Flags


def measure_features(
    *,
    orders: OrderLines,
    as_of: int,
    visits: VisitEvents | None = None,
    rows: Ints | None = None,
    columns: Mapping[str, npt.NDArray[np.floating]] | None = None,
    shop_gap_days: float | None = None,
) -> FeatureMatrix:
    """Measure the features of the customers `rows` (all where None) as of a moment.

    Only facts before the moment (microseconds) count.
    recency_days, tenure_days: since the last and the first order. orders…: distinct moments with an order, in total and in the last
    30, 90, 180, 365 days; orders_decayed_h: each weighted 2^(−age / h days); active_weeks_12, active_months_12: number of the last 12
    weeks or 30-day periods with an order; orders_year_ago: in the 90 days that begin 365 days ago. gap_days: mean gap between own
    orders, (Σ + shop's mean) / (gaps + 1); gap_spread: their standard deviation as a share of it, shrunk to 1, that of a Poisson
    process, by one gap; overdue: recency / gap_days; last_gap_ratio: last gap / gap_days. orders_trend, spend_trend:
    ln of the last 90 days over the 90 before, each plus one order. weekday_regularity, hour_regularity: length of the mean of the
    orders' directions on the circle of a week or a day (Mardia & Jupp, Directional Statistics, 2000), times n / (n + 1).
    spend…: net of returns; order_value: bought / orders; return_share: returned / bought, at most 1.
    order_units, discount_share, categories, favorite_share: where units, discounts, categories are known.
    events_w, sessions_w in the last 7, 30, 90 days, days_since_event (at most 365), events_30_KIND: where visits are given.
    columns: additional ones by name, each of shape (n_customers,), such as probabilities of the purchase model as of the moment.
    shop_gap_days: the shop's mean gap, needed where `orders` are those of some customers only; measured in them where None.

    Customers without an order before the moment are 0 in the columns of orders. Linear in lines and customers.
    Errors: ValueError for an additional column of another shape, with an existing name, or with a number that is not finite.
    """
    rows = np.arange(orders.n_customers) if rows is None else rows
    names = [*ORDER_COLUMNS]
    gap = measure_shop_gap(orders=orders, as_of=as_of) if shop_gap_days is None else shop_gap_days
    parts: list[Matrix] = [_measure_orders(orders, rows, as_of, gap)]
    known_details = (orders.units is not None, orders.discount is not None, *[orders.category is not None] * 2)
    if any(known_details):
        parts.append(_measure_details(orders, rows, as_of)[:, list(known_details)])
        names += [name for name, is_known in zip(DETAIL_COLUMNS, known_details, strict=True) if is_known]
    if visits is not None:
        visit_columns = np.zeros((len(rows), 2 * len(VISIT_WINDOWS) + 1 + len(visits.kinds)), np.float32)
        measure_visits(rows, visits.start, visits.at, visits.kind, visits.session, as_of, visit_columns)
        parts.append(visit_columns)
        names += [f"{metric}_{window}" for metric in ("events", "sessions") for window in VISIT_WINDOWS]
        names += ["days_since_event", *(f"events_30_{kind}" for kind in visits.kinds)]
    for name, column in (columns or {}).items():
        if name in names:
            raise ValueError(f"columns must not repeat the feature name {name!r}")
        if column.shape != (orders.n_customers,):
            raise ValueError(f"column {name!r} must have shape ({orders.n_customers},), got {column.shape}")
        values = column[rows].astype(np.float32)
        if not np.isfinite(values).all():
            raise ValueError(f"column {name!r} contains a number that is not finite")
        parts.append(values[:, None])
        names.append(name)
    matrix = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
    return FeatureMatrix(tuple(names), matrix, rows, matrix[:, ORDERS] > 0)


def group_by_family(names: tuple[str, ...]) -> tuple[tuple[str, ...], Ints]:
    """Return the families of the columns, by name, and the index of each column's family."""
    family = {name: key for key, members in FAMILIES.items() for name in members}
    families = [
        family.get(name, VISITS_FAMILY if name.startswith(("events_", "sessions_", "days_since")) else OTHER_FAMILY)
        for name in names
    ]
    distinct = tuple(dict.fromkeys(families))
    return distinct, np.array([distinct.index(key) for key in families], np.int64)


def measure_shop_gap(*, orders: OrderLines, as_of: int) -> float:
    """Return the mean gap between consecutive orders of a customer in days.

    Without gaps it is that of a monthly rhythm.
    """
    gap, gaps = compute_mean_gap(orders.start, orders.at, orders.is_return, as_of)
    return float(gap) if gaps else DEFAULT_QUANTILES.median_gap_days


def _measure_orders(orders: OrderLines, rows: Ints, as_of: int, shop_gap: float) -> Matrix:
    """Return ORDER_COLUMNS of the customers."""
    out = np.zeros((len(rows), len(ORDER_COLUMNS)), np.float32)
    measure_orders(rows, orders.start, orders.at, orders.value, orders.is_return, as_of, shop_gap, out)
    return out


def _measure_details(orders: OrderLines, rows: Ints, as_of: int) -> Matrix:
    """Return DETAIL_COLUMNS of the customers."""
    out = np.zeros((len(rows), len(DETAIL_COLUMNS)), np.float32)
    category = np.empty(0, np.int64) if orders.category is None else orders.category
    units: Floats = fill_missing(orders.units)
    measure_details(
        rows, orders.start, orders.at, orders.value, orders.is_return, units, fill_missing(orders.discount), category,
        orders.n_categories, as_of, out,
    )  # fmt: skip
    return out
