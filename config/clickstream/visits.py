"""Plans the visits of a simulated history and the devices they come from, as arrays with one row per visit."""

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
MISSING = -1  # no household, basket, product or row
RESEARCH_RATE = 0.35  # of orders
BROWSING_VISITS_PER_DAY = 0.12  # visits of a household without an order
STRANGER_VISITS_PER_DAY = 0.04  # per household
EMAIL_RATE = 0.04
COOKIE_LOSS_RATE = 0.3  # devices that lose their cookies every two weeks


class VisitType(IntEnum):
    BUY = 0
    RESEARCH = 1
    BROWSE = 2


class SimulatedDevice(IntEnum):
    PHONE = 0
    DESKTOP = 1
    APP = 2


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

    def select(self, mask: Booleans) -> Self:
        return type(self)(**{column.name: getattr(self, column.name)[mask] for column in fields(self)})


def plan_visits(shop: SimulatedShop, *, seed: int) -> SimulatedVisits:
    """Plan visits of three types by households, and visits by unknown visitors."""
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
    days = days if shop.has_browsing else days[:0]
    browsing = draw_daily_visits(shop.household_key, days, BROWSING_VISITS_PER_DAY)
    strangers = draw_daily_visits(
        hash_to_keys([f"stranger {n}" for n in range(len(shop.households))], seed=seed), days, STRANGER_VISITS_PER_DAY
    )
    groups = [
        buys,
        research,
        (browsing[0], VisitType.BROWSE, browsing[1], MISSING, browsing[2]),
        (strangers[0], VisitType.BROWSE, MISSING, MISSING, strangers[2]),
    ]
    sizes = [len(group[0]) for group in groups]
    kind, household, basket = (
        np.concatenate(
            [np.broadcast_to(np.asarray(group[column]), size) for group, size in zip(groups, sizes, strict=True)]
        )
        for column in (1, 2, 3)
    )
    key = np.concatenate([group[0] for group in groups])
    anchor = np.concatenate([group[4] for group in groups])
    visits = assign_devices(shop, key, kind, household, basket, anchor)
    return visits.select((anchor > shop.since.timestamp()) & (anchor <= shop.until.timestamp()))


def draw_daily_visits(keys: Keys, days: Integers, rate: float) -> tuple[Keys, Integers, Floats]:
    """Draw days with a visit for each key; return the visits' keys, their owners' rows, and times between 7:00 and 22:00."""
    day_keys = combine_keys(keys[:, None], days[None, :])
    owner, day = np.nonzero(draw_uniform(day_keys, 5) < rate)
    visit_keys = day_keys[owner, day]
    hours = 7 + 15 * (draw_uniform(visit_keys, 6) + draw_uniform(visit_keys, 7)) / 2
    return combine_keys(visit_keys, 8), owner, days[day] * DAY + hours * 3600


def assign_devices(
    shop: SimulatedShop, key: Keys, kind: Integers, household: Integers, basket: Integers, anchor: Floats
) -> SimulatedVisits:
    """Assign devices: a household has up to three and prefers the first; an unknown visitor has one that never returns."""
    is_household = household != MISSING
    owner = np.where(is_household, shop.household_key[household], key)
    devices = 1 + (draw_uniform(owner, 10) < 0.6) + (draw_uniform(owner, 11) < 0.25)
    draw = draw_uniform(key, 12)
    number = np.where(is_household, np.minimum((draw > 0.65).astype(np.int64) + (draw > 0.9), devices - 1), 0)
    device = combine_keys(owner, number + 13)
    loses_cookies = draw_uniform(device, 14) < COOKIE_LOSS_RATE
    fortnight = np.floor((anchor / DAY + draw_uniform(device, 15) * 14) / 14).astype(np.int64)
    return SimulatedVisits(
        key=key,
        kind=kind.astype(np.int64),
        household=household.astype(np.int64),
        basket=basket.astype(np.int64),
        anchor=anchor,
        device=device,
        device_kind=((draw_uniform(owner, 16) * 3).astype(np.int64) + number) % len(SimulatedDevice),
        visitor=combine_keys(device, np.where(loses_cookies, fortnight, 0)),
        by_email=is_household & (draw_uniform(key, 17) < EMAIL_RATE),
    )
