"""80 % intervals of what each customer will buy and spend, and how often they would have held.

A sentence such as "with 80 % probability between 0 and 120" has its own probability in `*_probability`, because two things keep it from
being 80 % for everybody: purchases are whole numbers, and for whoever buys nothing with 80 % probability or more, [0, 0] is the
shortest interval there is and holds with that probability. Else:
- spend: where buying nothing has a probability below 10 %, the middle 80 %; else from 0 to where 80 % lie below;
- purchases: likewise, rounded to the numbers whose probability is nearest.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.scoring.clv.fitting import Model
from customers.lifecycle.scoring.clv.models.gamma_gamma import GammaGamma
from customers.lifecycle.scoring.clv.prediction.interval_kernels import (
    count_intervals,
    count_ranks,
    spend_intervals,
    spend_ranks,
)
from customers.lifecycle.scoring.clv.prediction.predictive_distribution import Outlook, States, outlooks, states_of
from customers.lifecycle.scoring.clv.purchase_histories import Groups

type Rows = npt.NDArray[np.intp]

LEVEL = 0.8


@dataclass(frozen=True, eq=False)
class Intervals:
    """Of g groups, shape (g,): purchases are whole numbers; spend is in units of each customer's γ + x m̄, None without a model
    of it. Both ends belong to the interval."""

    purchases_low: Ints
    purchases_high: Ints
    purchases_probability: Floats
    spend_low: Floats | None
    spend_high: Floats | None
    spend_probability: Floats | None


def predict_intervals(
    *,
    model: Model,
    spend: GammaGamma | None,
    groups: Groups,
    horizon: float,
    level: float = LEVEL,
    alive: Floats | None = None,
) -> Intervals:
    """horizon: from T, in the unit of the groups and the model; alive: shape (g,), the model's, where it is known already.

    Errors: ValueError for a level outside (0, 1) or no horizon.
    """
    _check(horizon, level)
    if alive is None:
        alive = model.alive(x=groups.x, t_x=groups.t_x, age=groups.age)
    g = len(alive)
    counts = np.zeros((2, g), np.int64)
    probability = np.ones(g)
    spends = np.zeros((3, g))
    for outlook, rows, state in _by_outlook(model, spend, groups, states_of(groups), horizon):
        *both, chance = count_intervals(alive[rows], state, outlook.tails, level)
        counts[:, rows], probability[rows] = both, chance
        if spend:
            spends[:, rows] = spend_intervals(alive[rows], state, outlook.tails, outlook.curves, outlook.log_u, level)
    of_spend = tuple(spends) if spend else (None, None, None)
    return Intervals(counts[0], counts[1], probability, *of_spend)


@dataclass(frozen=True, eq=False)
class Ranks:
    """Of what n customers did among what was thought possible, shape (n,): P(less) and P(as much or less)."""

    under: Floats
    up_to: Floats

    def held(self, *, level: float = LEVEL) -> float:
        """The share of customers between the (1 − level)/2 and (1 + level)/2 quantiles, those on a border counted by the share
        of their probability that lies within: `level`, if the model is right, however discrete the answer.

        Source: randomised probability integral transform, Czado, Gneiting & Held, Biometrics 2009, 2.
        """
        width = np.maximum(self.up_to - self.under, 1e-300)
        side = (1.0 - level) / 2.0
        inside = np.minimum(self.up_to, 1.0 - side) - np.maximum(self.under, side)
        exact = (self.under >= side) & (self.under <= 1.0 - side)
        share = np.where(self.up_to > self.under, np.clip(inside / width, 0.0, 1.0), exact)
        return float(share.mean()) if len(share) else level


def rank_purchases(*, model: Model, groups: Groups, horizon: float, happened: Ints) -> Ranks:
    """happened: shape (n,), purchases in the horizon of each customer of groups.row."""
    _check(horizon, LEVEL)
    alive = model.alive(x=groups.x, t_x=groups.t_x, age=groups.age)[groups.row]
    ranks = np.zeros((2, len(groups.row)))
    for outlook, rows, state in _customers_by_outlook(model, None, groups, horizon):
        ranks[:, rows] = count_ranks(alive[rows], state, outlook.tails, happened[rows])
    return Ranks(*ranks)


def rank_spend(
    *, model: Model, spend: GammaGamma, groups: Groups, horizon: float, mean_value: Floats, happened: Floats
) -> Ranks:
    """happened: shape (n,), spend in the horizon of each customer of groups.row; mean_value: m̄ of each before."""
    _check(horizon, LEVEL)
    alive = model.alive(x=groups.x, t_x=groups.t_x, age=groups.age)[groups.row]
    happened = happened / spend.rate(x=groups.x[groups.row], mean_value=mean_value)
    ranks = np.zeros((2, len(groups.row)))
    for outlook, rows, state in _customers_by_outlook(model, spend, groups, horizon):
        ranks[:, rows] = spend_ranks(alive[rows], state, outlook.tails, outlook.curves, outlook.log_u, happened[rows])
    return Ranks(*ranks)


def _check(horizon: float, level: float) -> None:
    if not 0 < horizon < np.inf:
        raise ValueError(f"horizon must be finite and greater than 0, got {horizon}")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}")


def _customers_by_outlook(
    model: Model, spend: GammaGamma | None, groups: Groups, horizon: float
) -> Iterator[tuple[Outlook, Rows, Ints]]:
    states = states_of(groups)
    return _by_outlook(model, spend, groups, States(states.x, states.age, states.of[groups.row]), horizon)


def _by_outlook(
    model: Model, spend: GammaGamma | None, groups: Groups, states: States, horizon: float
) -> Iterator[tuple[Outlook, Rows, Ints]]:
    """Each outlook with the rows of `states.of` that it is for, and the place of each in it."""
    by_state = np.argsort(states.of, kind="stable")
    borders = np.searchsorted(states.of[by_state], np.arange(len(states.x) + 1))
    for outlook in outlooks(model=model, spend=spend, states=states, horizon=horizon):
        rows = by_state[borders[outlook.first] : borders[outlook.first + len(outlook.tails)]]
        yield outlook, rows, states.of[rows] - outlook.first
