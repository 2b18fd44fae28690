"""Forecasts of the next order.

They are computed by hand, and on simulated customers with a known rhythm.
"""

import numpy as np
import pytest

from customers.lifecycle.scoring.next_order.forecast import (
    FORECAST,
    LEFT,
    LONG_OVERDUE,
    NEVER_ORDERED,
    TOO_UNCERTAIN,
    NextOrderForecasts,
    forecast_next_orders,
    forecast_windows,
)
from customers.lifecycle.scoring.next_order.order_rhythm import OrderRhythm, fit_order_rhythm, predict_order_gaps
from customers.lifecycle.scoring.next_order.repurchase import measure_rhythms

NO_CATEGORY = -1


def predict(customer: list[int], at: list[float], as_of: float, n: int) -> NextOrderForecasts:
    return forecast_next_orders(
        customer=np.array(customer, np.int64), at=np.array(at, np.float64), n_customers=n, as_of=as_of,
        category=np.full(n, NO_CATEGORY, np.int64), n_categories=0,
    )  # fmt: skip


def make_rhythm(
    *medians: float, variance: float = 0.25, between: float = 1e9, follow: tuple[float, float] = (9.0, 1.0)
) -> OrderRhythm:
    return OrderRhythm(np.log(medians or (10.0,)), variance, between, follow)


def forecast_one(since: float, rhythm: OrderRhythm, gap: float = 10.0) -> NextOrderForecasts:
    """Forecast one customer with orders on the days 1000 − gap and 1000, `since` days ago."""
    rhythms = measure_rhythms(pair=np.zeros(2, np.int64), at=np.array([1000.0 - gap, 1000.0]), as_of=1000.0 + since)
    return forecast_windows(rhythms=rhythms, category=np.array([-1]), rhythm=rhythm, as_of=1000.0 + since)


def test_just_after_an_order_the_window_is_the_central_half_of_the_gaps() -> None:
    """exp(ln 10 ∓ 0.6745 · ½ · √2) = 6.2 and 16.1 days, rounded inwards to 7 and 16.

    √2 for the uncertainty of the mean.
    """
    forecasts = forecast_one(0.0, make_rhythm())
    assert (forecasts.earliest[0], forecasts.likeliest[0], forecasts.latest[0]) == (1007, 1010, 1016)
    assert forecasts.reason[0] == FORECAST
    assert forecasts.alive[0] == pytest.approx(10 / 11)  # nine of ten orders of the shop, and one of the customer


def test_after_the_median_gap_the_window_is_the_central_half_of_the_remaining_distribution() -> None:
    """S(10) = ½, so the 25 % and 75 % quantile are where S is 3/8 and 1/8.

    exp(ln 10 + ½√2 · 0.3186), and · 1.1503.
    """
    forecasts = forecast_one(10.0, make_rhythm())
    assert (forecasts.earliest[0], forecasts.latest[0]) == (1013, 1022)


def test_a_customer_with_one_order_has_the_rhythm_of_the_category() -> None:
    rhythms = measure_rhythms(pair=np.arange(2), at=np.array([100.0, 100.0]), as_of=100.5)
    rhythm = make_rhythm(7.0, 70.0, 30.0, variance=0.05, between=0.05)
    forecasts = forecast_windows(rhythms=rhythms, category=np.array([1, 0]), rhythm=rhythm, as_of=100.5)
    assert forecasts.likeliest.tolist() == [170, 107]


def test_long_overdue_lost_and_irregular_customers_have_a_reason_instead_of_a_date() -> None:
    loyal_rhythm, fickle_rhythm = make_rhythm(follow=(999.0, 1.0)), make_rhythm(follow=(2.0, 1.0))
    overdue, lost = forecast_one(50.0, loyal_rhythm), forecast_one(60.0, fickle_rhythm)
    irregular = forecast_one(1.0, make_rhythm(variance=9.0))
    assert overdue.reason[0] == LONG_OVERDUE
    assert lost.reason[0] == LEFT
    assert irregular.reason[0] == TOO_UNCERTAIN
    for forecasts in (overdue, lost, irregular):
        assert (forecasts.earliest[0], forecasts.likeliest[0], forecasts.latest[0]) == (-1, -1, -1)
        assert 0 <= forecasts.alive[0] <= 1


def test_customers_without_orders_have_a_reason_and_later_orders_change_nothing() -> None:
    customer, at = [0, 0, 0, 2], [10.0, 20.0, 30.0, 28.0]
    forecasts = predict(customer, at, 31.0, 4)
    assert forecasts.reason.tolist() == [FORECAST, NEVER_ORDERED, FORECAST, NEVER_ORDERED]
    assert forecasts.earliest[[1, 3]].tolist() == [-1, -1]
    with_later_orders = predict([*customer, 1, 0], [*at, 31.0, 40.0], 31.0, 4)
    for name in ("earliest", "likeliest", "latest", "alive", "reason"):
        assert (getattr(with_later_orders, name) == getattr(forecasts, name)).all()


def test_no_orders_and_no_customers_give_empty_forecasts() -> None:
    assert predict([], [], 5.0, 2).reason.tolist() == [NEVER_ORDERED, NEVER_ORDERED]
    assert predict([], [], 5.0, 0).reason.shape == (0,)


def test_all_orders_on_one_day_give_the_monthly_rhythm() -> None:
    forecasts = predict([0, 1, 1, 2], [4.1, 4.2, 4.3, 4.4], 5.0, 3)
    assert (forecasts.reason == FORECAST).all()
    assert forecasts.likeliest.tolist() == [34, 34, 34]


