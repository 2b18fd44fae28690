"""The products: clusters of items that the same customers like, prices, promotions, and demand by season."""

from dataclasses import dataclass

import numpy as np

from config.foundation.array_types import Flags, Floats, Ints
from config.simulation.plan import ShopPlan

PRODUCTS_PER_CLUSTER = 25
MAX_CLUSTERS = 40
PROMOTION_EVERY, PROMOTION_DAYS = 28, 7
PROMOTED_SHARE = 0.25
DISCOUNTS = (0.1, 0.2, 0.3)
PROMOTION_RESPONSE = 3.0  # demand of a cluster at a discount of d is 1 + 3 d times the usual
SEASON_SPREAD = 0.3
WEEKDAYS = np.array([0.92, 0.9, 0.9, 0.95, 1.05, 1.2, 1.08])  # Monday first
DEPARTMENTS = ("Kitchen", "Grocery", "Beauty", "Home", "Garden", "Sports", "Toys", "Office")
NOUNS = ("Coffee", "Kettle", "Soap", "Lamp", "Planter", "Mat", "Puzzle", "Notebook", "Tea", "Towel", "Bottle", "Candle")
ADJECTIVES = ("Blue", "Classic", "Compact", "Fine", "Green", "Large", "Light", "Natural", "Plain", "Soft")
BRANDS = ("Alder", "Birch", "Cedar", "Dune", "Ember", "Fjord", "Grove", "Heath", "Isle", "Juniper")


@dataclass(frozen=True, eq=False)
class ShopCatalog:
    """m products sorted by cluster, of g clusters.

    cluster, price, share, quality, brand, noun: shape (m,); the shares of a cluster add up to 1; quality is standard normal.
    starts: first product of each cluster and the end, shape (g + 1,). cumulated: running sum of all shares, for draws.
    is_consumable: shape (g,), whether products of the cluster are bought in a rhythm.
    factor, discount: shape (g, all days): demand and price of each cluster as a factor and a share; base: shape (all days,).
    """

    cluster: Ints
    price: Floats
    share: Floats
    quality: Floats
    brand: Ints
    noun: Ints
    starts: Ints
    cumulated: Floats
    is_consumable: Flags
    factor: Floats
    discount: Floats
    base: Floats

    def __len__(self) -> int:
        return len(self.cluster)

    @property
    def clusters(self) -> int:
        return len(self.is_consumable)

    def draw_products(self, cluster: Ints, generator: np.random.Generator) -> Ints:
        """Draw a product of each given cluster by its share."""
        products = np.searchsorted(self.cumulated, cluster + generator.random(len(cluster)), side="right")
        return np.clip(products, self.starts[cluster], self.starts[cluster + 1] - 1).astype(np.int64)


def draw_catalog(plan: ShopPlan) -> ShopCatalog:
    generator = plan.make_generator("catalog")
    clusters = int(np.clip(plan.products // PRODUCTS_PER_CLUSTER, 4, MAX_CLUSTERS))
    cluster = np.sort(
        np.concatenate([np.arange(clusters), generator.integers(clusters, size=plan.products - clusters)])
    )
    starts = np.searchsorted(cluster, np.arange(clusters + 1))
    weight = generator.lognormal(0, 1.2, plan.products)
    share = weight / np.bincount(cluster, weight)[cluster]
    price = np.clip(
        generator.lognormal(2.6, 0.6, clusters)[cluster] * generator.lognormal(0, 0.4, plan.products), 1, 900
    )
    is_consumable = generator.permutation(clusters) < max(1, round(0.4 * clusters))
    discount = draw_promotions(plan, clusters)
    day_of_year = (plan.dates - plan.dates.astype("datetime64[Y]")).astype(np.int64)
    weekday = (plan.dates.astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday
    phase, height = generator.random(clusters), np.abs(generator.normal(0, SEASON_SPREAD, clusters)).clip(0, 0.8)
    season = 1 + height[:, None] * np.cos(2 * np.pi * (day_of_year[None, :] / 365.25 - phase[:, None]))
    year_end = 1 + 0.5 * np.exp(-(((day_of_year - 340) / 18) ** 2))
    return ShopCatalog(
        cluster=cluster,
        price=np.floor(price) + 0.99,
        share=share,
        quality=generator.standard_normal(plan.products),
        brand=generator.integers(len(BRANDS), size=plan.products),
        noun=generator.integers(len(NOUNS), size=plan.products),
        starts=starts,
        cumulated=np.cumsum(share),
        is_consumable=is_consumable,
        factor=season * (1 + PROMOTION_RESPONSE * discount),
        discount=discount,
        base=WEEKDAYS[weekday] / WEEKDAYS.mean() * year_end,
    )


def draw_promotions(plan: ShopPlan, clusters: int) -> Floats:
    """Return the discount of each cluster and day, shape (g, all days): a week of promotions of some clusters every four weeks."""
    generator = plan.make_generator("promotions")
    discount = np.zeros((clusters, plan.all_days))
    for first in range(14, plan.all_days, PROMOTION_EVERY):
        promoted = generator.random(clusters) < PROMOTED_SHARE
        discount[promoted, first : first + PROMOTION_DAYS] = generator.choice(DISCOUNTS, promoted.sum())[:, None]
    return discount


def format_title(catalog: ShopCatalog, product: int) -> str:
    brand, noun = BRANDS[catalog.brand[product]], NOUNS[catalog.noun[product]]
    return f"{ADJECTIVES[product % len(ADJECTIVES)]} {noun}, {brand} {product}"


def format_category(cluster: int) -> str:
    """Return a category of two levels. Only the second one identifies the cluster, because a department has several clusters."""
    return f"{DEPARTMENTS[cluster % len(DEPARTMENTS)]} > Range {cluster // len(DEPARTMENTS) + 1}"
