"""The probability of at least one purchase within some days."""

import numpy as np
import pytest

from customers.lifecycle.scoring.clv.models.bg_nbd import BgNbd
from customers.lifecycle.scoring.clv.models.mbg_nbd import MbgNbd
from customers.lifecycle.scoring.clv.models.pareto_nbd import ParetoNbd
from customers.lifecycle.scoring.clv.prediction.purchase_probability import predict_purchase_probability
from customers.lifecycle.scoring.clv.purchase_histories import HistoryGroups

MODELS = (
    BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426),
    MbgNbd(r=0.5, alpha=6.0, a=0.9, b=2.0),
    ParetoNbd(r=0.553, alpha=10.578, s=0.606, beta=11.669),
)


def make_groups() -> HistoryGroups:
    x = np.array([0, 0, 1, 2, 2, 9, 100_000])
    t_x = np.array([0.0, 0.0, 10.0, 30.43, 5.0, 38.0, 38.0])
    age = np.array([10.0, 38.86, 38.86, 38.86, 38.86, 38.86, 39.0])
    return HistoryGroups(x, t_x, age, np.ones(7), np.arange(7), 7.0)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_the_probability_grows_with_the_horizon_and_never_exceeds_p_alive(model):
    groups = make_groups()
    probabilities = np.array(
        [predict_purchase_probability(model=model, groups=groups, horizon=t) for t in (0.0, 0.5, 1.0, 4.0, 100.0)]
    )
    assert probabilities[0] == pytest.approx(np.zeros(7))
    assert (np.diff(probabilities, axis=0) >= 0).all()
    alive = model.probability_alive(x=groups.x, t_x=groups.t_x, age=groups.age)
    assert (probabilities <= alive + 1e-12).all()


@pytest.mark.parametrize("model", MODELS[:2], ids=lambda model: model.name)
def test_the_probability_of_dropout_models_has_a_closed_form(model):
    groups = make_groups()
    age = model.alpha + groups.age
    expected = model.probability_alive(x=groups.x, t_x=groups.t_x, age=groups.age) * (
        1.0 - (age / (age + 4.0)) ** (model.r + groups.x)
    )
    assert predict_purchase_probability(model=model, groups=groups, horizon=4.0) == pytest.approx(expected)


def test_the_probability_of_pareto_nbd_is_the_mean_over_rates_and_lifetimes():
    model = MODELS[2]
    groups = make_groups()
    draws = np.random.default_rng(3)
    n, x, age = 400_000, 2, 38.86
    rate = draws.gamma(model.r + x, 1 / (model.alpha + age), n)
    end = draws.exponential(1, n) / draws.gamma(model.s, 1 / (model.beta + age), n)
    first = draws.exponential(1, n) / rate
    given_alive = (first < np.minimum(end, 4.0)).mean()
    alive = model.probability_alive(x=groups.x, t_x=groups.t_x, age=groups.age)
    assert predict_purchase_probability(model=model, groups=groups, horizon=4.0)[3] == pytest.approx(
        alive[3] * given_alive, abs=0.003
    )


def test_no_customers_give_no_probabilities():
    empty = np.empty(0)
    groups = HistoryGroups(empty.astype(np.int64), empty, empty, empty, empty.astype(np.intp), 1.0)
    assert len(predict_purchase_probability(model=MODELS[0], groups=groups, horizon=7.0)) == 0