@pytest.mark.parametrize("since", [1e-9, 0.01, 1.0, 50.0, 5_000.0, 90_000.0])
def test_windows_are_in_order_and_never_in_the_past(since: float) -> None:
    draws = np.random.default_rng(int(since))
    customer = np.repeat(np.arange(200), 3)
    at = 1000.0 - draws.lognormal(2.0, 2.0, 600)
    at[::3] = 1000.0
    forecasts = forecast_next_orders(
        customer=customer, at=at, n_customers=200, as_of=1000.0 + since,
        category=draws.integers(-1, 3, 200), n_categories=3,
    )  # fmt: skip
    has_forecast = forecasts.reason == FORECAST
    assert ((forecasts.alive >= 0) & (forecasts.alive <= 1)).all()
    assert (forecasts.earliest[has_forecast] >= np.floor(1000.0 + since)).all()
    assert (forecasts.earliest[has_forecast] <= forecasts.likeliest[has_forecast]).all()
    assert (forecasts.likeliest[has_forecast] <= forecasts.latest[has_forecast]).all()
    assert (forecasts.latest[~has_forecast] == -1).all()


def simulate_rhythms(
    n: int = 4_000, *, between: float = 0.5, within: float = 0.4, leave: float = 0.05, seed: int = 3
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return customer and day of each order, and the category of each customer.

    Two categories have median gaps of 10 and 30 days; customers differ; each order may be the last.
    """
    draws = np.random.default_rng(seed)
    category = draws.integers(0, 2, n)
    mean = np.log(np.where(category == 0, 10.0, 30.0)) + draws.normal(0.0, between, n)
    at = draws.uniform(0.0, 200.0, n)
    active = np.arange(n)
    customers, days = [active], [at]
    while len(active):
        active = active[draws.random(len(active)) >= leave]
        at = at.copy()
        at[active] += draws.lognormal(mean[active], within)
        active = active[at[active] < 900.0]
        customers.append(active)
        days.append(at[active])
    return np.concatenate(customers), np.concatenate(days), category


def test_the_variances_between_and_within_customers_are_separated() -> None:
    customer, at, category = simulate_rhythms(leave=0.02)
    rhythms = measure_rhythms(pair=customer, at=at, as_of=900.0)
    rhythm = fit_order_rhythm(rhythms=rhythms, category=category, n_categories=2)
    assert rhythm.within == pytest.approx(0.4**2, rel=0.05)
    assert rhythm.between == pytest.approx(0.5**2, rel=0.1)
    assert rhythm.shrinkage == pytest.approx(0.4**2 / 0.5**2, rel=0.15)
    assert np.exp(rhythm.mean[:2]) == pytest.approx([10.0, 30.0], rel=0.05)
    a, b = rhythm.follow
    assert a / (a + b) == pytest.approx(0.98, abs=0.01)


@pytest.mark.parametrize("within", [0.3, 0.8])
def test_half_of_the_next_orders_fall_into_the_window(within: float) -> None:
    customer, at, category = simulate_rhythms(within=within, seed=8)
    forecasts = forecast_next_orders(
        customer=customer, at=at, n_customers=4_000, as_of=400.0, category=category, n_categories=2
    )
    following = np.full(4_000, np.inf)
    later = at >= 400.0
    np.minimum.at(following, customer[later], at[later])
    has_ordered = np.isfinite(following) & (forecasts.reason == FORECAST)
    day = np.floor(following[has_ordered])
    assert has_ordered.sum() > 1_500
    inside = (forecasts.earliest[has_ordered] <= day) & (day <= forecasts.latest[has_ordered])
    assert inside.mean() == pytest.approx(0.5, abs=0.04)
    assert forecasts.alive[forecasts.reason != NEVER_ORDERED].mean() == pytest.approx(
        np.isfinite(following)[forecasts.reason != NEVER_ORDERED].mean(), abs=0.03
    )


def test_a_regular_customer_has_a_narrower_window_than_an_irregular_one() -> None:
    regular, irregular = [float(day) for day in range(0, 200, 10)], [0.0]
    for gap in [2, 35, 4, 20, 3, 40, 10, 5, 25, 8, 30, 3, 15]:
        irregular.append(irregular[-1] + gap)
    last = irregular[-1]
    customer = [0] * len(regular) + [1] * len(irregular)
    at = [day - regular[-1] + last for day in regular] + irregular
    at = [day + 10 for day in at]
    forecasts = predict(customer, at, last + 11.0, 2)
    width = forecasts.latest - forecasts.earliest
    assert width[0] < width[1] / 2
    rhythms = measure_rhythms(pair=np.array(customer), at=np.array(at), as_of=last + 11.0)
    rhythm = fit_order_rhythm(rhythms=rhythms, category=np.full(2, -1), n_categories=0)
    spread = predict_order_gaps(rhythms=rhythms, category=np.full(2, -1), rhythm=rhythm).spread
    assert spread[0] < spread[1]


def test_invalid_arguments_are_rejected_by_name() -> None:
    with pytest.raises(ValueError, match="customer must be in 0…0"):
        predict([1], [0.0], 1.0, 1)
    with pytest.raises(ValueError, match="category has shape"):
        forecast_next_orders(
            customer=np.zeros(1, np.int64), at=np.zeros(1), n_customers=1, as_of=1.0,
            category=np.zeros(2, np.int64), n_categories=1,
        )  # fmt: skip
    with pytest.raises(ValueError, match="category must be in −1…0"):
        forecast_next_orders(
            customer=np.zeros(1, np.int64), at=np.zeros(1), n_customers=1, as_of=1.0,
            category=np.array([4]), n_categories=1,
        )  # fmt: skip
    with pytest.raises(ValueError, match="level"):
        forecast_windows(
            rhythms=measure_rhythms(pair=np.zeros(1, np.int64), at=np.zeros(1), as_of=1.0),
            category=np.array([-1]), rhythm=make_rhythm(), as_of=1.0, level=1.0,
        )  # fmt: skip
