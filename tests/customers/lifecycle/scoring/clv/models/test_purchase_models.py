"""The three purchase models.

They are compared with published tables, textbook formulas and numerical integration.
"""

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import beta as beta_function
from scipy.special import gamma as gamma_function
from scipy.special import hyp2f1
from scipy.stats import beta as beta_distribution

from customers.lifecycle.scoring.clv.fitting import PurchaseModel
from customers.lifecycle.scoring.clv.models.bg_nbd import BgNbd
from customers.lifecycle.scoring.clv.models.mbg_nbd import MbgNbd
from customers.lifecycle.scoring.clv.models.pareto_nbd import ParetoNbd
from customers.lifecycle.scoring.clv.models.purchase_model import compute_rate_posterior
from customers.lifecycle.scoring.clv.purchase_histories import HistoryGroups

BG = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426)
MBG = MbgNbd(r=0.525, alpha=6.183, a=0.891, b=1.614)
PARETO = ParetoNbd(r=0.553, alpha=10.578, s=0.606, beta=11.669)
MODELS = [BG, MBG, PARETO]
HISTORIES = [(0, 0.0, 38.86), (0, 0.0, 0.0), (1, 1.71, 38.86), (2, 30.43, 38.86), (29, 37.7, 38.9), (7, 12.0, 12.0)]


def make_arrays(*histories: tuple[int, float, float]) -> dict[str, np.ndarray]:
    x, t_x, age = zip(*histories, strict=True)
    return {"x": np.array(x), "t_x": np.array(t_x, float), "age": np.array(age, float)}


def integrate_likelihood(model: PurchaseModel, x: int, t_x: float, age: float) -> float:
    """Compute the likelihood by integration over p, or over the end of the lifetime."""
    if isinstance(model, ParetoNbd):
        r, alpha, s, beta = model.r, model.alpha, model.s, model.beta
        dropped_out, _ = quad(
            lambda end: s * beta**s / (beta + end) ** (s + 1) * alpha**r / (alpha + end) ** (r + x), t_x, age, epsabs=0
        )
        stayed = (beta / (beta + age)) ** s * alpha**r / (alpha + age) ** (r + x)
        return float(gamma_function(r + x) / gamma_function(r) * (stayed + dropped_out))
    r, alpha, a, b = model.r, model.alpha, model.a, model.b
    dropout_trials = x + model.dropout_after_first

    def compute_integrand(p: float) -> float:
        stayed = (1 - p) ** dropout_trials * alpha**r / (alpha + age) ** (r + x)
        dropped_out_before = (
            p * (1 - p) ** (dropout_trials - 1) * alpha**r / (alpha + t_x) ** (r + x) if dropout_trials else 0.0
        )
        return stayed + dropped_out_before

    integral, _ = quad(lambda p: compute_integrand(p) * p ** (a - 1) * (1 - p) ** (b - 1), 0, 1, epsabs=0, epsrel=1e-10)
    return float(gamma_function(r + x) / gamma_function(r) * integral / beta_function(a, b))


def integrate_purchases_until_dropout(model: BgNbd | MbgNbd, x: int, age: float, t: float) -> float:
    """∫ (1 − (1 + p t / (α+T))^−(r+x)) / p over the quantiles of p ~ Beta(a, b')."""
    stay = model.b + x + model.dropout_after_first
    reach = t / (model.alpha + age)

    def compute_integrand(quantile: float) -> float:
        p = beta_distribution.ppf(quantile, model.a, stay)
        if p * reach < 1e-12:
            return (model.r + x) * reach
        return float(-np.expm1(-(model.r + x) * np.log1p(p * reach)) / p)

    return float(quad(compute_integrand, 0, 1, epsabs=0, epsrel=1e-8, limit=200)[0])


def test_the_customer_of_the_paper_makes_1_226_purchases_in_39_weeks_and_is_alive_with_0_727() -> None:
    history = make_arrays((2, 30.43, 38.86))
    assert BG.expected_purchases(horizon=39.0, **history)[0] == pytest.approx(1.226, abs=5e-4)
    assert BG.probability_alive(**history)[0] == pytest.approx(0.727, abs=1.1e-3)


