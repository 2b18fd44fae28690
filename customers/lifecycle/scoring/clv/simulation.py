"""Customers made up from a known buying process and Gamma-Gamma spend, for tests and benchmarks."""

from dataclasses import dataclass

import numpy as np

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.scoring.clv.fitting import Model
from customers.lifecycle.scoring.clv.models.gamma_gamma import GammaGamma
from customers.lifecycle.scoring.clv.models.pareto_nbd import ParetoNbd
from customers.lifecycle.scoring.clv.purchase_histories import DAY


@dataclass(frozen=True, eq=False)
class MadeOrders:
    """m orders sorted by customer and moment, arrays of shape (m,): customer from 0, moment in microseconds, value."""

    customer: Ints
    at: Ints
    value: Floats


def make_orders(
    *,
    model: Model,
    spend: GammaGamma,
    customers: int,
    start: int,
    joining_days: float,
    days: float,
    seed: int,
    unit_days: float = 1.0,
) -> MadeOrders:
    """Orders of n customers in [start, start + days), whose first come evenly within the first `joining_days`.

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
        leaves = np.zeros(customers)
        mu = np.maximum(draws.gamma(model.s, 1.0 / model.beta, customers), 1e-300)
        until = np.minimum(first + draws.exponential(1.0, customers) / mu, end)
    else:
        leaves = draws.beta(model.a, model.b, customers)
        until = np.full(customers, end)
    who, when = [np.arange(customers)], [first]
    at_once = 0 if isinstance(model, ParetoNbd) else model.may_leave_at_once
    here = np.flatnonzero(draws.random(customers) >= leaves) if at_once else np.arange(customers)
    now = first[here]
    while len(here):
        now = now + draws.exponential(1.0, len(here)) / np.maximum(rate[here], 1e-300)
        bought = now < until[here]
        here, now = here[bought], now[bought]
        who.append(here)
        when.append(now)
        stays = draws.random(len(here)) >= leaves[here]
        here, now = here[stays], now[stays]
    customer, moment = np.concatenate(who), np.concatenate(when)
    order = np.lexsort((moment, customer))
    customer, moment = customer[order], moment[order]
    nu = draws.gamma(spend.q, 1.0 / spend.gamma, customers)
    value = draws.gamma(spend.p, 1.0, len(customer)) / nu[customer]
    return MadeOrders(customer, start + (moment * (unit_days * DAY)).astype(np.int64), value)
