"""Plans the steps of a simulated storefront history as arrays sorted by time; ``visits.py`` plans the visits.

Every order gets the visit in which it was placed, and often an earlier research visit. Other visits, including those of unknown visitors,
end without an order. A device is anonymous until someone signs in with it, at the first checkout or the first click in an e-mail.
"""

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Self

import numpy as np

from config.clickstream.random_draws import Floats, Integers, combine_keys, draw_exponential, draw_uniform
from config.clickstream.shop import SimulatedShop
from config.clickstream.visits import MISSING, Booleans, SimulatedVisits, VisitType, plan_visits


class VisitStep(IntEnum):
    EMAIL_CLICKED = 0
    LANDED = 1
    LIST_VIEWED = 2
    SEARCHED = 3
    VIEWED = 4
    ADDED = 5
    REMOVED = 6
    CART_VIEWED = 7
    IDENTIFIED = 8
    CHECKOUT_STARTED = 9
    STEP_VIEWED = 10
    STEP_COMPLETED = 11
    PAYMENT_ENTERED = 12
    CONFIRMED = 13


# Rates of: list view, search, similar product, its add and removal, product view, add, removal at the end.
RATES = np.array(
    [
        [0.35, 0.18, 0.25, 0.20, 0.65, 1.00, 0.00],  # BUY
        [0.25, 0.20, 0.40, 0.00, 1.00, 0.05, 0.50],  # RESEARCH
        [0.40, 0.15, 0.15, 0.00, 1.00, 0.12, 0.30],  # BROWSE
    ]
)
# Mean seconds before each step, in addition to the one second that every step takes.
PAUSES = np.array([1, 2, 12, 10, 20, 6, 8, 15, 25, 8, 4, 40, 30, 6], dtype=np.float64)
RESEARCHED_LINE_RATE = 0.35
MAX_VIEWS = 8
SIGNED_IN_RATE = 0.75


@dataclass(frozen=True, slots=True)
class ProductViews:
    """The products of each visit, in order of ``rank``."""

    visit: Integers
    rank: Integers
    product: Integers
    quantity: Integers

    def select(self, mask: Booleans) -> Self:
        return type(self)(**{column.name: getattr(self, column.name)[mask] for column in fields(self)})


@dataclass(frozen=True, slots=True)
class SimulatedHistory:
    """One row per event, in order of time; ``number`` is its position in its visit."""

    visits: SimulatedVisits
    visit: Integers
    number: Integers
    step: Integers
    product: Integers
    quantity: Integers
    at: Floats
    signed_in: Booleans

    def __len__(self) -> int:
        return len(self.visit)


def plan_history(shop: SimulatedShop, *, seed: int) -> SimulatedHistory:
    """Plan all events around the shop's orders; the same seed and orders give the same history."""
    visits = plan_visits(shop, seed=seed)
    views = plan_product_views(shop, visits)
    steps = [*plan_product_steps(shop, visits, views), *plan_opening_steps(visits)]
    cart = np.zeros(len(visits), dtype=bool)
    cart[np.concatenate([visit for visit, _pos, step, _product, _quantity in steps if step == VisitStep.ADDED])] = True
    steps += plan_closing_steps(visits, cart)
    return assign_times(shop, visits, *stack_steps(steps))


# ---- viewed products


def plan_product_views(shop: SimulatedShop, visits: SimulatedVisits) -> ProductViews:
    return concatenate_views(
        [
            view_basket_lines(shop, visits, VisitType.BUY),
            view_basket_lines(shop, visits, VisitType.RESEARCH),
            browse_products(shop, visits),
        ]
    )


def view_basket_lines(shop: SimulatedShop, visits: SimulatedVisits, kind: VisitType) -> ProductViews:
    """Return views of the lines of the visits' orders; for RESEARCH visits, some of them."""
    visit_of = np.full(len(shop.basket_key), MISSING, dtype=np.int64)
    visit_rows = np.flatnonzero(visits.kind == kind)
    visit_of[visits.basket[visit_rows]] = visit_rows
    first = np.searchsorted(shop.line_basket, shop.line_basket)
    views = ProductViews(
        visit=visit_of[shop.line_basket],
        rank=np.arange(len(shop.line_basket)) - first,
        product=shop.line_product,
        quantity=shop.line_quantity,
    )
    is_viewed = views.visit != MISSING
    if kind == VisitType.RESEARCH:
        is_viewed &= (
            draw_uniform(combine_keys(combine_keys(shop.basket_key[shop.line_basket], 20), views.rank), 21)
            < RESEARCHED_LINE_RATE
        )
    return views.select(is_viewed)


