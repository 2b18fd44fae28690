"""Campaigns with known individual effects: what each customer does with and without the message.

A persuadable who would not have ordered in the window orders with the probability ``response``; a sleeping dog who would have ordered
skips the orders of the window with it. Both outcomes are drawn for everyone, so the effect on each customer is known.
"""

from dataclasses import dataclass

import numpy as np

from config.campaign_simulation.population import ResponseKind
from config.foundation.array_types import Flags, Floats, Ints
from config.simulation.customers import SimulatedCustomers
from config.simulation.plan import WINDOW, ShopPlan
from config.simulation.rhythms import RhythmPurchases

TREATED_SHARE = 0.5
MEAN_DELAY = 2.5  # days from the message to the order that it causes


@dataclass(frozen=True, eq=False)
class CampaignOutcomes:
    """c campaigns and n customers; all arrays have the shape (n, c).

    is_eligible: customers by then, in one of the groups. is_treated: gets the message. orders0, orders1: whether the customer orders in
    the window without and with the message. caused_day: of the order that the message causes, −1 where there is none. is_lost: skips the
    orders of the window if treated. expected: the effect that a customer's parameters and life imply before chance decides.
    """

    is_eligible: Flags
    is_treated: Flags
    orders0: Flags
    orders1: Flags
    caused_day: Ints
    is_lost: Flags
    expected: Floats


def draw_outcomes(
    plan: ShopPlan, customers: SimulatedCustomers, rhythms: RhythmPurchases, ordered: Flags, block: int
) -> CampaignOutcomes:
    """Return the outcomes of all campaigns. ordered: whether the customer orders on a day without any message, shape (n, all days)."""
    generator = plan.make_generator("campaigns", block)
    days = np.array(plan.campaign_days, np.int64)
    shape = (len(customers), len(days))
    is_eligible = customers.birth[:, None] < days
    is_treated = is_eligible & (generator.random(shape) < TREATED_SHARE)
    reacts = generator.random(shape) < customers.response[:, None]
    delay = np.minimum(generator.exponential(MEAN_DELAY, shape).astype(np.int64), WINDOW - 1)
    orders0 = (
        np.stack([ordered[:, day : day + WINDOW].any(axis=1) for day in days], axis=1) if len(days) else ordered[:, :0]
    )
    day = days + delay
    is_caused = (
        is_eligible
        & reacts
        & ~orders0
        & (customers.kind == ResponseKind.PERSUADABLE)[:, None]
        & (customers.death[:, None] > day)
    )
    is_lost = is_eligible & reacts & orders0 & (customers.kind == ResponseKind.SLEEPING_DOG)[:, None]
    return CampaignOutcomes(
        is_eligible=is_eligible,
        is_treated=is_treated,
        orders0=orders0,
        orders1=(orders0 | is_caused) & ~is_lost,
        caused_day=np.where(is_caused, day, -1),
        is_lost=is_lost,
        expected=compute_expected_effects(customers, rhythms, days),
    )


def compute_expected_effects(customers: SimulatedCustomers, rhythms: RhythmPurchases, days: Ints) -> Floats:
    """Return response × P(no order) of persuadables and −response × P(order) of sleeping dogs, 0 for the dead, shape (n, c)."""
    effects = np.zeros((len(customers), len(days)))
    sign = np.select(
        [customers.kind == ResponseKind.PERSUADABLE, customers.kind == ResponseKind.SLEEPING_DOG], [1, -1], 0
    )
    for column, day in enumerate(days.tolist()):
        no_order = np.exp(-customers.living_rate[:, day : day + WINDOW].sum(axis=1))
        no_order *= rhythms.compute_silence(customers, day, WINDOW)
        probability = np.where(sign > 0, no_order, 1 - no_order)
        effects[:, column] = sign * customers.response * probability * (customers.death > day) * (customers.birth < day)
    return effects
