"""Comparisons of two groups against worked values, SciPy and statsmodels."""

import math

import numpy as np
import pytest
from scipy.stats import chisquare, ttest_ind
from statsmodels.api import OLS, add_constant
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import confint_proportions_2indep

from config.foundation.statistics import compare_means, compute_newcombe_bounds
from recommendations.measurement.statistics.bootstrap import bootstrap_mean_difference
from recommendations.measurement.statistics.cuped import compare_adjusted_means
from recommendations.measurement.statistics.moments import make_moments
from recommendations.measurement.statistics.multiple_comparisons import adjust_p_values, compute_simultaneous_level
from recommendations.measurement.statistics.power import (
    approximate_power,
    compute_minimum_detectable_effect,
    compute_minimum_detectable_mean_difference,
    compute_required_customers,
)
from recommendations.measurement.statistics.relative_lift import compare_relative_means, compare_relative_shares
from recommendations.measurement.statistics.sample_ratio import compute_sample_ratio_p


def test_newcombe_agrees_with_statsmodels() -> None:
    low, high = compute_newcombe_bounds(56, 70, 48, 80)
    assert (float(low), float(high)) == (
        pytest.approx(0.0524, abs=1e-4),
        pytest.approx(0.3339, abs=1e-4),
    )  # the paper's
    expected = confint_proportions_2indep(56, 70, 48, 80, method="newcomb", compare="diff", correction=False)
    assert (float(low), float(high)) == pytest.approx(expected)


def test_relative_lift_of_shares_is_katz() -> None:
    lift = compare_relative_shares(56, 70, 48, 80)
    expected = confint_proportions_2indep(56, 70, 48, 80, method="log", compare="ratio", correction=False)
    assert lift.value == pytest.approx(1 / 3)
    assert (lift.low + 1, lift.high + 1) == pytest.approx(expected)
    nobody = compare_relative_shares(5, 100, 0, 100)
    assert nobody.value == math.inf
    assert nobody.low == pytest.approx(0.5 / 5.5 * 0 - 0.3835, abs=1e-3)
    assert math.isnan(compare_relative_shares(0, 10, 0, 10).low)
    assert math.isnan(compare_relative_shares(1, 10, 0, 0).value)


def test_relative_lift_of_means_is_fieller() -> None:
    # m_T = 12, m_C = 10, s_T = s_C = .5; the bounds solve (12 − 10ρ)² = z²·.25·(1 + ρ²)
    lift = compare_relative_means(2.0, math.sqrt(0.5), 10.0, 0.5)
    for bound in (lift.low + 1, lift.high + 1):
        assert (12 - 10 * bound) ** 2 == pytest.approx(1.959964**2 * 0.25 * (1 + bound**2), rel=1e-5)
    assert lift.value == pytest.approx(0.2)
    wider = compare_relative_means(2.0, math.sqrt(0.5), 10.0, 0.5, critical_value=3.0)
    assert (12 - 10 * (wider.low + 1)) ** 2 == pytest.approx(9 * 0.25 * (1 + (wider.low + 1) ** 2))
    assert wider.low < 0 < lift.low, "as of the difference: 2 is 2.8 standard errors"
    assert math.isnan(compare_relative_means(2.0, 1.0, 0.5, 0.9).low)  # the control mean may be 0
    assert math.isnan(compare_relative_means(2.0, 1.0, 0.0, 0.0).value)


def make_shop(n: int, correlation: float, effect: float, seed: int = 17) -> tuple[np.ndarray, np.ndarray]:
    """Return whether each customer is treated, and (n, 3) outcome and two earlier values; correlation with the first."""
    rng = np.random.default_rng(seed)
    earlier, other = rng.normal(size=n), rng.normal(size=n)
    treated = rng.random(n) < 0.8
    outcome = correlation * earlier + math.sqrt(1 - correlation**2) * rng.normal(size=n) + effect * treated
    return treated, np.column_stack([outcome, earlier, other])


