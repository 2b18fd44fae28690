"""Repurchase probabilities, compared with results computed by hand."""

import numpy as np
import pytest

from customers.lifecycle.scoring.next_order.repurchase import (
    MIN_VARIANCE,
    ProductRhythms,
    PurchaseRhythms,
    fit_product_rhythms,
    measure_rhythms,
    predict_repurchase_probability,
)

LN10 = float(np.log(10.0))


def measure(pair: list[int], at: list[float], as_of: float, half_life_days: float | None = None) -> PurchaseRhythms:
    return measure_rhythms(
        pair=np.array(pair, np.int64), at=np.array(at, np.float64), as_of=as_of, half_life_days=half_life_days
    )


def make_rhythms(as_of: float = 30.0) -> PurchaseRhythms:
    """Pair 0 buys product 0 every ten days, pair 1 product 1 once, on day 0."""
    return measure([0, 0, 1, 0], [20.0, 0.0, 0.0, 10.0], as_of)


def fit_population(rhythms: PurchaseRhythms, n_products: int = 2) -> ProductRhythms:
    return fit_product_rhythms(rhythms=rhythms, product=rhythms.pair, n_products=n_products, shrinkage=4.0)


def predict(rhythms: PurchaseRhythms, population: ProductRhythms, horizon_days: float = 30.0) -> np.ndarray:
    return predict_repurchase_probability(
        rhythms=rhythms, product=rhythms.pair, population=population, horizon_days=horizon_days, shrinkage=1.0
    )


def test_gaps_are_between_different_days_of_one_pair_in_any_order() -> None:
    rhythms = measure([7, 3, 7, 7, 3, 7], [10.4, 5.0, 0.1, 10.9, 9.0, 13.0], as_of=14.5)
    assert rhythms.pair.tolist() == [3, 7]
    assert rhythms.number.tolist() == [2, 3]
    assert (rhythms.days.tolist(), rhythms.gaps.tolist()) == ([2, 3], [1, 2])
    assert rhythms.log_gaps.tolist() == pytest.approx([np.log(4), np.log(10) + np.log(3)])
    assert rhythms.log_gap_squares.tolist() == pytest.approx([np.log(4) ** 2, np.log(10) ** 2 + np.log(3) ** 2])
    assert rhythms.since.tolist() == pytest.approx([5.5, 1.5])


def test_older_days_and_gaps_count_less_by_the_half_life() -> None:
    rhythms = measure([0, 0, 0], [0.0, 10.0, 20.0], as_of=20.0, half_life_days=10.0)
    assert rhythms.days.tolist() == [1.75]
    assert rhythms.gaps.tolist() == [1.5]
    assert rhythms.log_gaps.tolist() == pytest.approx([1.5 * LN10])
    assert rhythms.number.tolist() == [3]


def test_a_product_is_shrunk_towards_all_products() -> None:
    population = fit_population(make_rhythms())
    assert population.mean.tolist() == pytest.approx([LN10, LN10])
    assert population.variance.tolist() == pytest.approx([MIN_VARIANCE] * 2)
    # of all: (2 + 1) / (4 + 2) = 1/2; product 0: (2 + 4/2) / (3 + 4), product 1: (0 + 4/2) / (1 + 4)
    assert population.again.tolist() == pytest.approx([4 / 7, 2 / 5])


def test_after_the_median_gap_half_of_the_distribution_remains() -> None:
    """F(10) = 1/2 and F(40) ≈ 1.

    p = (2 + 4/7) / (3 + 1) = 9/14, so the probability is (9/28) / (1 − 9/28) = 9/19.
    """
    rhythms = make_rhythms()
    assert predict(rhythms, fit_population(rhythms))[0] == pytest.approx(9 / 19, abs=1e-6)


def test_the_probability_is_small_after_a_purchase_largest_when_due_and_falls_when_overdue() -> None:
    population = fit_population(make_rhythms())
    at_once, due, overdue, lapsed = (
        float(predict(make_rhythms(20.0 + since), population, horizon_days=3.0)[0]) for since in (0.0, 8.0, 16.0, 400.0)
    )
    assert at_once < 0.001
    assert due > 0.2
    assert due > overdue > lapsed
    assert lapsed < 0.001


def test_more_purchases_make_another_one_more_likely() -> None:
    pairs = [pair for pair, number in enumerate((1, 2, 4, 8)) for _day in range(number)]
    at = [30.0 - 7.0 * back for number in (1, 2, 4, 8) for back in range(number)]
    rhythms = measure(pairs, at, as_of=31.0)
    population = fit_product_rhythms(rhythms=rhythms, product=np.zeros(4, np.int64), n_products=1, shrinkage=4.0)
    probabilities = predict_repurchase_probability(
        rhythms=rhythms, product=np.zeros(4, np.int64), population=population, horizon_days=28.0, shrinkage=1.0
    )
    assert (np.diff(probabilities) > 0).all()


def test_results_are_probabilities_for_purchases_of_any_age() -> None:
    at = [0.0, 1e-12, 1.0, 19_000.0, 19_999.999, 20_000.0, 20_000.0]
    rhythms = measure([0, 1, 2, 3, 4, 5, 5], at, as_of=20_000.0, half_life_days=7.0)
    population = fit_population(rhythms, n_products=6)
    for horizon in (0.001, 28.0, 1e6):
        probabilities = predict(rhythms, population, horizon_days=horizon)
        assert ((probabilities >= 0) & (probabilities <= 1)).all()


def test_without_repeat_purchases_the_rhythm_is_monthly() -> None:
    rhythms = measure([0, 1], [3.0, 3.0], as_of=4.0)
    assert fit_population(rhythms).mean.tolist() == pytest.approx([np.log(30.0)] * 2)
    assert (predict(rhythms, fit_population(rhythms)) > 0).all()
    no_purchases = measure([], [], as_of=4.0)
    assert predict(no_purchases, fit_population(no_purchases)).shape == (0,)


def test_invalid_arguments_are_rejected_by_name() -> None:
    rhythms = make_rhythms()
    with pytest.raises(ValueError, match="half_life_days"):
        measure([0], [0.0], as_of=1.0, half_life_days=0.0)
    with pytest.raises(ValueError, match="one entry per purchase"):
        measure([0, 1], [0.0], as_of=1.0)
    with pytest.raises(ValueError, match="horizon_days"):
        predict(rhythms, fit_population(rhythms), horizon_days=0.0)
    with pytest.raises(ValueError, match="shrinkage"):
        fit_product_rhythms(rhythms=rhythms, product=rhythms.pair, n_products=2, shrinkage=0.0)
