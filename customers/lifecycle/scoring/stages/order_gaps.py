"""The times between a shop's orders, from which the thresholds of the stages are measured."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

DAY = 86_400_000_000  # microseconds
SHORTEST_DAYS = 1.0
FEWEST_GAPS = 30


@dataclass(frozen=True)
class GapQuantiles:
    """In days. ``gaps`` and ``second_gaps`` count what was measured; with fewer than 30 the values are the defaults."""

    second_gap_days: float
    median_gap_days: float
    active_gap_days: float
    dormant_gap_days: float
    gaps: int
    second_gaps: int


# for a shop without a history: a monthly rhythm
DEFAULT_QUANTILES = GapQuantiles(
    second_gap_days=30.0,
    median_gap_days=30.0,
    active_gap_days=60.0,
    dormant_gap_days=120.0,
    gaps=0,
    second_gaps=0,
)


def measure_gaps(*, customer: npt.NDArray[np.int64], at: npt.NDArray[np.int64]) -> GapQuantiles:
    """Quantiles of the gaps between consecutive orders, and the median gap from the first to the second.

    customer, at: shape (n,), one entry an order, sorted by customer and then by moment (microseconds). Orders of one moment are
    one visit, so gaps of zero don't count. Quantiles interpolate linearly and are at least one day. Only completed gaps are
    seen: somebody who never returned has none, which makes the measured rhythm that of returning customers.
    """
    same = customer[1:] == customer[:-1]
    gap = np.diff(at)
    counted = same & (gap > 0)
    visit_starts = np.flatnonzero(np.concatenate(([True], ~same | (gap > 0)))) if len(at) else np.empty(0, np.int64)
    visitor = customer[visit_starts]
    first = np.concatenate(([True], visitor[1:] != visitor[:-1])) if len(visitor) else np.empty(0, bool)
    second = np.flatnonzero(first[:-1] & ~first[1:]) + 1
    second_gaps = at[visit_starts[second]] - at[visit_starts[second - 1]]
    return _quantiles(gap[counted] / DAY, second_gaps / DAY)


def measure_category_gaps(
    *, customer: npt.NDArray[np.int64], at: npt.NDArray[np.int64], category: npt.NDArray[np.int64], n_categories: int
) -> dict[int, GapQuantiles]:
    """`measure_gaps` of the customers of each category: those most of whose orders were of it; of several the lowest.

    category: shape (n,), -1 for an order of none. Categories with fewer than 30 gaps are left out.
    """
    if not len(at) or not n_categories:
        return {}
    first = np.concatenate(([True], customer[1:] != customer[:-1]))
    person = np.cumsum(first) - 1
    main = main_categories(person=person, category=category, n_people=int(person[-1]) + 1, n_categories=n_categories)
    found: dict[int, GapQuantiles] = {}
    for code in np.unique(main[main >= 0]).tolist():
        own = main[person] == code
        quantiles = measure_gaps(customer=customer[own], at=at[own])
        if quantiles.gaps >= FEWEST_GAPS:
            found[code] = quantiles
    return found


def main_categories(
    *, person: npt.NDArray[np.int64], category: npt.NDArray[np.int64], n_people: int, n_categories: int
) -> npt.NDArray[np.int64]:
    """The category of most of each person's orders, shape (n_people,); of several the lowest, -1 for somebody with none.

    person, category: shape (n,), one entry an order, category -1 for an order of none.
    """
    main = np.full(n_people, -1, np.int64)
    of_some = category >= 0
    if not n_categories or not of_some.any():
        return main
    pairs, counts = np.unique(person[of_some] * n_categories + category[of_some], return_counts=True)
    pairs = pairs[np.lexsort((pairs, -counts, pairs // n_categories))]
    people, starts = np.unique(pairs // n_categories, return_index=True)
    main[people] = pairs[starts] % n_categories
    return main


def _quantiles(gaps: npt.NDArray[np.float64], second_gaps: npt.NDArray[np.float64]) -> GapQuantiles:
    if len(gaps) < FEWEST_GAPS:
        median, active, dormant = (
            DEFAULT_QUANTILES.median_gap_days,
            DEFAULT_QUANTILES.active_gap_days,
            DEFAULT_QUANTILES.dormant_gap_days,
        )
    else:
        median, active, dormant = (max(float(q), SHORTEST_DAYS) for q in np.quantile(gaps, [0.5, 0.75, 0.9]))
    enough = len(gaps) >= FEWEST_GAPS and len(second_gaps) >= FEWEST_GAPS
    second = max(float(np.median(second_gaps)), SHORTEST_DAYS) if enough else median
    return GapQuantiles(
        second_gap_days=second,
        median_gap_days=median,
        active_gap_days=active,
        dormant_gap_days=dormant,
        gaps=len(gaps),
        second_gaps=len(second_gaps),
    )