def test_cuped_is_the_coefficient_of_a_regression_on_the_group_and_the_covariates() -> None:
    treated, values = make_shop(400, 0.6, 0.3)
    result = compare_adjusted_means(
        make_moments(values[treated]), make_moments(values[~treated]), outcome=0, covariates=[1, 2]
    )
    fit = OLS(values[:, 0], add_constant(np.column_stack([treated, values[:, 1:]]))).fit(cov_type="HC2")
    assert result.value == pytest.approx(fit.params[1])
    assert result.standard_error == pytest.approx(fit.bse[1], rel=0.05)


def test_cuped_leaves_one_minus_rho_squared_of_the_variance() -> None:
    treated, values = make_shop(100_000, 0.7, 0.0)
    moments = make_moments(values[treated]), make_moments(values[~treated])
    result = compare_adjusted_means(*moments, outcome=0, covariates=[1])
    assert result.variance_ratio == pytest.approx(1 - 0.7**2, abs=0.01)
    plain = compare_means(moments[0].get_sample(0), moments[1].get_sample(0))
    assert (result.high - result.low) / (plain.high - plain.low) == pytest.approx(math.sqrt(0.51), abs=0.01)


def test_cuped_by_hand() -> None:
    # treated (y, x): (3, 1), (5, 3); control: (1, 0), (3, 2), (2, 4). Within: Sxx = 2 + 8 = 10, Sxy = 2 + 2 = 4, θ = .4
    # ȳ: 4 − 2 = 2; x̄: 2 − 2 = 0, so that the adjusted difference is 2
    result = compare_adjusted_means(
        make_moments([[3, 1], [5, 3]]), make_moments([[1, 0], [3, 2], [2, 4]]), outcome=0, covariates=[]
    )
    assert (result.value, result.variance_ratio) == (2.0, 1.0)
    more = make_moments([[3, 1], [5, 3], [4, 5]]), make_moments([[1, 0], [3, 2], [2, 4]])
    # x̄: 3 − 2 = 1. Sxx = 8 + 8 = 16, Sxy = 4 + 2... (1·(−1) + 0 + ...): treated (−1)(−2) + 1·0 + 0·2 = 2; control 2: θ = 4/16
    assert compare_adjusted_means(*more, outcome=0, covariates=[1]).value == pytest.approx(2 - 0.25)


def test_a_small_group_does_not_set_the_width_of_its_own_interval() -> None:
    """Two orders of 50 customers would have a standard error of almost 0 by themselves; the wider of Welch's and Student's counts."""
    rng = np.random.default_rng(3)
    large, small = rng.normal(10, 4, 300), rng.normal(10, 1, 20)
    for first, second, is_equal in ((large, small, True), (small, large, True), (large, small * 9, False)):
        moments = [make_moments(values[:, None]) for values in (first, second)]
        result = compare_adjusted_means(*moments, outcome=0, covariates=())
        expected = ttest_ind(first, second, equal_var=is_equal).confidence_interval()
        assert (result.low, result.high) == (pytest.approx(expected.low), pytest.approx(expected.high))
    nobody = compare_adjusted_means(
        make_moments([[1.0]] * 19 + [[0.0]] * 931), make_moments([[0.0]] * 50), outcome=0, covariates=()
    )
    # Student's variance: 19·931/950 ÷ 998
    error = math.sqrt(19 * 931 / 950 / 998 * (1 / 950 + 1 / 50))
    assert (nobody.value, nobody.standard_error) == (0.02, pytest.approx(error))
    assert nobody.low < 0
    assert nobody.control_standard_error == pytest.approx(error * math.sqrt(0.95)), (
        "so that the relative change is unknown"
    )


def test_without_customers_or_differences_the_adjustment_says_nothing() -> None:
    one, two = make_moments([[1.0, 1.0]]), make_moments([[1.0, 1.0], [2.0, 1.0], [3.0, 1.0]])
    assert math.isnan(compare_adjusted_means(one, two, outcome=0, covariates=[1]).value)
    assert compare_adjusted_means(two, two, outcome=0, covariates=[1]).variance_ratio == 1


