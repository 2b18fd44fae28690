"""Measures the gaps between a shop's orders.

The thresholds of the stages are derived from them.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

DAY = 86_400_000_000  # microseconds
MIN_GAP_DAYS = 1.0
MIN_GAPS = 30


@dataclass(frozen=True)
class GapQuantiles:
    """Quantiles of gaps in days.

    ``gaps`` and ``second_gaps`` count the measured gaps; with fewer than 30 the values are defaults.
    """

    second_gap_days: float
    median_gap_days: float
    active_gap_days: float
    dormant_gap_days: float
    gaps: int
    second_gaps: int


# A monthly rhythm, for a shop without a history.
DEFAULT_QUANTILES = GapQuantiles(
    second_gap_days=30.0,
    median_gap_days=30.0,
    active_gap_days=60.0,
    dormant_gap_days=120.0,
    gaps=0,
    second_gaps=0,
)


def measure_gaps(*, customer: npt.NDArray[np.int64], at: npt.NDArray[np.int64]) -> GapQuantiles:
    """Return quantiles of the gaps between consecutive orders, and the median first gap.

    The first gap is that from the first to the second order.
    customer, at: shape (n,), one entry per order, sorted by customer and then by moment (microseconds). Orders of one moment are
    one visit, so gaps of zero don't count. Quantiles interpolate linearly and are at least one day. Only completed gaps are
    observed: a customer who never returned has none, so the measured rhythm is that of returning customers.
    """
    same = customer[1:] == customer[:-1]
    gap = np.diff(at)
    is_counted = same & (gap > 0)
    visit_starts = np.flatnonzero(np.concatenate(([True], ~same | (gap > 0)))) if len(at) else np.empty(0, np.int64)
    visit_customer = customer[visit_starts]
    is_first = (
        np.concatenate(([True], visit_customer[1:] != visit_customer[:-1]))
        if len(visit_customer)
        else np.empty(0, bool)
    )
    second = np.flatnonzero(is_first[:-1] & ~is_first[1:]) + 1
    second_gaps = at[visit_starts[second]] - at[visit_starts[second - 1]]
    return _summarize_gaps(gap[is_counted] / DAY, second_gaps / DAY)


def measure_customer_gap(*, customer: npt.NDArray[np.int64], at: npt.NDArray[np.int64], share: float) -> float:
    """Return a quantile of the gaps in days, in which every customer counts the same however often they order.

    customer, at: as for `measure_gaps`. Each of a customer's n gaps has the weight 1 / n. 0 with fewer than 30 gaps.
    """
    gap = np.diff(at)
    is_counted = (customer[1:] == customer[:-1]) & (gap > 0)
    days, owner = gap[is_counted] / DAY, customer[1:][is_counted]
    if len(days) < MIN_GAPS:
        return 0.0
    _ids, index, count = np.unique(owner, return_inverse=True, return_counts=True)
    order = np.argsort(days, kind="stable")
    weight = 1.0 / count[index[order]]
    middle = np.cumsum(weight) - weight / 2
    return float(np.interp(share * weight.sum(), middle, days[order]))


def measure_category_gaps(
    *, customer: npt.NDArray[np.int64], at: npt.NDArray[np.int64], category: npt.NDArray[np.int64], n_categories: int
) -> dict[int, GapQuantiles]:
    """Return the gap quantiles of the customers of each main category (ties: the lowest code).

    category: shape (n,), -1 for an order without one. Categories with fewer than 30 gaps are left out.
    """
    if not len(at) or not n_categories:
        return {}
    is_first = np.concatenate(([True], customer[1:] != customer[:-1]))
    customer_row = np.cumsum(is_first) - 1
    main = find_main_categories(
        customer=customer_row, category=category, n_customers=int(customer_row[-1]) + 1, n_categories=n_categories
    )
    quantiles_by_category: dict[int, GapQuantiles] = {}
    for code in np.unique(main[main >= 0]).tolist():
        own = main[customer_row] == code
        quantiles = measure_gaps(customer=customer[own], at=at[own])
        if quantiles.gaps >= MIN_GAPS:
            quantiles_by_category[code] = quantiles
    return quantiles_by_category


def find_main_categories(
    *, customer: npt.NDArray[np.int64], category: npt.NDArray[np.int64], n_customers: int, n_categories: int
) -> npt.NDArray[np.int64]:
    """Return the most frequent category of each customer's orders, shape (n_customers,).

    customer, category: shape (n,), one entry per order, customer as a row number, category -1 for an order without one. Ties: the
    lowest category; customers without a category get -1.
    """
    main = np.full(n_customers, -1, np.int64)
    has_category = category >= 0
    if not n_categories or not has_category.any():
        return main
    pairs, counts = np.unique(customer[has_category] * n_categories + category[has_category], return_counts=True)
    pairs = pairs[np.lexsort((pairs, -counts, pairs // n_categories))]
    customers, starts = np.unique(pairs // n_categories, return_index=True)
    main[customers] = pairs[starts] % n_categories
    return main


def _summarize_gaps(gaps: npt.NDArray[np.float64], second_gaps: npt.NDArray[np.float64]) -> GapQuantiles:
    """Return the quantiles, or defaults where there are too few gaps."""
    if len(gaps) < MIN_GAPS:
        median, active, dormant = (
            DEFAULT_QUANTILES.median_gap_days,
            DEFAULT_QUANTILES.active_gap_days,
            DEFAULT_QUANTILES.dormant_gap_days,
        )
    else:
        median, active, dormant = (max(float(q), MIN_GAP_DAYS) for q in np.quantile(gaps, [0.5, 0.75, 0.9]))
    enough = len(gaps) >= MIN_GAPS and len(second_gaps) >= MIN_GAPS
    second = max(float(np.median(second_gaps)), MIN_GAP_DAYS) if enough else median
    return GapQuantiles(
        second_gap_days=second,
        median_gap_days=median,
        active_gap_days=active,
        dormant_gap_days=dormant,
        gaps=len(gaps),
        second_gaps=len(second_gaps),
    )