def test_a_customer_without_repeats_is_alive_by_construction_in_bg_nbd_only() -> None:
    history = make_arrays((0, 0.0, 38.86))
    assert BG.probability_alive(**history).tolist() == [1.0]
    assert MBG.probability_alive(**history)[0] < 0.9
    assert PARETO.probability_alive(**history)[0] < 0.9


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_likelihoods_match_numerical_integration(model: PurchaseModel) -> None:
    likelihoods = model.log_likelihood(**make_arrays(*HISTORIES))
    assert likelihoods == pytest.approx(
        [np.log(integrate_likelihood(model, *history)) for history in HISTORIES], rel=1e-8
    )


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_likelihoods_of_all_possible_histories_add_up_to_one(model: PurchaseModel) -> None:
    """P(X(T) = 0) + ∫ f(x = 1, t_1) dt_1 + … = 1.

    With T short, more than two repeats hardly ever happen.
    """
    age = 0.4
    none = np.exp(model.log_likelihood(**make_arrays((0, 0.0, age))))[0]
    one = quad(lambda t: np.exp(model.log_likelihood(**make_arrays((1, t, age))))[0], 0, age)[0]
    # the second at t, the first anywhere before it
    two = quad(lambda t: t * np.exp(model.log_likelihood(**make_arrays((2, t, age))))[0], 0, age)[0]
    three = quad(lambda t: t**2 / 2 * np.exp(model.log_likelihood(**make_arrays((3, t, age))))[0], 0, age)[0]
    assert none + one + two + three == pytest.approx(1.0, abs=2e-5)


@pytest.mark.parametrize("model", [BG, MBG, BgNbd(0.4, 0.05, 1.0, 0.3), MbgNbd(3.0, 2.0, 0.05, 20.0)], ids=repr)
@pytest.mark.parametrize("history", [(0, 38.86), (2, 38.86), (40, 39.0), (100_000, 60.0)], ids=repr)
def test_expected_purchases_match_numerical_integration(model: BgNbd | MbgNbd, history: tuple[int, float]) -> None:
    x, age = history
    expected = model.expected_purchases_if_alive(horizon=np.array([1.0, 39.0]), x=np.array([x]), age=np.array([age]))[0]
    assert expected == pytest.approx(
        [integrate_purchases_until_dropout(model, x, age, t) for t in (1.0, 39.0)], rel=1e-5
    )


def test_expected_purchases_match_the_closed_form_of_the_paper() -> None:
    r, alpha, a, b = BG.r, BG.alpha, BG.a, BG.b
    x, age, t = 2, 38.86, 39.0
    z = t / (alpha + age + t)
    closed = (a + b + x - 1) / (a - 1) * (1 - (1 - z) ** (r + x) * hyp2f1(r + x, b + x, a + b + x - 1, z))
    assert BG.expected_purchases_if_alive(horizon=np.array([t]), x=np.array([x]), age=np.array([age]))[
        0, 0
    ] == pytest.approx(closed, rel=1e-9)


def test_the_pareto_likelihood_matches_the_closed_form_with_two_hypergeometric_functions() -> None:
    r, alpha, s, beta = 0.553, 10.578, 0.606, 11.669
    for x, t_x, age in HISTORIES:
        power = r + s + x

        def part(end: float, power: float = power, x: int = x) -> float:
            return (beta + end) ** -power * hyp2f1(power, r + x, power + 1, (beta - alpha) / (beta + end))

        stayed = (alpha + age) ** -(r + x) * (beta + age) ** -s
        total = stayed + s / power * (part(t_x) - part(age))
        common = gamma_function(r + x) / gamma_function(r) * alpha**r * beta**s
        assert PARETO.log_likelihood(**make_arrays((x, t_x, age)))[0] == pytest.approx(
            np.log(common * total), rel=1e-10
        )
        assert PARETO.probability_alive(**make_arrays((x, t_x, age)))[0] == pytest.approx(stayed / total, rel=1e-9)


