"""Simulated shops with a known truth, for the benchmark of anomalies and its test."""

from dataclasses import dataclass, replace

import numpy as np

from config.foundation.array_types import Floats, Ints
from customers.anomalies.detection.detector import evaluate_days
from customers.anomalies.detection.series import MetricPanel

METRICS = (
    "revenue",
    "orders",
    "order_value",
    "visitors",
    "conversion",
    "cart_rate",
    "new_customers",
    "returns",
    "rating",
)
WEEK = np.array([0.95, 0.9, 0.95, 1.0, 1.1, 1.2, 0.9])
LEVEL, RATE_DRIFT = 0.002, 0.15
YEAR = 365
JUDGED = range(270, 360)
DROP_DAYS = (280, 301, 322, 343)


@dataclass(frozen=True)
class SimulatedShops:
    """Shops as the metrics of one panel, shop after shop. orders: per day at the start. drop: share of customers lost on `days`."""

    orders: Floats
    days: int
    overdispersion: float = 0.12

    @property
    def n_shops(self) -> int:
        return len(self.orders)


def simulate(shops: SimulatedShops, seed: int, *, drop: float = 0.0, drop_days: tuple[int, ...] = ()) -> MetricPanel:
    """Return nine metrics of each shop.

    Visitors have weekdays, a random walk of the level, a yearly growth of up to 50%, and days that vary by `overdispersion`
    (gamma); conversion and the other rates drift. Order values are log-normal; some are much larger. drop: the share of
    orders that is missing on the days of the drop.
    """
    random = np.random.default_rng(seed)
    n, days = shops.n_shops, shops.days
    growth = np.exp(np.outer(random.uniform(0, 0.4, n), np.arange(days) / 365))
    walk = np.exp(LEVEL * random.standard_normal((n, days)).cumsum(axis=1))
    noise = random.gamma(1 / shops.overdispersion**2, shops.overdispersion**2, (n, days))
    week = WEEK ** random.uniform(0.3, 2, (n, 1))
    mean = shops.orders[:, None] / 0.03 * growth * walk * noise * week[:, np.arange(days) % 7]
    visitors = random.poisson(mean)
    drift = np.exp(RATE_DRIFT * np.sin(np.arange(days) / 60 + random.uniform(0, 6, (n, 1))))
    factor = np.ones(days)
    factor[list(drop_days)] = 1 - drop
    orders = random.binomial(visitors, np.clip(0.03 * drift * factor, 0, 1))
    value = random.lognormal(4, 0.7, (n, days))  # the mean of orders of a day, with their number
    revenue = np.where(orders > 0, draw_revenue(random, orders), 0) + 0 * value
    ratings = random.binomial(orders, 0.3)
    rating_sum = ratings + random.binomial(4 * ratings, 0.8)
    totals = [
        (revenue, None), (orders, None), (revenue, orders), (visitors, None), (orders, visitors),
        (random.binomial(visitors, np.clip(0.1 * drift, 0, 1)), visitors), (random.binomial(orders, 0.4), None),
        (random.poisson(0.05 * np.roll(orders, 5, axis=1)), None), (rating_sum, ratings),
    ]  # fmt: skip
    ones = np.ones((n, days))
    total = np.stack([part[0] for part in totals], axis=1).reshape(-1, days).astype(np.float64)
    exposure = np.stack([ones if part[1] is None else part[1] for part in totals], axis=1).reshape(-1, days)
    is_count = np.array([name not in ("revenue", "order_value", "rating") for name in METRICS])
    is_summed = np.array([name in ("revenue", "orders", "visitors", "new_customers") for name in METRICS])
    return MetricPanel(
        total,
        exposure.astype(np.float64),
        np.tile(is_count, n),
        np.tile(is_summed, n),
        np.arange(days) % 7,
        np.zeros(days, bool),
        np.zeros(total.shape, bool),
    )


def draw_revenue(random: np.random.Generator, orders: Ints) -> Floats:
    """Return the sum of log-normal order values (σ .8) for each number of orders."""
    counts = np.asarray(orders, np.int64).ravel()
    values = random.lognormal(4, 0.8, int(counts.sum()))
    day = np.repeat(np.arange(len(counts)), counts)
    return np.bincount(day, values, len(counts)).reshape(np.shape(orders))


def select_shop(panel: MetricPanel, shop: int) -> MetricPanel:
    """Return the metrics of one shop."""
    rows = slice(shop * len(METRICS), (shop + 1) * len(METRICS))
    return replace(
        panel,
        total=panel.total[rows],
        exposure=panel.exposure[rows],
        is_count=panel.is_count[rows],
        is_summed=panel.is_summed[rows],
        is_excluded=panel.is_excluded[rows],
    )


def measure_shops(*, orders: float, shops: int, seed: int) -> dict[str, float]:
    """Return the false alarms per shop and month, the days with one, and the share of planted drops that is found.

    A drop lasts one day and is found if revenue, orders or the conversion rate is an anomaly on it.
    """
    made = SimulatedShops(np.full(shops, float(orders)), YEAR)
    quiet = simulate(made, seed)
    results = [evaluate_days(select_shop(quiet, shop), JUDGED) for shop in range(shops)]
    months = shops * len(JUDGED) / 30
    figures = {
        "alarms_per_month": sum(int(result.is_anomaly.sum()) for result in results) / months,
        "alarm_days_per_month": sum(int(result.is_anomaly.any(axis=0).sum()) for result in results) / months,
    }
    rows = [METRICS.index(name) for name in ("revenue", "orders", "conversion")]
    for drop in (0.3, 0.5):
        panel = simulate(made, seed + 1, drop=drop, drop_days=DROP_DAYS)
        hits = [
            evaluate_days(select_shop(panel, shop), DROP_DAYS).is_anomaly[rows].any(axis=0) for shop in range(shops)
        ]
        figures[f"found_{drop * 100:.0f}"] = float(np.mean(hits))
    return {name: round(value, 3) for name, value in figures.items()}
