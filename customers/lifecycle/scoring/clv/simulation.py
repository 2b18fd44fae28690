"""Simulates customers of a known purchase model with Gamma-Gamma spend.

Used by tests and benchmarks.
"""

from dataclasses import dataclass

import numpy as np

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.scoring.clv.fitting import PurchaseModel
from customers.lifecycle.scoring.clv.models.gamma_gamma import GammaGamma
from customers.lifecycle.scoring.clv.models.pareto_nbd import ParetoNbd
from customers.lifecycle.scoring.clv.purchase_histories import DAY


@dataclass(frozen=True, eq=False)
class SimulatedOrders:
    """m orders sorted by customer and moment, arrays of shape (m,).

    customer: from 0. moment: in microseconds. value.
    """

    customer: Ints
    at: Ints
    value: Floats


def simulate_orders(
    *,
    model: PurchaseModel,
    spend: GammaGamma,
    customers: int,
    start: int,
    joining_days: float,
    days: float,
    seed: int,
    unit_days: float = 1.0,
) -> SimulatedOrders:
    """Simulate the orders of n customers in [start, start + days).

    First orders are uniform in the first `joining_days`.
    start: microseconds; unit_days: the unit of the model's times. Values are not rounded.
    Errors: ValueError for joining_days that are not above 0 and at most days.
    """
    if not 0 < joining_days <= days:
        raise ValueError(f"joining_days must be above 0 and at most days = {days}, got {joining_days}")
    draws = np.random.default_rng(seed)
    end = days / unit_days
    first = draws.random(customers) * joining_days / unit_days
    rate = draws.gamma(model.r, 1.0 / model.alpha, customers)
    if isinstance(model, ParetoNbd):
        dropout_probability = np.zeros(customers)
        mu = np.maximum(draws.gamma(model.s, 1.0 / model.beta, customers), 1e-300)
        until = np.minimum(first + draws.exponential(1.0, customers) / mu, end)
    else:
        dropout_probability = draws.beta(model.a, model.b, customers)
        until = np.full(customers, end)
    customers_of_round, moments_of_round = [np.arange(customers)], [first]
    dropout_after_first = 0 if isinstance(model, ParetoNbd) else model.dropout_after_first
    active = (
        np.flatnonzero(draws.random(customers) >= dropout_probability) if dropout_after_first else np.arange(customers)
    )
    now = first[active]
    while len(active):
        now = now + draws.exponential(1.0, len(active)) / np.maximum(rate[active], 1e-300)
        has_bought = now < until[active]
        active, now = active[has_bought], now[has_bought]
        customers_of_round.append(active)
        moments_of_round.append(now)
        has_stayed = draws.random(len(active)) >= dropout_probability[active]
        active, now = active[has_stayed], now[has_stayed]
    customer, moment = np.concatenate(customers_of_round), np.concatenate(moments_of_round)
    order = np.lexsort((moment, customer))
    customer, moment = customer[order], moment[order]
    nu = draws.gamma(spend.q, 1.0 / spend.gamma, customers)
    value = draws.gamma(spend.p, 1.0, len(customer)) / nu[customer]
    return SimulatedOrders(customer, start + (moment * (unit_days * DAY)).astype(np.int64), value)
