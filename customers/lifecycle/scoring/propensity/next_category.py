"""Predicts the category of a customer's next order.

It uses the customer's own decayed history, shrunk towards the shop's sales.
"""

from dataclasses import dataclass

import numpy as np

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.scoring.propensity.category_kernels import (
    decay_category_counts,
    mean_log_likelihood,
    write_last_order_shares,
    write_next_order_shares,
)
from customers.lifecycle.scoring.propensity.features.event_facts import UNKNOWN, Matrix, OrderLines

MAX_CATEGORIES = 30
HALF_LIVES = (30.0, 90.0, 180.0, 365.0, 3650.0)
PRIORS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
MIN_CUSTOMERS = 50  # customers with a next order
MAX_FIT_CUSTOMERS = 50_000

REASONS = ("selected", "no_categories", "few_next_orders")


@dataclass(frozen=True, eq=False)
class NextCategoryModel:
    """A multinomial with a Dirichlet prior around the shop's category shares π.

    P(c) = (counts_c + κ π_c) / (Σ counts + κ), where κ is the weight `prior` of the prior.
    categories: (m − 1,), the codes with their own column, best-selling first; the last column is all others combined.
    popularity: π, (m,). half_life_days, prior: selected on held-out orders, or defaults where `reason` says there were too few.
    """

    categories: Ints
    popularity: Floats
    half_life_days: float
    prior: float
    reason: str

    def score(self, *, orders: OrderLines, as_of: int, rows: Ints | None = None) -> Matrix:
        """Return the probability that a line of the next order is of each category, (n, m).

        It is float32; rows add up to 1.
        Customers without a history get the shop's. An order counts once, spread over its lines' categories.
        """
        rows = np.arange(orders.n_customers) if rows is None else rows
        counts = _count_categories(orders, rows, as_of, self.half_life_days, self._index_columns(orders.n_categories))
        counts += (self.prior * self.popularity).astype(np.float32)
        counts /= counts.sum(axis=1, keepdims=True)
        return counts

    def _index_columns(self, n_categories: int) -> Ints:
        """Return the column of each category."""
        return _index_columns(self.categories, n_categories)


@dataclass(frozen=True)
class NextCategoryMetrics:
    """Metrics over customers whose next order is known.

    hit_1, hit_3: share of its lines in the most likely category or the three most likely ones. log_likelihood: mean; None without
    probabilities.
    """

    customers: int
    hit_1: float
    hit_3: float
    log_likelihood: float | None


def fit_next_category(
    *, orders: OrderLines, cutoff: int, as_of: int, seed: int, max_categories: int = MAX_CATEGORIES
) -> NextCategoryModel | str:
    """Select half-life and prior weight by likelihood.

    It is that of each customer's first order in [cutoff, as_of), from earlier orders.
    cutoff, as_of: microseconds. On up to 50,000 customers, drawn by the seed. With fewer than 50 the prior is 5 orders and the half-life
    180 days. Without any category before as_of the result is the reason "no_categories".
    Source: Gelman et al., Bayesian Data Analysis, 2013, 3.4.
    """
    if orders.category is None or not orders.n_categories:
        return "no_categories"
    sold = np.bincount(
        orders.category[(orders.at < as_of) & ~orders.is_return & (orders.category != UNKNOWN)],
        minlength=orders.n_categories,
    )
    if not sold.any():
        return "no_categories"
    categories = np.argsort(-sold, kind="stable")[: min(max_categories, int((sold > 0).sum()))]
    column_of = _index_columns(categories, orders.n_categories)
    rows, actual = _find_next_orders(orders, cutoff, as_of, column_of, seed)
    popularity = _compute_popularity(
        _count_categories(orders, np.arange(orders.n_customers), as_of, HALF_LIVES[1], column_of)
    )
    if len(rows) < MIN_CUSTOMERS:
        return NextCategoryModel(categories, popularity, 180.0, 5.0, "few_next_orders")
    best = (-np.inf, HALF_LIVES[0], PRIORS[0])
    for half_life in HALF_LIVES:
        counts = _count_categories(orders, rows, cutoff, half_life, column_of)
        popularity_before = _compute_popularity(counts)
        for prior in PRIORS:
            best = max(best, (mean_log_likelihood(counts, actual, popularity_before, prior), half_life, prior))
    return NextCategoryModel(categories, popularity, best[1], best[2], "selected")