def browse_products(shop: SimulatedShop, visits: SimulatedVisits) -> ProductViews:
    """Draw a few products per BROWSE visit: from categories that the household buys, or popular ones."""
    visit_rows = np.flatnonzero(visits.kind == VisitType.BROWSE)
    counts = np.minimum(MAX_VIEWS, 1 + (draw_exponential(visits.key[visit_rows], 22) * 2.2).astype(np.int64))
    visit = np.repeat(visit_rows, counts)
    rank = np.arange(len(visit)) - np.repeat(np.cumsum(counts) - counts, counts)
    key = combine_keys(combine_keys(visits.key[visit], 23), rank)
    zeros = np.zeros(len(visit), dtype=np.int64)
    low, high = zeros, zeros + len(shop.catalog.rows)
    line, has_orders = draw_own_line(shop, visits.household[visit], draw_uniform(key, 24))
    own = has_orders & (draw_uniform(key, 25) < 0.6)
    category = shop.catalog.category[shop.line_product[line]] if len(shop.line_product) else zeros
    low = np.where(own, shop.catalog.starts[category], low)
    high = np.where(own, shop.catalog.starts[category + 1], high)
    return ProductViews(visit, rank, shop.catalog.pick_products(low, high, draw_uniform(key, 26)), np.ones_like(rank))


def draw_own_line(shop: SimulatedShop, household: Integers, draws: Floats) -> tuple[Integers, Booleans]:
    """Draw a line from each household's orders; return it with whether the household has any."""
    owner = shop.basket_household[shop.line_basket]
    order = np.argsort(owner, kind="stable")
    low = np.searchsorted(owner[order], household)
    high = np.searchsorted(owner[order], household, side="right")
    has_orders = (high > low) & (household != MISSING)
    position = np.where(has_orders, low + (draws * (high - low)).astype(np.int64), 0)
    return (order[position] if len(order) else position), has_orders


def concatenate_views(views: list[ProductViews]) -> ProductViews:
    return ProductViews(
        *(np.concatenate([getattr(view, column.name) for view in views]) for column in fields(ProductViews))
    )


# ---- steps: (visit, position within it, step, product, quantity)

Steps = tuple[Integers, Floats, VisitStep, Integers, Integers]


def plan_product_steps(shop: SimulatedShop, visits: SimulatedVisits, views: ProductViews) -> list[Steps]:
    key = combine_keys(combine_keys(visits.key[views.visit], 30), views.rank)
    rates = RATES[visits.kind[views.visit]]
    position: Floats = views.rank.astype(np.float64) + 10

    def build_steps(mask: Booleans, offset: float, step: VisitStep, product: Integers = views.product) -> Steps:
        return views.visit[mask], position[mask] + offset, step, product[mask], views.quantity[mask]

    category = shop.catalog.category[views.product]
    starts = shop.catalog.starts
    similar = shop.catalog.pick_products(starts[category], starts[category + 1], draw_uniform(key, 33))
    compared = (draw_uniform(key, 34) < rates[:, 2]) & (similar != views.product)
    regretted = compared & (draw_uniform(key, 35) < rates[:, 3])
    added = draw_uniform(key, 37) < rates[:, 5]
    return [
        build_steps(draw_uniform(key, 31) < rates[:, 0], 0.1, VisitStep.LIST_VIEWED),
        build_steps(draw_uniform(key, 32) < rates[:, 1], 0.2, VisitStep.SEARCHED),
        build_steps(compared, 0.3, VisitStep.VIEWED, similar),
        build_steps(regretted, 0.4, VisitStep.ADDED, similar),
        build_steps(draw_uniform(key, 36) < rates[:, 4], 0.5, VisitStep.VIEWED),
        build_steps(regretted, 0.6, VisitStep.REMOVED, similar),
        build_steps(added, 0.7, VisitStep.ADDED),
        build_steps(added & (draw_uniform(key, 38) < rates[:, 6]), 500.0, VisitStep.REMOVED),
    ]


def plan_opening_steps(visits: SimulatedVisits) -> list[Steps]:
    all_visits = np.ones(len(visits), dtype=bool)
    return [
        build_visit_steps(visits.by_email, 0, VisitStep.EMAIL_CLICKED),
        build_visit_steps(all_visits, 1, VisitStep.LANDED),
    ]


