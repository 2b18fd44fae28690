"""Who came when, with which device, and what they did there: the whole history as arrays, sorted by time.

Every basket gets the visit that ends in it, and often an earlier one that looked around. Other visits end in nothing, those of
strangers too. A device is anonymous until somebody signs in with it, which nobody does before the first checkout or the first click
in an e-mail.
"""

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Self

import numpy as np
import numpy.typing as npt

from config.clickstream.random_draws import Floats, Integers, Keys, exponential, joined, keys_of, uniform
from config.clickstream.shop import Shop

Booleans = npt.NDArray[np.bool_]
DAY = 86_400.0
NOBODY = -1


class Kind(IntEnum):
    BUY = 0
    RESEARCH = 1
    BROWSE = 2


class Step(IntEnum):
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


class Device(IntEnum):
    PHONE = 0
    DESKTOP = 1
    APP = 2


#                    list, search, similar, taken and put back, view, add, removed at the end
RATES = np.array(
    [
        [0.35, 0.18, 0.25, 0.20, 0.65, 1.00, 0.00],  # BUY
        [0.25, 0.20, 0.40, 0.00, 1.00, 0.05, 0.50],  # RESEARCH
        [0.40, 0.15, 0.15, 0.00, 1.00, 0.12, 0.30],  # BROWSE
    ]
)
# mean seconds before each step, beside the one second that everything takes
PAUSES = np.array([1, 2, 12, 10, 20, 6, 8, 15, 25, 8, 4, 40, 30, 6], dtype=np.float64)
RESEARCH_RATE = 0.35  # of baskets
LINES_RESEARCHED = 0.35
BROWSING_A_DAY = 0.12  # visits of a household that end in nothing
STRANGERS_A_DAY = 0.04  # for each household
MOST_LOOKS = 8
EMAIL_RATE = 0.04
STAYS_SIGNED_IN = 0.75
FORGETFUL_DEVICES = 0.3  # those whose cookies go every fortnight


@dataclass(frozen=True, slots=True)
class Visits:
    """One row a visit. ``anchor`` is when a BUY ends and when any other begins; ``device`` and ``visitor`` are keys."""

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
class Looks:
    """A product that a visit turns to, in the order of ``rank``."""

    visit: Integers
    rank: Integers
    product: Integers
    quantity: Integers

    def only(self, chosen: Booleans) -> Self:
        return type(self)(**{one.name: getattr(self, one.name)[chosen] for one in fields(self)})


@dataclass(frozen=True, slots=True)
class History:
    """One row an event, in the order of time; ``number`` is its place in its visit."""

    visits: Visits
    visit: Integers
    number: Integers
    step: Integers
    product: Integers
    quantity: Integers
    at: Floats
    signed_in: Booleans

    def __len__(self) -> int:
        return len(self.visit)


def plan_history(shop: Shop, *, seed: int) -> History:
    visits = plan_visits(shop, seed=seed)
    looks = plan_looks(shop, visits)
    steps = [*product_steps(shop, visits, looks), *opening_steps(visits)]
    cart = np.zeros(len(visits), dtype=bool)
    cart[np.concatenate([visit for visit, _pos, step, _product, _quantity in steps if step == Step.ADDED])] = True
    steps += closing_steps(visits, cart)
    return in_time(shop, visits, *stacked(steps))


# ---- visits