@pytest.mark.parametrize(("alpha", "beta"), [(1e-3, 50.0), (50.0, 1e-3), (5.0, 5.0), (1e3, 1e-2)])
def test_the_pareto_integral_is_accurate_for_scales_far_apart(alpha: float, beta: float) -> None:
    model = ParetoNbd(r=0.5, alpha=alpha, s=0.7, beta=beta)
    for x, t_x, age in [(0, 0.0, 40.0), (1, 0.2, 40.0), (12, 30.0, 40.0)]:
        borders = np.r_[t_x, t_x + np.geomspace(1e-5, age - t_x, 30)]
        dropped_out = sum(
            quad(lambda end, x=x: (beta + end) ** -1.7 * (alpha + end) ** -(0.5 + x), low, high, epsabs=0)[0]
            for low, high in pairwise(borders)
        )
        stayed = (alpha + age) ** -(0.5 + x) * (beta + age) ** -0.7
        alive = model.probability_alive(**make_arrays((x, t_x, age)))[0]
        assert alive == pytest.approx(stayed / (stayed + 0.7 * dropped_out), rel=1e-8)


def test_expected_purchases_of_pareto_are_continuous_where_s_is_one() -> None:
    at_one, beside = (
        ParetoNbd(0.5, 10.0, s, 12.0).expected_purchases(horizon=[4.0, 39.0], **make_arrays(*HISTORIES))
        for s in (1.0, 1.0 + 1e-9)
    )
    assert at_one == pytest.approx(beside, rel=1e-7)
    r_x, a_t, b_t = 2.5, 10.0 + 38.86, 12.0 + 38.86
    alive = ParetoNbd(0.5, 10.0, 1.0, 12.0).probability_alive(**make_arrays((2, 30.43, 38.86)))[0]
    assert at_one[3, 1] == pytest.approx(alive * r_x / a_t * b_t * np.log1p(39.0 / b_t))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_gradients_match_finite_differences(model: PurchaseModel) -> None:
    x, t_x, age = (column for column in make_arrays(*sorted(HISTORIES)).values())
    weight = np.arange(1.0, len(x) + 1)
    groups = HistoryGroups(x, t_x, age, weight, np.arange(len(x)), 1.0)
    total, gradient = model.total_log_likelihood(groups)
    assert total == pytest.approx(weight @ model.log_likelihood(x=x, t_x=t_x, age=age), rel=1e-12)
    parameters = model.to_array()
    for k, step in enumerate(1e-5 * parameters * np.eye(4)):
        above, below = (
            type(model).from_array(parameters + sign * step).total_log_likelihood(groups)[0] for sign in (1, -1)
        )
        assert gradient[k] == pytest.approx((above - below) / (2 * step[k]), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_tails_add_up_to_the_expected_purchases(model: PurchaseModel) -> None:
    ages = np.array([0.0, 5.0, 38.86])
    for x in (0, 3, 200):
        tails = model.purchase_tails_if_alive(horizon=39.0, x=x, age=ages, max_purchases=6_000)
        expected = model.expected_purchases_if_alive(horizon=np.array([39.0]), x=np.full(3, x), age=ages)[:, 0]
        assert np.all(np.diff(tails) <= 1e-15)
        assert tails[:, 0].tolist() == pytest.approx([1.0] * 3)
        assert tails[:, 1:].sum(axis=1) == pytest.approx(expected, rel=1e-6 if model is not PARETO else 1e-4)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_a_customer_with_100_000_orders_gets_finite_results(model: PurchaseModel) -> None:
    histories = make_arrays((100_000, 700.0, 700.0), (100_000, 350.0, 700.0), (100_000, 699.9, 700.0))
    assert np.isfinite(model.log_likelihood(**histories)).all()
    alive = model.probability_alive(**histories)
    assert alive[0] > 0.99
    assert alive[1] < 1e-9
    expected = model.expected_purchases(horizon=350.0, **histories)
    assert 10_000 < expected[0] <= 50_100
    tails = model.purchase_tails_if_alive(horizon=350.0, x=100_000, age=np.array([700.0]), max_purchases=52_000)[0]
    assert tails[10_000] > 0.9
    assert 0 <= tails[-1] < 1e-6


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_results_stay_within_bounds_for_any_history_and_parameters(model: PurchaseModel) -> None:
    draws = np.random.default_rng(5)
    for _ in range(60):
        other = type(model).from_array(np.exp(draws.uniform(-7, 7, 4)))
        age = np.exp(draws.uniform(-3, 7, 40))
        t_x = age * draws.random(40)
        x = draws.integers(0, 60, 40) * draws.integers(0, 2, 40)
        t_x[x == 0] = 0.0
        alive = other.probability_alive(x=x, t_x=t_x, age=age)
        expected = other.expected_purchases(horizon=[0.0, 1.0, 30.0], x=x, t_x=t_x, age=age)
        assert np.isfinite(other.log_likelihood(x=x, t_x=t_x, age=age)).all()
        assert np.all((alive >= 0) & (alive <= 1))
        assert np.isfinite(expected).all()
        assert np.all(expected[:, 0] == 0)
        assert np.all(np.diff(expected, axis=1) >= -1e-12 * expected[:, 1:])


def test_one_horizon_gives_a_vector_and_several_give_a_matrix() -> None:
    for model in MODELS:
        table = model.expected_purchases(horizon=[4.0, 39.0], **make_arrays(*HISTORIES))
        assert table.shape == (6, 2)
        assert model.expected_purchases(horizon=39.0, **make_arrays(*HISTORIES)).tolist() == table[:, 1].tolist()


def test_models_are_rebuilt_from_plain_values_and_invalid_ones_are_rejected() -> None:
    for model in MODELS:
        assert type(model).from_dict(model.to_dict()) == model
    assert BG.to_dict() == {"name": "bg_nbd", "r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}
    with pytest.raises(ValueError, match="name must be 'bg_nbd', got 'mbg_nbd'"):
        BgNbd.from_dict(MBG.to_dict())
    with pytest.raises(ValueError, match="lacks alpha, b"):
        BgNbd.from_dict({"name": "bg_nbd", "r": 1.0, "a": 1.0})
    for wrong in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="alpha must be finite and greater than 0"):
            BgNbd(1.0, wrong, 1.0, 1.0)


def test_rescaling_changes_times_only() -> None:
    assert BgNbd.from_rescaled(np.array([1.0, 2.0, 3.0, 4.0]), 7.0) == BgNbd(1.0, 14.0, 3.0, 4.0)
    assert ParetoNbd.from_rescaled(np.array([1.0, 2.0, 3.0, 4.0]), 7.0) == ParetoNbd(1.0, 14.0, 3.0, 28.0)


@pytest.mark.parametrize(
    ("histories", "message"),
    [
        (make_arrays((-1, 0.0, 1.0)), "x must be at least 0"),
        (make_arrays((1, 2.0, 1.0)), "t_x ≤ age"),
        (make_arrays((1, 1.0, np.inf)), "finite"),
        (make_arrays((1, np.nan, 1.0)), "t_x"),
        ({"x": np.array([1]), "t_x": np.array([1.0, 2.0]), "age": np.array([2.0])}, "one entry per customer"),
    ],
)
def test_invalid_histories_are_rejected(histories: dict[str, np.ndarray], message: str) -> None:
    for model in MODELS:
        with pytest.raises(ValueError, match=message):
            model.probability_alive(**histories)
    with pytest.raises(ValueError, match="horizon must be finite and at least 0"):
        BG.expected_purchases(horizon=-1.0, **make_arrays((1, 1.0, 2.0)))


def test_drift_keeps_the_mean_of_the_rate_and_widens_its_distribution() -> None:
    age = np.array([10.0, 100.0, 400.0])
    shape, rate = compute_rate_posterior(r=0.8, alpha=20.0, x=12, age=age, horizon=91.0, drift=130.0)
    known_shape, known_rate = compute_rate_posterior(r=0.8, alpha=20.0, x=12, age=age, horizon=91.0)
    assert known_shape.tolist() == [12.8] * 3
    assert known_rate.tolist() == (20.0 + age).tolist()
    assert (shape / rate).tolist() == pytest.approx((12.8 / (20.0 + age)).tolist())
    weight = 1 / (1 + age * (age + 91.0) / 130.0**2)
    assert shape.tolist() == pytest.approx((0.8 + 12 * weight).tolist())
    with pytest.raises(ValueError, match="drift must be greater than 0"):
        compute_rate_posterior(r=0.8, alpha=20.0, x=12, age=age, horizon=91.0, drift=0.0)


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name)
def test_drift_does_not_change_a_customer_without_repeats(model: PurchaseModel) -> None:
    plain, drifting = (
        model.purchase_tails_if_alive(horizon=39.0, x=0, age=np.array([20.0]), max_purchases=5, drift=drift)
        for drift in (np.inf, 15.0)
    )
    assert drifting.tolist() == plain.tolist()
