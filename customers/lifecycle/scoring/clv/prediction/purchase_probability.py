"""Predicts the probability that a customer buys at all within some days."""

from itertools import pairwise

import numpy as np

from config.foundation.array_types import Floats
from customers.lifecycle.scoring.clv.fitting import PurchaseModel
from customers.lifecycle.scoring.clv.prediction.predictive_distribution import find_states
from customers.lifecycle.scoring.clv.purchase_histories import HistoryGroups


def predict_purchase_probability(*, model: PurchaseModel, groups: HistoryGroups, horizon: float) -> Floats:
    """Return P(at least one purchase in (T, T + horizon]) of each group, shape (g,).

    The horizon is in the groups' unit of time. The result is P(alive) · P(at least one | alive); the latter depends on (x, T) only.
    """
    states = find_states(groups)
    if_alive = np.empty(len(states.x))
    borders = np.r_[np.flatnonzero(np.diff(states.x, prepend=-1)), len(states.x)]
    for start, stop in pairwise(borders.tolist()):
        tails = model.purchase_tails_if_alive(
            horizon=horizon, x=int(states.x[start]), age=states.age[start:stop], max_purchases=1
        )
        if_alive[start:stop] = tails[:, 1]
    alive = model.probability_alive(x=groups.x, t_x=groups.t_x, age=groups.age)
    return np.clip(alive * if_alive[states.state_of], 0.0, 1.0)
