"""What is known about each customer at a moment, as columns of numbers: only from what happened before it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Flags, Floats, Ints
from customers.lifecycle.scoring.propensity.features.event_facts import Matrix, Orders, Visits
from customers.lifecycle.scoring.propensity.features.kernels import (
    ORDER_COLUMNS,
    ORDERS,
    VISIT_WINDOWS,
    known,
    mean_gap,
    measure_details,
    measure_orders,
    measure_visits,
)
from customers.lifecycle.scoring.stages.order_gaps import DEFAULT_QUANTILES

DETAILS = ("order_units", "discount_share", "categories", "favourite_share")

# what a column speaks about; columns of one family tell the same story, so reasons can be given by family
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
    "breadth": ("categories", "favourite_share"),
}  # fmt: skip
VISITS_FAMILY, OTHER_FAMILY = "visits", "buying"


@dataclass(frozen=True, eq=False)
class Features:
    """matrix: (n, k) float32, finite; names: its k columns; row: (n,), the customers; ordered: (n,), whether they had ordered."""

    names: tuple[str, ...]
    matrix: Matrix
    row: Ints
    ordered: Flags


def measure_features(
    *,
    orders: Orders,
    as_of: int,
    visits: Visits | None = None,
    rows: Ints | None = None,
    columns: Mapping[str, npt.NDArray[np.floating]] | None = None,
    shop_gap_days: float | None = None,
) -> Features:
    """The features of the customers `rows` (all of them where None) as of a moment (microseconds), facts before it only.

    recency_days, tenure_days: since the last and the first order. orders…: different moments with an order, in all and in the last
    30, 90, 180, 365 days; orders_decayed_h: each counted 2^(−age / h days); active_weeks_12, active_months_12: of the last 12 weeks
    or 30 days each, how many have an order; orders_year_ago: in the 90 days that begin 365 days ago. gap_days: mean gap between
    own orders, (Σ + shop's mean) / (gaps + 1); gap_spread: their standard deviation around it as a share of it, pulled to 1, that
    of a Poisson process, by one gap; overdue: recency / gap_days; last_gap_ratio: last gap / gap_days. orders_trend, spend_trend:
    ln of the last 90 days against the 90 before, each plus one order. weekday_regularity, hour_regularity: length of the mean
    of the orders' directions on the circle of a week or a day (Mardia & Jupp, Directional Statistics, 2000), times n / (n + 1).
    spend…: net of returns; order_value: bought / orders; return_share: returned / bought, at most 1.
    order_units, discount_share, categories, favourite_share: where units, discounts, categories are known.
    events_w, sessions_w in the last 7, 30, 90 days, days_since_event (at most 365), events_30_KIND: where visits are given.
    columns: further ones by name, each of shape (n_customers,), such as probabilities of the buying process as of the moment.
    shop_gap_days: the shop's mean gap, where `orders` are those of a few of its customers; measured in them where None.

    Customers without an order before the moment are 0 in the columns of orders. Linear in lines and customers.
    Errors: ValueError for a further column of another shape or name that is taken, or that holds a number that is not finite.
    """
    rows = np.arange(orders.n_customers) if rows is None else rows
    names = [*ORDER_COLUMNS]
    gap = measure_shop_gap(orders=orders, as_of=as_of) if shop_gap_days is None else shop_gap_days
    parts: list[Matrix] = [_of_orders(orders, rows, as_of, gap)]
    has = (orders.units is not None, orders.discount is not None, *[orders.category is not None] * 2)
    if any(has):
        parts.append(_details(orders, rows, as_of)[:, list(has)])
        names += [name for name, there in zip(DETAILS, has, strict=True) if there]
    if visits is not None:
        found = np.zeros((len(rows), 2 * len(VISIT_WINDOWS) + 1 + len(visits.kinds)), np.float32)
        measure_visits(rows, visits.start, visits.at, visits.kind, visits.session, as_of, found)
        parts.append(found)
        names += [f"{what}_{window}" for what in ("events", "sessions") for window in VISIT_WINDOWS]
        names += ["days_since_event", *(f"events_30_{kind}" for kind in visits.kinds)]
    for name, column in (columns or {}).items():
        if name in names:
            raise ValueError(f"columns has the name {name!r}, which is a feature's already")
        if column.shape != (orders.n_customers,):
            raise ValueError(f"column {name!r} must have shape ({orders.n_customers},), got {column.shape}")
        chosen = column[rows].astype(np.float32)
        if not np.isfinite(chosen).all():
            raise ValueError(f"column {name!r} holds a number that is not finite")
        parts.append(chosen[:, None])
        names.append(name)
    matrix = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
    return Features(tuple(names), matrix, rows, matrix[:, ORDERS] > 0)


def families_of(names: tuple[str, ...]) -> tuple[tuple[str, ...], Ints]:
    """The families that columns belong to, by name, and for each column the place of its own among them."""
    family = {name: key for key, members in FAMILIES.items() for name in members}
    own = [
        family.get(name, VISITS_FAMILY if name.startswith(("events_", "sessions_", "days_since")) else OTHER_FAMILY)
        for name in names
    ]
    found = tuple(dict.fromkeys(own))
    return found, np.array([found.index(key) for key in own], np.int64)


def measure_shop_gap(*, orders: Orders, as_of: int) -> float:
    """The mean gap between consecutive orders of a customer in days, that of a monthly rhythm where there is none."""
    gap, gaps = mean_gap(orders.start, orders.at, orders.is_return, as_of)
    return float(gap) if gaps else DEFAULT_QUANTILES.median_gap_days


def _of_orders(orders: Orders, rows: Ints, as_of: int, shop_gap: float) -> Matrix:
    out = np.zeros((len(rows), len(ORDER_COLUMNS)), np.float32)
    measure_orders(rows, orders.start, orders.at, orders.value, orders.is_return, as_of, shop_gap, out)
    return out


def _details(orders: Orders, rows: Ints, as_of: int) -> Matrix:
    out = np.zeros((len(rows), len(DETAILS)), np.float32)
    category = np.empty(0, np.int64) if orders.category is None else orders.category
    units: Floats = known(orders.units)
    measure_details(
        rows, orders.start, orders.at, orders.value, orders.is_return, units, known(orders.discount), category,
        orders.n_categories, as_of, out,
    )  # fmt: skip
    return out
