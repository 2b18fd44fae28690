"""Simulated customers follow the model that they were drawn from."""

import numpy as np
import pytest

from customers.lifecycle.scoring.clv.fitting import PurchaseModel
from customers.lifecycle.scoring.clv.models.bg_nbd import BgNbd
from customers.lifecycle.scoring.clv.models.gamma_gamma import GammaGamma
from customers.lifecycle.scoring.clv.models.mbg_nbd import MbgNbd
from customers.lifecycle.scoring.clv.models.pareto_nbd import ParetoNbd
from customers.lifecycle.scoring.clv.purchase_histories import DAY
from customers.lifecycle.scoring.clv.simulation import simulate_orders

SPEND = GammaGamma(p=2.0, q=3.7, gamma=15.0)


@pytest.mark.parametrize(
    "model",
    [BgNbd(0.8, 9.0, 0.8, 2.4), MbgNbd(0.8, 9.0, 0.8, 2.4), ParetoNbd(0.8, 9.0, 0.6, 12.0)],
    ids=lambda m: m.name,
)
def test_numbers_and_values_match_the_expected_ones(model: PurchaseModel) -> None:
    simulated = simulate_orders(
        model=model, spend=SPEND, customers=40_000, start=-7 * DAY, joining_days=1e-9, days=280, seed=1, unit_days=7.0
    )
    expected = model.expected_purchases(horizon=40.0, x=np.zeros(1, np.int64), t_x=np.zeros(1), age=np.zeros(1))[0]
    assert len(simulated.at) / 40_000 - 1 == pytest.approx(expected, rel=0.03)
    assert simulated.value.mean() == pytest.approx(2.0 * 15.0 / 2.7, rel=0.03)
    assert simulated.at.min() >= -7 * DAY
    assert simulated.at.max() < 273 * DAY
    assert np.all((np.diff(simulated.customer) > 0) | (np.diff(simulated.at) >= 0))
    assert len(np.unique(simulated.customer)) == 40_000


def test_the_same_seed_gives_the_same_customers() -> None:
    simulated = [
        simulate_orders(
            model=BgNbd(0.8, 9.0, 0.8, 2.4), spend=SPEND, customers=50, start=0, joining_days=9, days=90, seed=seed
        )
        for seed in (1, 1, 2)
    ]
    assert simulated[0].value.tolist() == simulated[1].value.tolist() != simulated[2].value.tolist()
    with pytest.raises(ValueError, match="joining_days must be above 0 and at most days = 90"):
        simulate_orders(model=BgNbd(1, 1, 1, 1), spend=SPEND, customers=1, start=0, joining_days=91, days=90, seed=1)
