"""Plans visits, devices and steps of a simulated storefront history as arrays sorted by time.

Every order gets the visit in which it was placed, and often an earlier research visit. Other visits, including those of unknown visitors,
end without an order. A device is anonymous until someone signs in with it, at the first checkout or the first click in an e-mail.
"""

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Self

import numpy as np
import numpy.typing as npt

from config.clickstream.random_draws import (
    Floats,
    Integers,
    Keys,
    combine_keys,
    draw_exponential,
    draw_uniform,
    hash_to_keys,
)
from config.clickstream.shop import SimulatedShop

Booleans = npt.NDArray[np.bool_]
DAY = 86_400.0
NOBODY = -1


class VisitType(IntEnum):
    BUY = 0
    RESEARCH = 1
    BROWSE = 2


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


class SimulatedDevice(IntEnum):
    PHONE = 0
    DESKTOP = 1
    APP = 2


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
RESEARCH_RATE = 0.35  # of orders
RESEARCHED_LINE_RATE = 0.35
BROWSING_VISITS_PER_DAY = 0.12  # visits of a household without an order
STRANGER_VISITS_PER_DAY = 0.04  # per household
MAX_VIEWS = 8
EMAIL_RATE = 0.04
SIGNED_IN_RATE = 0.75
COOKIE_LOSS_RATE = 0.3  # devices that lose their cookies every two weeks


@dataclass(frozen=True, slots=True)
class SimulatedVisits:
    """One row per visit. ``anchor`` is the end of a BUY visit and the start of any other; ``device`` and ``visitor`` are keys."""

    key: Keys
    kind: Integers
    household: Integers
    basket: Integers
    anchor: Floats
    device: Keys
    device_kind: Integers
    visitor: Keys
    by_email: Booleans

    def __len__(self) -> int:
        return len(self.key)

    def only(self, chosen: Booleans) -> Self:
        return type(self)(**{one.name: getattr(self, one.name)[chosen] for one in fields(self)})


@dataclass(frozen=True, slots=True)
class ProductViews:
    """The products of each visit, in order of ``rank``."""

    visit: Integers
    rank: Integers
    product: Integers
    quantity: Integers

    def only(self, chosen: Booleans) -> Self:
        return type(self)(**{one.name: getattr(self, one.name)[chosen] for one in fields(self)})


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
    visits = plan_visits(shop, seed=seed)
    looks = plan_product_views(shop, visits)
    steps = [*plan_product_steps(shop, visits, looks), *plan_opening_steps(visits)]
    cart = np.zeros(len(visits), dtype=bool)
    cart[np.concatenate([visit for visit, _pos, step, _product, _quantity in steps if step == VisitStep.ADDED])] = True
    steps += plan_closing_steps(visits, cart)
    return assign_times(shop, visits, *stack_steps(steps))


# ---- visits


