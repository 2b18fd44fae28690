"""Draws customers whose reaction to a message is known, and what they order with and without it.

Four kinds, as the uplift literature names them: persuadables order because of the message, sure things order anyway, lost causes never
do, and sleeping dogs order less when they get one. Each customer has their own constant order rate and mean order value, so that the
spend of a customer in one period predicts the spend in the next.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from config.foundation.array_types import Flags, Floats, Ints

DAY_SECONDS = 86_400.0


class ResponseKind(IntEnum):
    """How a customer reacts to a message."""

    PERSUADABLE = 0
    SURE_THING = 1
    LOST_CAUSE = 2
    SLEEPING_DOG = 3


SHARES = (0.25, 0.2, 0.45, 0.1)
DAYS_BETWEEN_ORDERS = np.array([60.0, 7.0, 300.0, 20.0])
# standard deviations of logarithms: of the rates within a kind, of the mean order values, and of the orders of one customer
RATE_SPREAD = 0.5
VALUE_SPREAD = 0.6
ORDER_SPREAD = 0.35
MEAN_VALUE = 40.0
DOG_WEIGHT = 0.3  # the effect on a sleeping dog, as a share of that on a persuadable


@dataclass(frozen=True)
class Population:
    """One row per customer.

    Attributes:
        kinds: a `ResponseKind`. daily_rates: orders a day without messages. order_values: the mean value of an order.
        base_rates: the probability to order in a window without a message. effects: how much a message adds to it.
    """

    kinds: Ints
    daily_rates: Floats
    order_values: Floats
    base_rates: Floats
    effects: Floats
    window_days: int

    def __len__(self) -> int:
        return len(self.kinds)

    @property
    def revenue_effects(self) -> Floats:
        """The expected effect of a message on the revenue of a window, per customer.

        A persuadable orders once more. A sleeping dog loses all orders of the window, λ·d ÷ base rate on average.
        """
        orders = np.where(self.effects < 0, self.daily_rates * self.window_days / self.base_rates, 1.0)
        return self.effects * orders * self.order_values


@dataclass(frozen=True)
class OrderStream:
    """Orders by time: the customers' rows, seconds since the start, and values."""

    customers: Ints
    seconds: Floats
    values: Floats

    def select(self, chosen: Flags) -> "OrderStream":
        return OrderStream(self.customers[chosen], self.seconds[chosen], self.values[chosen])

    def join(self, other: "OrderStream") -> "OrderStream":
        return OrderStream(
            np.concatenate([self.customers, other.customers]),
            np.concatenate([self.seconds, other.seconds]),
            np.concatenate([self.values, other.values]),
        )


def draw_population(customers: int, *, effect: float, window_days: int, generator: np.random.Generator) -> Population:
    """Return customers whose mean effect is ``effect``.

    Raises:
        ValueError: the mean effect is larger than the persuadables allow.
    """
    kinds = generator.choice(len(SHARES), size=customers, p=SHARES).astype(np.int64)
    rates = generator.lognormal(0, RATE_SPREAD, customers) / DAYS_BETWEEN_ORDERS[kinds]
    values = MEAN_VALUE * generator.lognormal(-(VALUE_SPREAD**2) / 2, VALUE_SPREAD, customers)
    base_rates = 1 - np.exp(-rates * window_days)
    weights = generator.gamma(4.0, 0.25, customers)
    weights *= np.select([kinds == ResponseKind.PERSUADABLE, kinds == ResponseKind.SLEEPING_DOG], [1.0, -DOG_WEIGHT], 0)
    return Population(kinds, rates, values, base_rates, scale_effects(weights, base_rates, effect), window_days)


def scale_effects(weights: Floats, base_rates: Floats, effect: float) -> Floats:
    """Return weights × one factor, limited to possible probabilities, whose mean is the effect; by bisection."""
    if effect == 0:
        return np.zeros(len(weights))

    def compute(factor: float) -> Floats:
        limited: Floats = np.clip(weights * factor, -base_rates, 1 - base_rates)
        return limited

    low, high = 0.0, 20.0
    if effect < 0 or compute(high).mean() < effect:
        largest = compute(high).mean()
        raise ValueError(f"A mean effect of {effect} is not possible; choose one from 0 to {largest:.3f}.")
    for _step in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if compute(middle).mean() < effect else (low, middle)
    return compute(high)


def draw_orders(population: Population, *, days: float, generator: np.random.Generator) -> OrderStream:
    """Return the orders of all customers in the days since the start, without any message."""
    counts = generator.poisson(population.daily_rates * days)
    customers = np.repeat(np.arange(len(population)), counts)
    seconds = generator.random(len(customers)) * days * DAY_SECONDS
    order = np.argsort(seconds)
    return OrderStream(customers[order], seconds[order], draw_values(population, customers[order], generator))


def draw_values(population: Population, customers: Ints, generator: np.random.Generator) -> Floats:
    noise = generator.lognormal(-(ORDER_SPREAD**2) / 2, ORDER_SPREAD, len(customers))
    values: Floats = np.round(population.order_values[customers] * noise, 2)
    return values


def apply_message(
    stream: OrderStream, population: Population, *, sent: Flags, at: float, generator: np.random.Generator
) -> OrderStream:
    """Return the orders after a message at a second: those that it causes are added, those that it prevents are removed.

    sent: per customer, who got the message. With p₀ the base rate and e the effect: a customer who would not have ordered in the window
    orders with probability e ÷ (1 − p₀); one who would have ordered does not with probability −e ÷ p₀.
    """
    window = population.window_days * DAY_SECONDS
    within = (stream.seconds >= at) & (stream.seconds < at + window)
    ordering = np.zeros(len(population), bool)
    ordering[stream.customers[within]] = True
    draws = generator.random(len(population))
    effects, base = population.effects, population.base_rates
    is_caused = sent & ~ordering & (draws < np.maximum(effects, 0) / np.maximum(1 - base, 1e-9))
    is_lost = sent & ordering & (draws < np.maximum(-effects, 0) / np.maximum(base, 1e-9))
    customers = np.flatnonzero(is_caused)
    delays = np.minimum(generator.exponential(1.5 * DAY_SECONDS, len(customers)) + 600, window - 60)
    caused = OrderStream(customers, at + delays, draw_values(population, customers, generator))
    return stream.select(~(within & is_lost[stream.customers])).join(caused)
