"""The Gamma-Gamma model.

Published parameters, the formula by hand, known parameters and doubtful data.
"""

import json

import numpy as np
import pytest
from scipy.integrate import quad

from customers.lifecycle.scoring.clv.models import gamma_gamma
from customers.lifecycle.scoring.clv.models.gamma_gamma import (
    GammaGamma,
    deserialize_spend_fit,
    fit_gamma_gamma,
    serialize_spend_fit,
)
from tests.customers.lifecycle.scoring.clv import cdnow_sample

CDNOW = GammaGamma(p=6.25, q=3.74, gamma=15.44)


def simulate_spend(truth: GammaGamma, n: int, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    draws = np.random.default_rng(seed)
    x = draws.geometric(0.4, n)
    nu = draws.gamma(truth.q, 1 / truth.gamma, n)
    return x, draws.gamma(truth.p * x, 1 / nu) / x


def test_cdnow_gives_the_published_parameters() -> None:
    histories = cdnow_sample.histories()
    fit = fit_gamma_gamma(x=histories.x, mean_value=histories.mean_value)
    assert fit.buyers == 946
    assert fit.converged
    assert fit.model is not None
    assert [fit.model.p, fit.model.q, fit.model.gamma] == pytest.approx([6.25, 3.74, 15.44], rel=2e-3)
    assert fit.correlation == pytest.approx(0.11, abs=0.01)
    assert fit.warnings == ()


def test_the_expected_value_is_between_the_mean_of_the_customer_and_of_all() -> None:
    mean_of_all = 6.25 * 15.44 / 2.74
    means = CDNOW.mean_spend(x=np.array([0, 1, 7, 100_000]), mean_value=np.array([0.0, 60.0, 60.0, 60.0]))
    assert means[0] == pytest.approx(mean_of_all)
    assert means[1] == pytest.approx(6.25 * (15.44 + 60.0) / (6.25 + 2.74))
    assert mean_of_all < means[1] < means[2] < means[3] < 60.0


def test_a_mean_below_0_counts_as_0() -> None:
    means = CDNOW.mean_spend(x=np.array([2, 2]), mean_value=np.array([-5.0, 0.0]))
    assert means[0] == means[1] > 0


def test_the_density_of_mean_values_integrates_to_1() -> None:
    for x in (1, 4):
        total, _ = quad(
            lambda m, x=x: np.exp(CDNOW.log_likelihood(x=np.array([x]), mean_value=np.array([m])))[0], 0, np.inf
        )
        assert total == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("truth", [CDNOW, GammaGamma(p=0.7, q=2.2, gamma=9_000.0)], ids=repr)
def test_known_parameters_are_recovered(truth: GammaGamma) -> None:
    x, mean_value = simulate_spend(truth, 30_000)
    fit = fit_gamma_gamma(x=x, mean_value=mean_value)
    assert fit.converged
    assert fit.model is not None
    assert fit.model.to_array() == pytest.approx(truth.to_array(), rel=0.1)
    assert fit.log_likelihood == pytest.approx(fit.model.log_likelihood(x=x, mean_value=mean_value).sum())
    assert fit.log_likelihood >= truth.log_likelihood(x=x, mean_value=mean_value).sum() - 1e-3
    assert fit.warnings == ()


def test_the_currency_unit_changes_gamma_only() -> None:
    x, mean_value = simulate_spend(CDNOW, 2_000)
    in_units, in_cents = (
        fit_gamma_gamma(x=x, mean_value=mean_value).model,
        fit_gamma_gamma(x=x, mean_value=100 * mean_value).model,
    )
    assert in_units is not None
    assert in_cents is not None
    assert in_cents.to_array() == pytest.approx(in_units.to_array() * [1, 1, 100], rel=1e-6)


def test_a_value_that_grows_with_frequency_gives_a_warning() -> None:
    x, mean_value = simulate_spend(CDNOW, 2_000)
    fit = fit_gamma_gamma(x=x, mean_value=mean_value * x)
    assert fit.correlation is not None
    assert fit.correlation > 0.3
    assert fit.warnings[0] == gamma_gamma.FREQUENCY_CORRELATES


def test_one_wholesaler_does_not_hide_the_correlation_of_the_others() -> None:
    x, mean_value = simulate_spend(CDNOW, 2_000)
    fit = fit_gamma_gamma(x=np.append(x, 100_000), mean_value=np.append(mean_value * x, 30.0))
    assert fit.correlation is not None
    assert fit.rank_correlation is not None
    assert abs(fit.correlation) < 0.1 < fit.rank_correlation
    assert fit.warnings == (gamma_gamma.FREQUENCY_CORRELATES,)


@pytest.mark.parametrize(
    ("x", "mean_value", "reason"),
    [
        ([], [], "no_paid_repeats"),
        ([0] * 50, [0.0] * 50, "no_paid_repeats"),
        ([2] * 50, [0.0, -3.0] * 25, "no_paid_repeats"),
        ([2] * 29 + [1], [5.0] * 29 + [-1.0], "few_paid_repeats"),
    ],
)
def test_an_impossible_fit_has_a_reason(x: list[int], mean_value: list[float], reason: str) -> None:
    fit = fit_gamma_gamma(x=np.array(x, np.int64), mean_value=np.array(mean_value))
    assert (fit.model, fit.reason) == (None, reason)
    assert deserialize_spend_fit(json.loads(json.dumps(serialize_spend_fit(fit)))).reason == reason


@pytest.mark.parametrize("value", [5.0, 1e9, 1e-6])
def test_equal_spend_of_all_customers_gives_that_spend(value: float) -> None:
    fit = fit_gamma_gamma(x=np.full(60, 2), mean_value=np.full(60, value))
    assert fit.model is not None
    assert fit.correlation is None
    assert fit.model.mean_spend(x=np.array([0, 2]), mean_value=np.array([0.0, value])) == pytest.approx(value, rel=0.02)


def test_a_tail_without_a_mean_gives_a_warning() -> None:
    draws = np.random.default_rng(0)
    fit = fit_gamma_gamma(x=np.full(500, 1), mean_value=np.exp(np.abs(draws.standard_cauchy(500).clip(-40, 40))))
    assert fit.model is not None
    assert fit.model.q > 1.05
    assert gamma_gamma.HEAVY_TAILED in fit.warnings
    assert np.isfinite(fit.model.mean_spend(x=np.array([0]), mean_value=np.array([0.0]))).all()


def test_invalid_arguments_are_rejected() -> None:
    with pytest.raises(ValueError, match="one entry per customer"):
        fit_gamma_gamma(x=np.array([1]), mean_value=np.array([1.0, 2.0]))
    with pytest.raises(ValueError, match="finite"):
        fit_gamma_gamma(x=np.array([1]), mean_value=np.array([np.inf]))
    with pytest.raises(ValueError, match="q must be greater than 1"):
        GammaGamma(p=1.0, q=1.0, gamma=1.0)


def test_fits_are_rebuilt_from_json() -> None:
    x, mean_value = simulate_spend(CDNOW, 200)
    fit = fit_gamma_gamma(x=x, mean_value=mean_value)
    rebuilt = deserialize_spend_fit(json.loads(json.dumps(serialize_spend_fit(fit))))
    assert rebuilt.model == fit.model
    assert serialize_spend_fit(rebuilt) == serialize_spend_fit(fit)
