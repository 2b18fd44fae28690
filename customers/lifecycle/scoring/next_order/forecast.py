"""Forecasts the period in which each customer's next order is expected, or the reason why no date can be given."""

from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr, ndtri_exp

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.scoring.next_order.order_rhythm import OrderRhythm, fit_order_rhythm, predict_order_gaps
from customers.lifecycle.scoring.next_order.repurchase import MIN_DAYS, PurchaseRhythms, measure_rhythms

REASONS: tuple[str, ...] = ("", "never_ordered", "long_overdue", "left", "too_uncertain")
FORECAST, NEVER_ORDERED, LONG_OVERDUE, LEFT, TOO_UNCERTAIN = range(5)

MAX_GAP_DAYS = 36_500.0
MAX_WINDOW_DAYS = 365.0
OVERDUE_QUANTILE = 0.95
MIN_ALIVE = 0.2  # customers with a lower P(alive) have churned, as in the stages


@dataclass(frozen=True, eq=False)
class NextOrderForecasts:
    """Forecasts of n customers, shape (n,).

    Days are counted from the midnight that `at` is counted from; −1 where there is a reason instead of a forecast. earliest,
    likeliest, latest: int64, the 25 %, 50 % and 75 % quantile of the day of the next order, given that it has not happened by
    as_of and that there is one. alive: the probability that there is one, 0 without any order. reason: int64, index of REASONS.
    """

    earliest: Ints
    likeliest: Ints
    latest: Ints
    alive: Floats
    reason: Ints


def forecast_next_orders(
    *, customer: Ints, at: Floats, n_customers: int, as_of: float, category: Ints, n_categories: int
) -> NextOrderForecasts:
    """Forecast the next order of each of n customers.

    customer: shape (orders,), row 0…n−1 of each order; at: shape (orders,), days since some midnight; as_of: the same unit.
    category: shape (n,), the main category of each customer, −1 for none. Orders at or after as_of are ignored.
    Errors: ValueError for rows or categories out of range.
    """
    if len(customer) and not (customer.min() >= 0 and customer.max() < n_customers):
        raise ValueError(f"customer must be in 0…{n_customers - 1}, got {int(customer.min())}…{int(customer.max())}")
    if category.shape != (n_customers,):
        raise ValueError(f"category has shape {category.shape}; pass one entry for each of {n_customers} customers")
    known = at < as_of
    rhythms = measure_rhythms(pair=customer[known], at=at[known], as_of=as_of)
    main_category = category[rhythms.pair]
    rhythm = fit_order_rhythm(rhythms=rhythms, category=main_category, n_categories=n_categories)
    windows = forecast_windows(rhythms=rhythms, category=main_category, rhythm=rhythm, as_of=as_of)
    none = np.full(n_customers, -1, np.int64)
    forecasts = NextOrderForecasts(
        none, none.copy(), none.copy(), np.zeros(n_customers), np.full(n_customers, NEVER_ORDERED, np.int64)
    )
    for name in ("earliest", "likeliest", "latest", "alive", "reason"):
        getattr(forecasts, name)[rhythms.pair] = getattr(windows, name)
    return forecasts


def forecast_windows(
    *, rhythms: PurchaseRhythms, category: Ints, rhythm: OrderRhythm, as_of: float, level: float = 0.5
) -> NextOrderForecasts:
    """Return the windows that contain the next order of k customers with probability `level`.

    It is the probability given that there is a next order.
    With S = 1 − F of the customer's log-normal gaps and t days since the last order, the q quantile g of the gap solves
    S(g) = (1 − q) · S(t). alive = p·S(t) / (1 − p·F(t)). Reasons: "left": alive < 0.2; "long_overdue": F(t) > 0.95, longer than 19 of
    20 gaps, so that no date is reliable; "too_uncertain": a window wider than a year. Sources: as `predict_repurchase_probability`.
    Errors: ValueError for a level outside 0…1 or a category out of range.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, got {level}")
    gap = predict_order_gaps(rhythms=rhythms, category=category, rhythm=rhythm)
    z = (np.log(np.maximum(rhythms.since, MIN_DAYS)) - gap.mean) / gap.spread
    log_survival = log_ndtr(-z)
    survival = np.exp(log_survival)
    alive = gap.again * survival / (1.0 - gap.again * (1.0 - survival))
    last_day, today = np.floor(as_of - rhythms.since), np.floor(as_of)

    def compute_gap_quantile(share: float) -> Floats:
        length = gap.mean - gap.spread * ndtri_exp(log_survival + np.log1p(-share))
        days: Floats = np.exp(np.minimum(length, np.log(MAX_GAP_DAYS)))
        return days

    # Whole days add half a day at each end, so the bounds are rounded inwards; a window under one day becomes the likeliest day.
    early, middle, late = (
        np.ceil(compute_gap_quantile(0.5 - level / 2)),
        np.rint(compute_gap_quantile(0.5)),
        np.floor(compute_gap_quantile(0.5 + level / 2)),
    )
    earliest, likeliest, latest = (
        np.maximum(last_day + np.where(early > late, middle, length), today) for length in (early, middle, late)
    )
    reason = np.select(
        [alive < MIN_ALIVE, survival < 1.0 - OVERDUE_QUANTILE, latest - earliest > MAX_WINDOW_DAYS],
        [LEFT, LONG_OVERDUE, TOO_UNCERTAIN],
        FORECAST,
    )

    def keep_forecasts(day: Floats) -> Ints:
        return np.where(reason == FORECAST, day, -1).astype(np.int64)

    return NextOrderForecasts(
        keep_forecasts(earliest), keep_forecasts(likeliest), keep_forecasts(latest), alive, reason.astype(np.int64)
    )