def plan_closing_steps(visits: SimulatedVisits, cart: Booleans) -> list[Steps]:
    """Plan the checkout of BUY visits; in other visits, a cart is viewed and some checkouts are started."""
    buys = visits.kind == VisitType.BUY
    abandoned = cart & ~buys
    return [
        build_visit_steps(
            (buys & (draw_uniform(visits.key, 40) < 0.8)) | (abandoned & (draw_uniform(visits.key, 41) < 0.5)),
            1000,
            VisitStep.CART_VIEWED,
        ),
        build_visit_steps(buys, 1001, VisitStep.IDENTIFIED),  # removed later for visitors who are signed in already
        build_visit_steps(buys | (abandoned & (draw_uniform(visits.key, 42) < 0.15)), 1002, VisitStep.CHECKOUT_STARTED),
        build_visit_steps(buys, 1003, VisitStep.STEP_VIEWED),
        build_visit_steps(buys, 1004, VisitStep.STEP_COMPLETED),
        build_visit_steps(buys, 1005, VisitStep.PAYMENT_ENTERED),
        build_visit_steps(buys, 1006, VisitStep.CONFIRMED),
    ]


def build_visit_steps(mask: Booleans, position: float, step: VisitStep) -> Steps:
    visit = np.flatnonzero(mask)
    return (
        visit,
        np.full(len(visit), position, dtype=np.float64),
        step,
        np.full(len(visit), MISSING),
        np.ones(len(visit), dtype=np.int64),
    )


def stack_steps(steps: list[Steps]) -> tuple[Integers, Floats, Integers, Integers, Integers]:
    return (
        np.concatenate([step[0] for step in steps]),
        np.concatenate([step[1] for step in steps]),
        np.concatenate([np.full(len(step[0]), int(step[2])) for step in steps]),
        np.concatenate([step[3] for step in steps]),
        np.concatenate([step[4] for step in steps]),
    )


# ---- time


def assign_times(
    shop: SimulatedShop,
    visits: SimulatedVisits,
    visit: Integers,
    position: Floats,
    step: Integers,
    product: Integers,
    quantity: Integers,
) -> SimulatedHistory:
    """Assign each step its time and position in its visit, and determine in which events the visitor is signed in."""
    order = np.lexsort((step, position, visit))
    visit, step, product, quantity = visit[order], step[order], product[order], quantity[order]
    first = np.searchsorted(visit, visit)
    last = np.searchsorted(visit, visit, side="right") - 1
    number = np.arange(len(visit)) - first
    elapsed = np.cumsum(1.0 + PAUSES[step] * draw_exponential(combine_keys(visits.key[visit], number), 50))
    times_from_start = visits.anchor[visit] + elapsed - elapsed[first]
    at = np.where(visits.kind[visit] == VisitType.BUY, visits.anchor[visit] + elapsed - elapsed[last], times_from_start)
    signed_in, is_redundant = find_sign_ins(visits, visit, step, at, first, last)
    is_too_late = at[last] > shop.until.timestamp()  # no event after the newest order
    rows = np.flatnonzero(~is_redundant & ~is_too_late)
    # ties in time are broken by the visit's key, so that the order does not depend on the other simulated visits
    rows = rows[np.lexsort((number[rows], visits.key[visit[rows]], at[rows]))]
    return SimulatedHistory(
        visits, visit[rows], number[rows], step[rows], product[rows], quantity[rows], at[rows], signed_in[rows]
    )


def find_sign_ins(
    visits: SimulatedVisits, visit: Integers, step: Integers, at: Floats, first: Integers, last: Integers
) -> tuple[Booleans, Booleans]:
    """Return which events carry the user id, and which sign-ins are redundant because the visitor was signed in already.

    A visitor becomes known with the first checkout or click in an e-mail; afterwards, most visits are signed in from the start.
    """
    visitor_ids, visitor = np.unique(visits.visitor, return_inverse=True)
    first_sign_in = np.full(len(visitor_ids), np.inf)
    reveals_user = (step == VisitStep.IDENTIFIED) | (step == VisitStep.EMAIL_CLICKED)
    np.minimum.at(first_sign_in, visitor[visit[reveals_user]], at[reveals_user])
    visit_start = at[first]
    from_start = visits.by_email[visit] | (
        (visit_start > first_sign_in[visitor[visit]]) & (draw_uniform(visits.key[visit], 51) < SIGNED_IN_RATE)
    )
    # the position of the latest sign-in up to each event; it belongs to this visit if it is not before the visit's first event
    identified = np.maximum.accumulate(np.where(step == VisitStep.IDENTIFIED, np.arange(len(step)), MISSING)) >= first
    is_household = visits.household[visit] != MISSING
    return is_household & (from_start | identified), from_start & (step == VisitStep.IDENTIFIED)