def test_moments_of_parts_add_up() -> None:
    values = np.random.default_rng(1).normal(size=(50, 2))
    whole, parts = make_moments(values), make_moments(values[:20]) + make_moments(values[20:])
    assert parts.compute_covariance() == pytest.approx(np.cov(values.T))
    assert parts.get_mean(1) == pytest.approx(whole.get_mean(1))


def test_bootstrap_covers_a_skewed_difference() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for seed in range(200):
        buys = rng.random((2, 2000)) < np.array([[0.08], [0.06]])
        spends = rng.lognormal(3, 1, (2, 2000))
        first, second = (spends[row][buys[row]] for row in (0, 1))
        interval = bootstrap_mean_difference(first, 2000, second, 2000, seed=seed, draws=400)
        covered += interval.low <= 0.02 * math.exp(3.5) <= interval.high
    assert covered / 200 == pytest.approx(0.95, abs=0.04)


def test_bootstrap_needs_buyers_and_is_repeatable() -> None:
    few, many = np.array([10.0, 20.0]), np.arange(1.0, 50.0)
    assert math.isnan(bootstrap_mean_difference(few, 100, many, 100, seed=1).low)
    assert math.isnan(bootstrap_mean_difference(few, 0, many, 100, seed=1).value)
    assert bootstrap_mean_difference(many, 90, many, 100, seed=1) == bootstrap_mean_difference(
        many, 90, many, 100, seed=1
    )


def test_holm_agrees_with_statsmodels() -> None:
    p_values = np.array([0.01, 0.04, 0.03, 0.005, 0.5])
    assert adjust_p_values(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])
    assert compute_simultaneous_level(0.95, 5) ** 5 == pytest.approx(0.95)


def test_the_sample_ratio_is_tested_by_chi_square() -> None:
    expected = chisquare([9000, 1100], [9090, 1010]).pvalue
    assert compute_sample_ratio_p((9000, 1100), (0.9, 0.1)) == pytest.approx(expected)
    assert compute_sample_ratio_p((7, 13), (0.1, 0.9)) == pytest.approx(0.002386, abs=1e-6)  # binomial; χ² says .0002
    assert compute_sample_ratio_p((0, 0), (0.9, 0.1)) == compute_sample_ratio_p((5, 0), (1, 0)) == 1
    three = compute_sample_ratio_p((1000, 1050, 950), (1, 1, 1))
    assert three == pytest.approx(chisquare([1000, 1050, 950]).pvalue)


def test_the_sizes_of_a_test_follow_from_its_power() -> None:
    # the formula of equal variances: .50 points with 90,000 against 10,000 at 3%, 53% relative with a tenth of the customers
    spread = math.sqrt(0.03 * 0.97)
    large, small = (
        compute_minimum_detectable_mean_difference(standard_deviation=spread, treated=9 * size, held_out=size)
        for size in (10_000, 1_000)
    )
    assert (large, small) == (pytest.approx(0.00504, abs=5e-6), pytest.approx(0.53 * 0.03, rel=0.005))
    # with the variances under the effect, 80% power needs more
    assert compute_minimum_detectable_effect(rate=0.03, treated=9_000, held_out=1_000) == pytest.approx(
        0.0187, abs=5e-5
    )
    required = compute_required_customers(rate=0.03, effect=0.00531, holdout_share=0.1)
    assert required == pytest.approx(100_000, rel=0.005)
    assert required is not None
    assert approximate_power(0.03, 0.03531, round(required * 0.9), round(required * 0.1), 0.05) == pytest.approx(
        0.8, abs=0.001
    )
    assert compute_required_customers(rate=0.99, effect=0.02, holdout_share=0.1) is None
    difference = compute_minimum_detectable_mean_difference(standard_deviation=40, treated=9_000, held_out=1_000)
    power = NormalIndPower().power(difference / 40, 9_000, 0.05, ratio=1 / 9)
    assert power == pytest.approx(0.8, abs=1e-4)
    assert compute_minimum_detectable_mean_difference(standard_deviation=40, treated=0, held_out=9) is None
