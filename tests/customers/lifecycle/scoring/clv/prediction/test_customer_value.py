"""Predicted values of customers, computed by hand and as a whole."""

import numpy as np
import pytest

from customers.lifecycle.scoring.clv.fitting import PurchaseModel
from customers.lifecycle.scoring.clv.models.bg_nbd import BgNbd
from customers.lifecycle.scoring.clv.models.gamma_gamma import GammaGamma
from customers.lifecycle.scoring.clv.models.mbg_nbd import MbgNbd
from customers.lifecycle.scoring.clv.models.pareto_nbd import ParetoNbd
from customers.lifecycle.scoring.clv.prediction.customer_value import MONTH_DAYS, predict_customer_values
from customers.lifecycle.scoring.clv.purchase_histories import PurchaseHistories, group_histories

BG = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426)
SPEND = GammaGamma(p=6.25, q=3.74, gamma=15.44)
HISTORIES = PurchaseHistories(
    customer=np.array([4, 5, 6, 7]),
    x=np.array([2, 0, 0, 2]),
    last_days=np.array([213, 0, 0, 213]),
    age_days=np.array([272, 272, 0, 272]),
    mean_value=np.array([20.0, 0.0, 0.0, 80.0]),
)


def test_value_is_the_discounted_sum_of_twelve_months() -> None:
    groups = group_histories(histories=HISTORIES, unit_days=7.0)
    predicted = predict_customer_values(
        model=BG, spend=SPEND, histories=HISTORIES, groups=groups, margin=0.3, monthly_discount=0.02
    )
    history = {"x": np.array([2]), "t_x": np.array([213 / 7]), "age": np.array([272 / 7])}
    until = [
        0.0,
        *(float(BG.expected_purchases(horizon=month * MONTH_DAYS / 7, **history)[0]) for month in range(1, 13)),
    ]
    mean = 6.25 * (15.44 + 2 * 20.0) / (6.25 * 2 + 2.74)
    by_hand = sum((until[t] - until[t - 1]) * mean * 0.3 / 1.02**t for t in range(1, 13))
    assert predicted.value is not None
    assert predicted.mean_spend is not None
    assert predicted.value[0] == pytest.approx(by_hand)
    assert predicted.mean_spend[0] == pytest.approx(mean)
    assert predicted.purchases[0] == pytest.approx(until[-1])
    assert predicted.alive[0] == pytest.approx(BG.probability_alive(**history)[0])


@pytest.mark.parametrize(
    "model", [BG, MbgNbd(0.5, 6.0, 0.9, 1.6), ParetoNbd(0.55, 10.6, 0.6, 11.7)], ids=lambda m: m.name
)
def test_customers_with_equal_histories_differ_only_by_their_spend(model: PurchaseModel) -> None:
    groups = group_histories(histories=HISTORIES, unit_days=7.0)
    predicted = predict_customer_values(model=model, spend=SPEND, histories=HISTORIES, groups=groups)
    assert predicted.value is not None
    assert predicted.spend_high is not None
    assert predicted.alive[0] == predicted.alive[3]
    assert predicted.purchases[0] == predicted.purchases[3]
    ratio = (15.44 + 160.0) / (15.44 + 40.0)
    assert predicted.value[3] / predicted.value[0] == pytest.approx(ratio)
    assert predicted.spend_high[3] / predicted.spend_high[0] == pytest.approx(ratio)
    for column in vars(predicted).values():
        assert column.shape == (4,)
        assert np.isfinite(column).all()
        assert np.all(column >= 0)


def test_no_customers_give_empty_predictions() -> None:
    no_histories = PurchaseHistories(*(np.empty(0, np.int64),) * 4, np.empty(0))
    predicted = predict_customer_values(
        model=BG, spend=SPEND, histories=no_histories, groups=group_histories(histories=no_histories)
    )
    assert [len(column) for column in vars(predicted).values()] == [0] * 10


def test_purchases_are_predicted_without_a_spend_model() -> None:
    groups = group_histories(histories=HISTORIES, unit_days=7.0)
    predicted = predict_customer_values(model=BG, spend=None, histories=HISTORIES, groups=groups)
    assert predicted.value is predicted.mean_spend is predicted.spend_low is None
    assert predicted.purchases.min() > 0


def test_invalid_arguments_are_rejected() -> None:
    groups = group_histories(histories=HISTORIES)
    for wrong in ({"months": 0}, {"monthly_discount": -1.0}, {"margin": np.nan}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            predict_customer_values(model=BG, spend=SPEND, histories=HISTORIES, groups=groups, **wrong)
