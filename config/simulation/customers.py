"""The customers of a block: births, deaths, order rates that drift, tastes, rhythms, and how they react to messages.

Rates are Gamma and dropout hazards Gamma over the customers, as in Pareto/NBD (Schmittlein, Morrison & Colombo 1987), in whole days. What
Pareto/NBD does not have is added: rates drift (a log-normal autoregression over four-week cells), seasons, promotions, and repeat purchases
in gamma-distributed gaps of the customer's own length.
"""

from dataclasses import dataclass

import numpy as np

from config.campaign_simulation.population import SHARES, ResponseKind
from config.foundation.array_types import Flags, Floats, Ints
from config.simulation.catalog import ShopCatalog
from config.simulation.plan import ShopPlan

RATE_SHAPE, RATE_SCALE = 0.8, 1 / 32  # orders a day: mean 0.025
HAZARD_SHAPE, HAZARD_SCALE = 0.8, 1 / 250  # deaths a day
DRIFT_CELL, DRIFT_KEPT, DRIFT_SPREAD = 28, 0.8, 0.4
OPENING_SHARE = 0.35  # customers who come in the first quarter of the history, at most 60 days
TASTE_CONCENTRATION = 0.12
RHYTHM_COUNTS = (0.6, 0.3, 0.1)  # shares of customers with 0, 1, 2 products that they buy in a rhythm
RHYTHM_SHAPE = 9.0  # gaps vary by a third of their mean
LANGUAGES = ("en", "zh-Hans")
CHINESE_SHARE = 0.3


@dataclass(frozen=True, eq=False)
class SimulatedCustomers:
    """n customers with numbers from ``first`` on.

    birth, death: days from the start of the history; nobody orders on the day of death or later; it may lie after the future.
    rate: orders a day without drift, season and taste; hazard: deaths a day. intensity: expected spontaneous orders of each day, 0 when
    not alive, shape (n, all days); living_rate: the same as if nobody died. taste: shape (n, g), rows add up to 1.
    basket: mean number of further lines. rhythm_customer, rhythm_product, rhythm_gap: one row per rhythm.
    kind: a ResponseKind; response: probability to react to a message. devices: 1 to 3. language: row of LANGUAGES.
    """

    first: int
    birth: Ints
    death: Ints
    rate: Floats
    hazard: Floats
    intensity: Floats
    living_rate: Floats
    taste: Floats
    basket: Floats
    rhythm_customer: Ints
    rhythm_product: Ints
    rhythm_gap: Floats
    kind: Ints
    response: Floats
    devices: Ints
    language: Ints

    def __len__(self) -> int:
        return len(self.birth)

    def is_alive_on(self, day: int) -> Flags:
        return self.death > day


def draw_customers(plan: ShopPlan, catalog: ShopCatalog, block: int) -> SimulatedCustomers:
    n, generator = plan.count_customers(block), plan.make_generator("customers", block)
    opening = min(60, plan.days // 4)
    is_early = generator.random(n) < OPENING_SHARE
    birth = (generator.random(n) * np.where(is_early, opening, plan.days)).astype(np.int64)
    hazard = np.maximum(generator.gamma(HAZARD_SHAPE, HAZARD_SCALE, n), 1e-7)
    lifetime = np.minimum(generator.exponential(1.0, n) / hazard, 1e6)
    death = birth + 1 + lifetime.astype(np.int64)
    rate = np.maximum(generator.gamma(RATE_SHAPE, RATE_SCALE, n), 1e-6)
    taste = np.maximum(generator.gamma(TASTE_CONCENTRATION, 1.0, (n, catalog.clusters)), 1e-12)
    taste /= taste.sum(axis=1, keepdims=True)
    living_rate = (rate[:, None] * draw_drift(plan, n, generator)) * (taste @ catalog.factor) * catalog.base
    days = np.arange(plan.all_days)
    living_rate *= days > birth[:, None]
    kind = generator.choice(len(SHARES), size=n, p=SHARES).astype(np.int64)
    can_react = (kind == ResponseKind.PERSUADABLE) | (kind == ResponseKind.SLEEPING_DOG)
    response = np.where(can_react, generator.beta(2.0, 6.0, n), 0.0)
    owner, product, gap = draw_rhythms(taste, catalog, generator)
    return SimulatedCustomers(
        first=plan.get_first_customer(block),
        birth=birth,
        death=death,
        rate=rate,
        hazard=hazard,
        intensity=living_rate * (days < death[:, None]),
        living_rate=living_rate,
        taste=taste,
        basket=generator.gamma(2.0, 0.6, n),
        rhythm_customer=owner,
        rhythm_product=product,
        rhythm_gap=gap,
        kind=kind,
        response=response,
        devices=1 + (generator.random(n) < 0.55) + (generator.random(n) < 0.2),
        language=(generator.random(n) < CHINESE_SHARE).astype(np.int64),
    )


def draw_drift(plan: ShopPlan, n: int, generator: np.random.Generator) -> Floats:
    """Return the factor of each customer and day, mean 1, shape (n, all days)."""
    cells = -(-plan.all_days // DRIFT_CELL)
    noise = generator.normal(0, DRIFT_SPREAD, (n, cells))
    level = noise.copy()
    for cell in range(1, cells):
        level[:, cell] = DRIFT_KEPT * level[:, cell - 1] + np.sqrt(1 - DRIFT_KEPT**2) * noise[:, cell]
    return np.repeat(np.exp(level - DRIFT_SPREAD**2 / 2), DRIFT_CELL, axis=1)[:, : plan.all_days]


def draw_rhythms(taste: Floats, catalog: ShopCatalog, generator: np.random.Generator) -> tuple[Ints, Ints, Floats]:
    """Return owner, product and mean gap in days of the rhythms: products of consumable clusters that the customer likes."""
    counts = generator.choice(len(RHYTHM_COUNTS), size=len(taste), p=RHYTHM_COUNTS)
    owner = np.repeat(np.arange(len(taste)), counts)
    liked = np.cumsum(taste[owner] * catalog.is_consumable, axis=1)
    draws = generator.random(len(owner)) * liked[:, -1]
    cluster = np.minimum((liked <= draws[:, None]).sum(axis=1), catalog.clusters - 1)
    product = catalog.draw_products(cluster, generator)
    gap = np.clip(generator.lognormal(np.log(35), 0.5, len(owner)), 7, 180)
    return owner, product, gap
