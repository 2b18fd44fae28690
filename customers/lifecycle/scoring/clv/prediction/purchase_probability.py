"""How likely customers buy at all within some days."""

from itertools import pairwise

import numpy as np

from config.foundation.array_types import Floats
from customers.lifecycle.scoring.clv.fitting import Model
from customers.lifecycle.scoring.clv.prediction.predictive_distribution import states_of
from customers.lifecycle.scoring.clv.purchase_histories import Groups


def purchase_chance(*, model: Model, groups: Groups, horizon: float) -> Floats:
    """P(at least one purchase in (T, T + horizon]) of each group, shape (g,); horizon in the groups' unit of time.

    P(alive) · P(at least one | alive), and the latter depends on (x, T) only.
    """
    states = states_of(groups)
    if_alive = np.empty(len(states.x))
    borders = np.r_[np.flatnonzero(np.diff(states.x, prepend=-1)), len(states.x)]
    for start, stop in pairwise(borders.tolist()):
        tails = model.tails_if_alive(horizon=horizon, x=int(states.x[start]), age=states.age[start:stop], most=1)
        if_alive[start:stop] = tails[:, 1]
    alive = model.alive(x=groups.x, t_x=groups.t_x, age=groups.age)
    return np.clip(alive * if_alive[states.of], 0.0, 1.0)
