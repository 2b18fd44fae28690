"""The orders of a block: spontaneous ones, those of rhythms, and those that campaigns cause or prevent; at most one a day."""

from dataclasses import dataclass

import numpy as np

from config.foundation.array_types import Flags, Floats, Ints
from config.simulation.campaigns import CampaignOutcomes, draw_outcomes
from config.simulation.catalog import ShopCatalog
from config.simulation.customers import SimulatedCustomers
from config.simulation.plan import WINDOW, ShopPlan
from config.simulation.rhythms import RhythmPurchases, draw_rhythm_purchases

FURTHER_UNITS = 0.15
DAY_MS = 86_400_000


@dataclass(frozen=True, eq=False)
class Purchases:
    """Possible orders by customer and day, and their lines by order.

    customer: from 0 in the block. day, at: day of the order, and milliseconds from the start of the history. value: of all lines.
    campaign: the campaign that causes the order if it reaches the customer, −1 for other orders. is_placed: happens, as the campaigns were
    sent. Orders of the future (day ≥ days of the plan) are placed without campaigns.
    line_order: row of the order; product, quantity, price (before the discount), line_discount.
    """

    customer: Ints
    day: Ints
    at: Ints
    value: Floats
    campaign: Ints
    is_placed: Flags
    line_order: Ints
    product: Ints
    quantity: Ints
    price: Floats
    line_discount: Floats
    rhythms: RhythmPurchases
    outcomes: CampaignOutcomes

    def __len__(self) -> int:
        return len(self.customer)


def draw_days(intensity: Floats, mean: Floats, generator: np.random.Generator) -> tuple[Ints, Ints]:
    """Draw days of an inhomogeneous Poisson process per row, in order: the rows and the columns.

    intensity: shape (n, days), of any scale; mean: expected number per row, shape (n,). Inverts the running sum of all rows at once.
    """
    running = np.cumsum(intensity)
    width = intensity.shape[1]
    before = np.concatenate([[0.0], running[width - 1 :: width]])
    total = np.diff(before)
    row = np.repeat(np.arange(len(mean)), generator.poisson(np.where(total > 0, mean, 0)))
    cell = np.searchsorted(running, before[row] + generator.random(len(row)) * total[row], side="right")
    cell = np.minimum(cell, (row + 1) * width - 1)
    cell.sort()
    return cell // width, cell % width


def draw_purchases(plan: ShopPlan, catalog: ShopCatalog, customers: SimulatedCustomers, block: int) -> Purchases:
    generator = plan.make_generator("purchases", block)
    rhythms = draw_rhythm_purchases(plan, customers, block)
    row, column = draw_days(customers.intensity, customers.intensity.sum(axis=1), generator)
    rhythm_row, rhythm_day = customers.rhythm_customer[rhythms.rhythm], rhythms.moment.astype(np.int64)
    ordered = np.zeros(customers.intensity.shape, bool)
    ordered[row, column] = True
    ordered[rhythm_row, rhythm_day] = True
    ordered[np.arange(len(customers)), customers.birth] = True
    outcomes = draw_outcomes(plan, customers, rhythms, ordered, block)
    campaign_of = np.full(ordered.shape, -1, np.int64)
    caused_row, caused_campaign = np.nonzero(outcomes.caused_day >= 0)
    caused_day = outcomes.caused_day[caused_row, caused_campaign]
    campaign_of[caused_row, caused_day] = caused_campaign
    ordered[caused_row, caused_day] = True
    customer, day = np.nonzero(ordered)
    campaign = campaign_of[customer, day]
    number = np.cumsum(ordered).reshape(ordered.shape) - 1  # of the order of a customer and day
    first_rhythms = (np.arange(len(customers.rhythm_gap)), customers.birth[customers.rhythm_customer])
    rhythm_orders = np.concatenate(
        [number[rhythm_row, rhythm_day], number[customers.rhythm_customer, first_rhythms[1]]]
    )
    rhythm_products = customers.rhythm_product[np.concatenate([rhythms.rhythm, first_rhythms[0]])]
    lines = draw_lines(catalog, customers, customer, day, rhythm_orders, rhythm_products, generator)
    line_order, product, quantity, price, discount = lines
    hours = 7 + 7.5 * (generator.random(len(customer)) + generator.random(len(customer)))
    return Purchases(
        customer=customer,
        day=day,
        at=day * DAY_MS + (hours * 3_600_000).astype(np.int64),
        value=np.round(np.bincount(line_order, quantity * price - discount, minlength=len(customer)), 2),
        campaign=campaign,
        is_placed=find_placed(plan, outcomes, customer, day, campaign),
        line_order=line_order,
        product=product,
        quantity=quantity,
        price=price,
        line_discount=discount,
        rhythms=rhythms,
        outcomes=outcomes,
    )


def find_placed(plan: ShopPlan, outcomes: CampaignOutcomes, customer: Ints, day: Ints, campaign: Ints) -> Flags:
    """Return which orders happen: those that a message caused, and all others but those that a message prevented."""
    is_placed = campaign < 0
    caused = np.flatnonzero(campaign >= 0)
    is_placed[caused] = outcomes.is_treated[customer[caused], campaign[caused]]
    for number, first in enumerate(plan.campaign_days):
        in_window = (day >= first) & (day < first + WINDOW)
        is_placed &= ~(in_window & (outcomes.is_lost & outcomes.is_treated)[customer, number])
    return is_placed


def draw_lines(
    catalog: ShopCatalog,
    customers: SimulatedCustomers,
    customer: Ints,
    day: Ints,
    rhythm_orders: Ints,
    rhythm_products: Ints,
    generator: np.random.Generator,
) -> tuple[Ints, Ints, Ints, Floats, Floats]:
    """Return order, product, quantity, price and discount of the lines, sorted by order; the products of rhythms come first."""
    further = generator.poisson(customers.basket[customer])
    has_rhythm = np.bincount(rhythm_orders, minlength=len(customer)) > 0
    further = np.where(has_rhythm, further, np.maximum(further, 1))
    order = np.repeat(np.arange(len(customer)), further)
    liked = np.cumsum(customers.taste[customer[order]] * catalog.factor.T[day[order]], axis=1)
    draws = generator.random(len(order)) * liked[:, -1]
    cluster = np.minimum((liked <= draws[:, None]).sum(axis=1), catalog.clusters - 1)
    orders = np.concatenate([rhythm_orders, order])
    products = np.concatenate([rhythm_products, catalog.draw_products(cluster, generator)])
    by_order = np.argsort(orders, kind="stable")
    orders, products = orders[by_order], products[by_order]
    quantity = 1 + generator.poisson(FURTHER_UNITS, len(orders))
    price = catalog.price[products]
    share = catalog.discount[catalog.cluster[products], day[orders]]
    return orders, products, quantity, price, np.round(quantity * price * share, 2)