def plan_visits(shop: SimulatedShop, *, seed: int) -> SimulatedVisits:
    """Plan three types of household visits, and visits of unknown visitors."""
    baskets = np.arange(len(shop.basket_key))
    buys = (combine_keys(shop.basket_key, 1), VisitType.BUY, shop.basket_household, baskets, shop.basket_at)
    researched = np.flatnonzero(draw_uniform(shop.basket_key, 2) < RESEARCH_RATE)
    key = combine_keys(shop.basket_key[researched], 3)
    before = np.minimum(5 * DAY, 7200 + draw_exponential(key, 4) * 1.2 * DAY)
    research = (
        key,
        VisitType.RESEARCH,
        shop.basket_household[researched],
        researched,
        shop.basket_at[researched] - before,
    )
    days = np.arange(int(shop.since.timestamp() // DAY), int(shop.until.timestamp() // DAY) + 1)
    browsing = draw_daily_visits(shop.household_key, days, BROWSING_VISITS_PER_DAY)
    strangers = draw_daily_visits(
        hash_to_keys([f"stranger {n}" for n in range(len(shop.households))], seed=seed), days, STRANGER_VISITS_PER_DAY
    )
    parts = [
        buys,
        research,
        (browsing[0], VisitType.BROWSE, browsing[1], NOBODY, browsing[2]),
        (strangers[0], VisitType.BROWSE, NOBODY, NOBODY, strangers[2]),
    ]
    sizes = [len(part[0]) for part in parts]
    kind, household, basket = (
        np.concatenate(
            [np.broadcast_to(np.asarray(part[column]), size) for part, size in zip(parts, sizes, strict=True)]
        )
        for column in (1, 2, 3)
    )
    key = np.concatenate([part[0] for part in parts])
    anchor = np.concatenate([part[4] for part in parts])
    visits = assign_devices(shop, key, kind, household, basket, anchor)
    return visits.only((anchor > shop.since.timestamp()) & (anchor <= shop.until.timestamp()))


def draw_daily_visits(keys: Keys, days: Integers, rate: float) -> tuple[Keys, Integers, Floats]:
    """Draw days with a visit for each key; return the visits' keys, their owners' rows, and a moment in the waking hours of the day."""
    day_keys = combine_keys(keys[:, None], days[None, :])
    who, when = np.nonzero(draw_uniform(day_keys, 5) < rate)
    chosen = day_keys[who, when]
    hours = 7 + 15 * (draw_uniform(chosen, 6) + draw_uniform(chosen, 7)) / 2
    return combine_keys(chosen, 8), who, days[when] * DAY + hours * 3600


def assign_devices(
    shop: SimulatedShop, key: Keys, kind: Integers, household: Integers, basket: Integers, anchor: Floats
) -> SimulatedVisits:
    """Assign devices: a household has up to three and prefers the first; an unknown visitor has one that never returns."""
    known = household != NOBODY
    owner = np.where(known, shop.household_key[household], key)
    devices = 1 + (draw_uniform(owner, 10) < 0.6) + (draw_uniform(owner, 11) < 0.25)
    draw = draw_uniform(key, 12)
    number = np.where(known, np.minimum((draw > 0.65).astype(np.int64) + (draw > 0.9), devices - 1), 0)
    device = combine_keys(owner, number + 13)
    forgetful = draw_uniform(device, 14) < COOKIE_LOSS_RATE
    fortnight = np.floor((anchor / DAY + draw_uniform(device, 15) * 14) / 14).astype(np.int64)
    return SimulatedVisits(
        key=key,
        kind=kind.astype(np.int64),
        household=household.astype(np.int64),
        basket=basket.astype(np.int64),
        anchor=anchor,
        device=device,
        device_kind=((draw_uniform(owner, 16) * 3).astype(np.int64) + number) % len(SimulatedDevice),
        visitor=combine_keys(device, np.where(forgetful, fortnight, 0)),
        by_email=known & (draw_uniform(key, 17) < EMAIL_RATE),
    )


# ---- what they look at


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
    visit_of = np.full(len(shop.basket_key), NOBODY, dtype=np.int64)
    mine = np.flatnonzero(visits.kind == kind)
    visit_of[visits.basket[mine]] = mine
    first = np.searchsorted(shop.line_basket, shop.line_basket)
    looks = ProductViews(
        visit=visit_of[shop.line_basket],
        rank=np.arange(len(shop.line_basket)) - first,
        product=shop.line_product,
        quantity=shop.line_quantity,
    )
    chosen = looks.visit != NOBODY
    if kind == VisitType.RESEARCH:
        chosen &= (
            draw_uniform(combine_keys(combine_keys(shop.basket_key[shop.line_basket], 20), looks.rank), 21)
            < RESEARCHED_LINE_RATE
        )
    return looks.only(chosen)


def browse_products(shop: SimulatedShop, visits: SimulatedVisits) -> ProductViews:
    """Draw a few products per BROWSE visit: from categories that the household buys, or popular ones."""
    mine = np.flatnonzero(visits.kind == VisitType.BROWSE)
    counts = np.minimum(MAX_VIEWS, 1 + (draw_exponential(visits.key[mine], 22) * 2.2).astype(np.int64))
    visit = np.repeat(mine, counts)
    rank = np.arange(len(visit)) - np.repeat(np.cumsum(counts) - counts, counts)
    key = combine_keys(combine_keys(visits.key[visit], 23), rank)
    everything = np.zeros(len(visit), dtype=np.int64)
    low, high = everything, everything + len(shop.catalogue.rows)
    line, bought = draw_own_line(shop, visits.household[visit], draw_uniform(key, 24))
    own = bought & (draw_uniform(key, 25) < 0.6)
    category = shop.catalogue.category[shop.line_product[line]] if len(shop.line_product) else everything
    low = np.where(own, shop.catalogue.starts[category], low)
    high = np.where(own, shop.catalogue.starts[category + 1], high)
    return ProductViews(visit, rank, shop.catalogue.pick(low, high, draw_uniform(key, 26)), np.ones_like(rank))


def draw_own_line(shop: SimulatedShop, household: Integers, draws: Floats) -> tuple[Integers, Booleans]:
    """Draw a line from each household's orders; return it with whether the household has any."""
    owner = shop.basket_household[shop.line_basket]
    order = np.argsort(owner, kind="stable")
    low = np.searchsorted(owner[order], household)
    high = np.searchsorted(owner[order], household, side="right")
    has = (high > low) & (household != NOBODY)
    place = np.where(has, low + (draws * (high - low)).astype(np.int64), 0)
    return (order[place] if len(order) else place), has


def concatenate_views(parts: list[ProductViews]) -> ProductViews:
    return ProductViews(*(np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(ProductViews)))


# ---- steps: (visit, position within it, step, product, quantity)

Steps = tuple[Integers, Floats, VisitStep, Integers, Integers]


def plan_product_steps(shop: SimulatedShop, visits: SimulatedVisits, looks: ProductViews) -> list[Steps]:
    key = combine_keys(combine_keys(visits.key[looks.visit], 30), looks.rank)
    rates = RATES[visits.kind[looks.visit]]
    position: Floats = looks.rank.astype(np.float64) + 10

    def taken(chosen: Booleans, offset: float, step: VisitStep, product: Integers = looks.product) -> Steps:
        return looks.visit[chosen], position[chosen] + offset, step, product[chosen], looks.quantity[chosen]

    category = shop.catalogue.category[looks.product]
    starts = shop.catalogue.starts
    similar = shop.catalogue.pick(starts[category], starts[category + 1], draw_uniform(key, 33))
    compared = (draw_uniform(key, 34) < rates[:, 2]) & (similar != looks.product)
    regretted = compared & (draw_uniform(key, 35) < rates[:, 3])
    added = draw_uniform(key, 37) < rates[:, 5]
    return [
        taken(draw_uniform(key, 31) < rates[:, 0], 0.1, VisitStep.LIST_VIEWED),
        taken(draw_uniform(key, 32) < rates[:, 1], 0.2, VisitStep.SEARCHED),
        taken(compared, 0.3, VisitStep.VIEWED, similar),
        taken(regretted, 0.4, VisitStep.ADDED, similar),
        taken(draw_uniform(key, 36) < rates[:, 4], 0.5, VisitStep.VIEWED),
        taken(regretted, 0.6, VisitStep.REMOVED, similar),
        taken(added, 0.7, VisitStep.ADDED),
        taken(added & (draw_uniform(key, 38) < rates[:, 6]), 500.0, VisitStep.REMOVED),
    ]


def plan_opening_steps(visits: SimulatedVisits) -> list[Steps]:
    everybody = np.ones(len(visits), dtype=bool)
    return [
        build_visit_steps(visits.by_email, 0, VisitStep.EMAIL_CLICKED),
        build_visit_steps(everybody, 1, VisitStep.LANDED),
    ]


def plan_closing_steps(visits: SimulatedVisits, cart: Booleans) -> list[Steps]:
    """Plan the checkout of BUY visits; in other visits, a cart is viewed and sometimes almost bought."""
    buys = visits.kind == VisitType.BUY
    left = cart & ~buys
    return [
        build_visit_steps(
            (buys & (draw_uniform(visits.key, 40) < 0.8)) | (left & (draw_uniform(visits.key, 41) < 0.5)),
            1000,
            VisitStep.CART_VIEWED,
        ),
        build_visit_steps(buys, 1001, VisitStep.IDENTIFIED),  # removed later for visitors who are signed in already
        build_visit_steps(buys | (left & (draw_uniform(visits.key, 42) < 0.15)), 1002, VisitStep.CHECKOUT_STARTED),
        build_visit_steps(buys, 1003, VisitStep.STEP_VIEWED),
        build_visit_steps(buys, 1004, VisitStep.STEP_COMPLETED),
        build_visit_steps(buys, 1005, VisitStep.PAYMENT_ENTERED),
        build_visit_steps(buys, 1006, VisitStep.CONFIRMED),
    ]


def build_visit_steps(chosen: Booleans, position: float, step: VisitStep) -> Steps:
    visit = np.flatnonzero(chosen)
    return (
        visit,
        np.full(len(visit), position, dtype=np.float64),
        step,
        np.full(len(visit), NOBODY),
        np.ones(len(visit), dtype=np.int64),
    )


def stack_steps(steps: list[Steps]) -> tuple[Integers, Floats, Integers, Integers, Integers]:
    return (
        np.concatenate([one[0] for one in steps]),
        np.concatenate([one[1] for one in steps]),
        np.concatenate([np.full(len(one[0]), int(one[2])) for one in steps]),
        np.concatenate([one[3] for one in steps]),
        np.concatenate([one[4] for one in steps]),
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
    """Assign each step its time and position in its visit, and find which events are signed in."""
    order = np.lexsort((step, position, visit))
    visit, step, product, quantity = visit[order], step[order], product[order], quantity[order]
    first = np.searchsorted(visit, visit)
    last = np.searchsorted(visit, visit, side="right") - 1
    number = np.arange(len(visit)) - first
    elapsed = np.cumsum(1.0 + PAUSES[step] * draw_exponential(combine_keys(visits.key[visit], number), 50))
    forward = visits.anchor[visit] + elapsed - elapsed[first]
    at = np.where(visits.kind[visit] == VisitType.BUY, visits.anchor[visit] + elapsed - elapsed[last], forward)
    signed_in, needless = find_sign_ins(visits, visit, step, at, first, last)
    too_late = at[last] > shop.until.timestamp()  # no event after the newest order
    kept = np.flatnonzero(~needless & ~too_late)
    kept = kept[np.lexsort((number[kept], visits.key[visit[kept]], at[kept]))]
    return SimulatedHistory(
        visits, visit[kept], number[kept], step[kept], product[kept], quantity[kept], at[kept], signed_in[kept]
    )


def find_sign_ins(
    visits: SimulatedVisits, visit: Integers, step: Integers, at: Floats, first: Integers, last: Integers
) -> tuple[Booleans, Booleans]:
    """Return which events carry the user id, and which sign-ins are redundant because the visitor was signed in already.

    A visitor is known from the first checkout or click in an e-mail on; afterwards, most visits are signed in from the start.
    """
    _ids, visitor = np.unique(visits.visitor, return_inverse=True)
    known_at = np.full(len(_ids), np.inf)
    tells = (step == VisitStep.IDENTIFIED) | (step == VisitStep.EMAIL_CLICKED)
    np.minimum.at(known_at, visitor[visit[tells]], at[tells])
    begins = at[first]
    from_start = visits.by_email[visit] | (
        (begins > known_at[visitor[visit]]) & (draw_uniform(visits.key[visit], 51) < SIGNED_IN_RATE)
    )
    identified = np.maximum.accumulate(np.where(step == VisitStep.IDENTIFIED, np.arange(len(step)), NOBODY)) >= first
    known = visits.household[visit] != NOBODY
    return known & (from_start | identified), from_start & (step == VisitStep.IDENTIFIED)