def evaluate_next_category(
    *, model: NextCategoryModel, orders: OrderLines, as_of: int, until: int
) -> dict[str, NextCategoryMetrics]:
    """Evaluate the model and two baselines on [as_of, until).

    They are the last order's category (`last`) and the best-selling one (`popularity`).
    The actual values are each customer's first order in it. Empty without orders.
    """
    column_of = _index_columns(model.categories, orders.n_categories)
    rows, actual = _find_next_orders(orders, as_of, until, column_of, seed=0, max_customers=orders.n_customers)
    if not len(rows):
        return {}
    last_shares = np.zeros_like(actual)
    write_last_order_shares(
        rows, orders.start, orders.at, _require_category(orders), orders.is_return, column_of, as_of, last_shares
    )
    # A tiny share of the popularity breaks the ties of the categories that are not in the last order.
    shop = np.broadcast_to(model.popularity.astype(np.float32), actual.shape)
    own = model.score(orders=orders, as_of=as_of, rows=rows)
    return {
        "history": _compute_metrics(own, actual, has_likelihood=True),
        "last": _compute_metrics(last_shares + np.float32(1e-6) * shop, actual, has_likelihood=False),
        "popularity": _compute_metrics(shop, actual, has_likelihood=True),
    }


def _compute_metrics(score: Matrix, actual: Matrix, *, has_likelihood: bool) -> NextCategoryMetrics:
    """Compute the metrics of scores; has_likelihood: whether they are probabilities."""
    order = np.argsort(-score, axis=1, kind="stable")
    ranked = np.take_along_axis(actual, order, axis=1)
    is_actual = actual > 0
    logs = np.log(np.maximum(score, 1e-12))
    return NextCategoryMetrics(
        customers=len(score),
        hit_1=float(ranked[:, 0].mean()),
        hit_3=float(ranked[:, :3].sum(axis=1).mean()),
        log_likelihood=float((actual * np.where(is_actual, logs, 0.0)).sum(axis=1).mean()) if has_likelihood else None,
    )


def _find_next_orders(
    orders: OrderLines, begin: int, end: int, column_of: Ints, seed: int, max_customers: int = MAX_FIT_CUSTOMERS
) -> tuple[Ints, Matrix]:
    """Return the customers with a history and an order, and that order's category shares.

    The history is before `begin`, the order in [begin, end).
    """
    customer = orders.get_line_customers()
    is_known_line = ~orders.is_return & (_require_category(orders) != UNKNOWN)
    before = np.bincount(customer[is_known_line & (orders.at < begin)], minlength=orders.n_customers) > 0
    after = (
        np.bincount(customer[is_known_line & (orders.at >= begin) & (orders.at < end)], minlength=orders.n_customers)
        > 0
    )
    rows = np.flatnonzero(before & after)
    if len(rows) > max_customers:
        rows = np.sort(np.random.default_rng(seed).choice(rows, max_customers, replace=False))
    actual = np.zeros((len(rows), int(column_of.max()) + 1), np.float32)
    write_next_order_shares(
        rows, orders.start, orders.at, _require_category(orders), orders.is_return, column_of, begin, end, actual
    )
    return rows, actual


def _count_categories(orders: OrderLines, rows: Ints, as_of: int, half_life: float, column_of: Ints) -> Matrix:
    """Return decayed counts of orders by column."""
    out = np.zeros((len(rows), int(column_of.max()) + 1), np.float32)
    decay_category_counts(
        rows, orders.start, orders.at, _require_category(orders), orders.is_return, column_of, as_of, half_life, out
    )
    return out


def _compute_popularity(counts: Matrix) -> Floats:
    """Return the share of each column, half an order added so that none is 0."""
    total = counts.sum(axis=0, dtype=np.float64) + 0.5
    popularity: Floats = total / total.sum()
    return popularity


def _index_columns(categories: Ints, n_categories: int) -> Ints:
    """Return the column of each category.

    The last one, possibly empty, for those without their own.
    """
    column_of = np.full(n_categories + 1, len(categories))
    column_of[categories] = np.arange(len(categories))
    return column_of


def _require_category(orders: OrderLines) -> Ints:
    """Return the categories. Errors: ValueError where they are unknown."""
    if orders.category is None:
        raise ValueError("orders.category must not be None; next categories need the category of each line")
    return orders.category