def plan_visits(shop: Shop, *, seed: int) -> Visits:
    """Three kinds of households' visits, and those of strangers."""
    baskets = np.arange(len(shop.basket_key))
    buys = (joined(shop.basket_key, 1), Kind.BUY, shop.basket_household, baskets, shop.basket_at)
    researched = np.flatnonzero(uniform(shop.basket_key, 2) < RESEARCH_RATE)
    key = joined(shop.basket_key[researched], 3)
    before = np.minimum(5 * DAY, 7200 + exponential(key, 4) * 1.2 * DAY)
    research = (key, Kind.RESEARCH, shop.basket_household[researched], researched, shop.basket_at[researched] - before)
    days = np.arange(int(shop.since.timestamp() // DAY), int(shop.until.timestamp() // DAY) + 1)
    browsing = grid(shop.household_key, days, BROWSING_A_DAY)
    strangers = grid(keys_of([f"stranger {n}" for n in range(len(shop.households))], seed=seed), days, STRANGERS_A_DAY)
    parts = [
        buys,
        research,
        (browsing[0], Kind.BROWSE, browsing[1], NOBODY, browsing[2]),
        (strangers[0], Kind.BROWSE, NOBODY, NOBODY, strangers[2]),
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
    visits = with_devices(shop, key, kind, household, basket, anchor)
    return visits.only((anchor > shop.since.timestamp()) & (anchor <= shop.until.timestamp()))


def grid(keys: Keys, days: Integers, rate: float) -> tuple[Keys, Integers, Floats]:
    """Of every key's days some: their keys, whose they are, and a moment in the waking hours of that day."""
    day_keys = joined(keys[:, None], days[None, :])
    who, when = np.nonzero(uniform(day_keys, 5) < rate)
    chosen = day_keys[who, when]
    hours = 7 + 15 * (uniform(chosen, 6) + uniform(chosen, 7)) / 2
    return joined(chosen, 8), who, days[when] * DAY + hours * 3600


def with_devices(
    shop: Shop, key: Keys, kind: Integers, household: Integers, basket: Integers, anchor: Floats
) -> Visits:
    """A household has up to three devices and prefers the first; a stranger has one that is never seen again."""
    known = household != NOBODY
    owner = np.where(known, shop.household_key[household], key)
    devices = 1 + (uniform(owner, 10) < 0.6) + (uniform(owner, 11) < 0.25)
    draw = uniform(key, 12)
    number = np.where(known, np.minimum((draw > 0.65).astype(np.int64) + (draw > 0.9), devices - 1), 0)
    device = joined(owner, number + 13)
    forgetful = uniform(device, 14) < FORGETFUL_DEVICES
    fortnight = np.floor((anchor / DAY + uniform(device, 15) * 14) / 14).astype(np.int64)
    return Visits(
        key=key,
        kind=kind.astype(np.int64),
        household=household.astype(np.int64),
        basket=basket.astype(np.int64),
        anchor=anchor,
        device=device,
        device_kind=((uniform(owner, 16) * 3).astype(np.int64) + number) % len(Device),
        visitor=joined(device, np.where(forgetful, fortnight, 0)),
        by_email=known & (uniform(key, 17) < EMAIL_RATE),
    )


# ---- what they look at


def plan_looks(shop: Shop, visits: Visits) -> Looks:
    return concatenated(
        [lines_of(shop, visits, Kind.BUY), lines_of(shop, visits, Kind.RESEARCH), browsed(shop, visits)]
    )


def lines_of(shop: Shop, visits: Visits, kind: Kind) -> Looks:
    """The lines of the visits' baskets; of those of RESEARCH some."""
    visit_of = np.full(len(shop.basket_key), NOBODY, dtype=np.int64)
    mine = np.flatnonzero(visits.kind == kind)
    visit_of[visits.basket[mine]] = mine
    first = np.searchsorted(shop.line_basket, shop.line_basket)
    looks = Looks(
        visit=visit_of[shop.line_basket],
        rank=np.arange(len(shop.line_basket)) - first,
        product=shop.line_product,
        quantity=shop.line_quantity,
    )
    chosen = looks.visit != NOBODY
    if kind == Kind.RESEARCH:
        chosen &= uniform(joined(joined(shop.basket_key[shop.line_basket], 20), looks.rank), 21) < LINES_RESEARCHED
    return looks.only(chosen)


def browsed(shop: Shop, visits: Visits) -> Looks:
    """A few products: of the categories that the household buys from, or what attracts everybody."""
    mine = np.flatnonzero(visits.kind == Kind.BROWSE)
    counts = np.minimum(MOST_LOOKS, 1 + (exponential(visits.key[mine], 22) * 2.2).astype(np.int64))
    visit = np.repeat(mine, counts)
    rank = np.arange(len(visit)) - np.repeat(np.cumsum(counts) - counts, counts)
    key = joined(joined(visits.key[visit], 23), rank)
    everything = np.zeros(len(visit), dtype=np.int64)
    low, high = everything, everything + len(shop.catalogue.rows)
    line, bought = own_line(shop, visits.household[visit], uniform(key, 24))
    own = bought & (uniform(key, 25) < 0.6)
    category = shop.catalogue.category[shop.line_product[line]] if len(shop.line_product) else everything
    low = np.where(own, shop.catalogue.starts[category], low)
    high = np.where(own, shop.catalogue.starts[category + 1], high)
    return Looks(visit, rank, shop.catalogue.pick(low, high, uniform(key, 26)), np.ones_like(rank))


def own_line(shop: Shop, household: Integers, draws: Floats) -> tuple[Integers, Booleans]:
    """A line out of each household's baskets, and whether it has any."""
    owner = shop.basket_household[shop.line_basket]
    order = np.argsort(owner, kind="stable")
    low = np.searchsorted(owner[order], household)
    high = np.searchsorted(owner[order], household, side="right")
    has = (high > low) & (household != NOBODY)
    place = np.where(has, low + (draws * (high - low)).astype(np.int64), 0)
    return (order[place] if len(order) else place), has


def concatenated(parts: list[Looks]) -> Looks:
    return Looks(*(np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(Looks)))


# ---- steps: (visit, position within it, step, product, quantity)

Steps = tuple[Integers, Floats, Step, Integers, Integers]


def product_steps(shop: Shop, visits: Visits, looks: Looks) -> list[Steps]:
    key = joined(joined(visits.key[looks.visit], 30), looks.rank)
    rates = RATES[visits.kind[looks.visit]]
    position: Floats = looks.rank.astype(np.float64) + 10

    def taken(chosen: Booleans, offset: float, step: Step, product: Integers = looks.product) -> Steps:
        return looks.visit[chosen], position[chosen] + offset, step, product[chosen], looks.quantity[chosen]

    category = shop.catalogue.category[looks.product]
    starts = shop.catalogue.starts
    similar = shop.catalogue.pick(starts[category], starts[category + 1], uniform(key, 33))
    compared = (uniform(key, 34) < rates[:, 2]) & (similar != looks.product)
    regretted = compared & (uniform(key, 35) < rates[:, 3])
    added = uniform(key, 37) < rates[:, 5]
    return [
        taken(uniform(key, 31) < rates[:, 0], 0.1, Step.LIST_VIEWED),
        taken(uniform(key, 32) < rates[:, 1], 0.2, Step.SEARCHED),
        taken(compared, 0.3, Step.VIEWED, similar),
        taken(regretted, 0.4, Step.ADDED, similar),
        taken(uniform(key, 36) < rates[:, 4], 0.5, Step.VIEWED),
        taken(regretted, 0.6, Step.REMOVED, similar),
        taken(added, 0.7, Step.ADDED),
        taken(added & (uniform(key, 38) < rates[:, 6]), 500.0, Step.REMOVED),
    ]


def opening_steps(visits: Visits) -> list[Steps]:
    everybody = np.ones(len(visits), dtype=bool)
    return [visit_steps(visits.by_email, 0, Step.EMAIL_CLICKED), visit_steps(everybody, 1, Step.LANDED)]


def closing_steps(visits: Visits, cart: Booleans) -> list[Steps]:
    """A basket goes through the checkout; a full cart of another visit is looked at, and sometimes nearly bought."""
    buys = visits.kind == Kind.BUY
    left = cart & ~buys
    return [
        visit_steps(
            (buys & (uniform(visits.key, 40) < 0.8)) | (left & (uniform(visits.key, 41) < 0.5)), 1000, Step.CART_VIEWED
        ),
        visit_steps(buys, 1001, Step.IDENTIFIED),  # of those who are signed in already, taken out later
        visit_steps(buys | (left & (uniform(visits.key, 42) < 0.15)), 1002, Step.CHECKOUT_STARTED),
        visit_steps(buys, 1003, Step.STEP_VIEWED),
        visit_steps(buys, 1004, Step.STEP_COMPLETED),
        visit_steps(buys, 1005, Step.PAYMENT_ENTERED),
        visit_steps(buys, 1006, Step.CONFIRMED),
    ]


def visit_steps(chosen: Booleans, position: float, step: Step) -> Steps:
    visit = np.flatnonzero(chosen)
    return (
        visit,
        np.full(len(visit), position, dtype=np.float64),
        step,
        np.full(len(visit), NOBODY),
        np.ones(len(visit), dtype=np.int64),
    )


def stacked(steps: list[Steps]) -> tuple[Integers, Floats, Integers, Integers, Integers]:
    return (
        np.concatenate([one[0] for one in steps]),
        np.concatenate([one[1] for one in steps]),
        np.concatenate([np.full(len(one[0]), int(one[2])) for one in steps]),
        np.concatenate([one[3] for one in steps]),
        np.concatenate([one[4] for one in steps]),
    )


# ---- time


def in_time(
    shop: Shop, visits: Visits, visit: Integers, position: Floats, step: Integers, product: Integers, quantity: Integers
) -> History:
    """Gives every step its moment and its place in its visit, and says whose sign-in it is."""
    order = np.lexsort((step, position, visit))
    visit, step, product, quantity = visit[order], step[order], product[order], quantity[order]
    first = np.searchsorted(visit, visit)
    last = np.searchsorted(visit, visit, side="right") - 1
    number = np.arange(len(visit)) - first
    elapsed = np.cumsum(1.0 + PAUSES[step] * exponential(joined(visits.key[visit], number), 50))
    forward = visits.anchor[visit] + elapsed - elapsed[first]
    at = np.where(visits.kind[visit] == Kind.BUY, visits.anchor[visit] + elapsed - elapsed[last], forward)
    signed_in, needless = sign_ins(visits, visit, step, at, first, last)
    too_late = at[last] > shop.until.timestamp()  # nothing is ahead of the newest order
    kept = np.flatnonzero(~needless & ~too_late)
    kept = kept[np.lexsort((number[kept], visits.key[visit[kept]], at[kept]))]
    return History(
        visits, visit[kept], number[kept], step[kept], product[kept], quantity[kept], at[kept], signed_in[kept]
    )


def sign_ins(
    visits: Visits, visit: Integers, step: Integers, at: Floats, first: Integers, last: Integers
) -> tuple[Booleans, Booleans]:
    """Which events carry the user id, and which sign-ins are needless because the visitor came signed in.

    A visitor is known from the first checkout or click in an e-mail on; afterwards most visits are signed in from their start.
    """
    _ids, visitor = np.unique(visits.visitor, return_inverse=True)
    known_at = np.full(len(_ids), np.inf)
    tells = (step == Step.IDENTIFIED) | (step == Step.EMAIL_CLICKED)
    np.minimum.at(known_at, visitor[visit[tells]], at[tells])
    begins = at[first]
    from_start = visits.by_email[visit] | (
        (begins > known_at[visitor[visit]]) & (uniform(visits.key[visit], 51) < STAYS_SIGNED_IN)
    )
    identified = np.maximum.accumulate(np.where(step == Step.IDENTIFIED, np.arange(len(step)), NOBODY)) >= first
    known = visits.household[visit] != NOBODY
    return known & (from_start | identified), from_start & (step == Step.IDENTIFIED)
