"""Which category a customer's next order will be of: their own history with decay, pulled to what the shop sells."""

from dataclasses import dataclass

import numpy as np

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.scoring.propensity.category_kernels import (
    count_categories,
    last_order,
    log_likelihood,
    next_order,
)
from customers.lifecycle.scoring.propensity.features.event_facts import UNKNOWN, Matrix, Orders

MOST_CATEGORIES = 30
HALF_LIVES = (30.0, 90.0, 180.0, 365.0, 3650.0)
PRIORS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
FEWEST = 50  # customers with a next order to choose by
CUSTOMERS_TO_CHOOSE_BY = 50_000

REASONS = ("chosen", "no_categories", "few_next_orders")


@dataclass(frozen=True, eq=False)
class NextCategory:
    """P(c) = (counts_c + κ π_c) / (Σ counts + κ): a multinomial with a Dirichlet prior of weight κ `prior` around the shop's π.

    categories: (m − 1,), the codes with a column of their own, most sold first; the last column is all others together.
    popularity: π, (m,). half_life_days, prior: chosen on held-out orders, or the defaults where `reason` says they were too few.
    """

    categories: Ints
    popularity: Floats
    half_life_days: float
    prior: float
    reason: str

    def score(self, *, orders: Orders, as_of: int, rows: Ints | None = None) -> Matrix:
        """Probabilities that a line of the next order is of each category, (n, m) float32, each row adding up to 1.

        Whoever has no history gets the shop's. Orders with many lines count once, spread over their categories.
        """
        rows = np.arange(orders.n_customers) if rows is None else rows
        counts = _counts(orders, rows, as_of, self.half_life_days, self._place(orders.n_categories))
        counts += (self.prior * self.popularity).astype(np.float32)
        counts /= counts.sum(axis=1, keepdims=True)
        return counts

    def _place(self, n_categories: int) -> Ints:
        return _place(self.categories, n_categories)


@dataclass(frozen=True)
class CategoryQuality:
    """Of the customers whose next order is known: the share of its lines in the category held most likely (hit@1), in the three
    most likely (hit@3), and the mean log-likelihood; None for what gives no probabilities."""

    customers: int
    hit_1: float
    hit_3: float
    log_likelihood: float | None


def learn_next_category(
    *, orders: Orders, cut: int, as_of: int, seed: int, most: int = MOST_CATEGORIES
) -> NextCategory | str:
    """Chooses half-life and prior weight by the likelihood of each customer's first order in [cut, as_of), from what was before.

    cut, as_of: microseconds. Up to 50,000 customers, drawn by the seed, choose. With fewer than 50 the prior is 5 orders and
    the half-life 180 days. Without any category before the cut the answer is the reason "no_categories".
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
    categories = np.argsort(-sold, kind="stable")[: min(most, int((sold > 0).sum()))]
    place = _place(categories, orders.n_categories)
    rows, happened = _with_next(orders, cut, as_of, place, seed)
    popularity = _popularity(_counts(orders, np.arange(orders.n_customers), as_of, HALF_LIVES[1], place))
    if len(rows) < FEWEST:
        return NextCategory(categories, popularity, 180.0, 5.0, "few_next_orders")
    best = (-np.inf, HALF_LIVES[0], PRIORS[0])
    for half_life in HALF_LIVES:
        counts = _counts(orders, rows, cut, half_life, place)
        shop = _popularity(counts)
        for prior in PRIORS:
            best = max(best, (log_likelihood(counts, happened, shop, prior), half_life, prior))
    return NextCategory(categories, popularity, best[1], best[2], "chosen")


def judge_next_category(*, model: NextCategory, orders: Orders, as_of: int, until: int) -> dict[str, CategoryQuality]:
    """The model, the category of the last order (`last`) and the shop's most sold (`popularity`) against the first order in
    [as_of, until). Empty where nobody ordered."""
    place = _place(model.categories, orders.n_categories)
    rows, happened = _with_next(orders, as_of, until, place, seed=0, most=orders.n_customers)
    if not len(rows):
        return {}
    latest = np.zeros_like(happened)
    last_order(rows, orders.start, orders.at, _category(orders), orders.is_return, place, as_of, latest)
    shop = np.broadcast_to(model.popularity.astype(np.float32), happened.shape)
    own = model.score(orders=orders, as_of=as_of, rows=rows)
    return {
        "history": _quality(own, happened, likely=True),
        "last": _quality(latest + np.float32(1e-6) * shop, happened, likely=False),
        "popularity": _quality(shop, happened, likely=True),
    }


def _quality(score: Matrix, happened: Matrix, *, likely: bool) -> CategoryQuality:
    order = np.argsort(-score, axis=1, kind="stable")
    ranked = np.take_along_axis(happened, order, axis=1)
    with_all = happened > 0
    logs = np.log(np.maximum(score, 1e-12))
    return CategoryQuality(
        customers=len(score),
        hit_1=float(ranked[:, 0].mean()),
        hit_3=float(ranked[:, :3].sum(axis=1).mean()),
        log_likelihood=float((happened * np.where(with_all, logs, 0.0)).sum(axis=1).mean()) if likely else None,
    )


def _with_next(
    orders: Orders, begin: int, end: int, place: Ints, seed: int, most: int = CUSTOMERS_TO_CHOOSE_BY
) -> tuple[Ints, Matrix]:
    """The customers with a history before `begin` and an order in [begin, end), and that order's shares of categories."""
    customer = orders.customer()
    usable = ~orders.is_return & (_category(orders) != UNKNOWN)
    before = np.bincount(customer[usable & (orders.at < begin)], minlength=orders.n_customers) > 0
    after = np.bincount(customer[usable & (orders.at >= begin) & (orders.at < end)], minlength=orders.n_customers) > 0
    rows = np.flatnonzero(before & after)
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
    happened = np.zeros((len(rows), int(place.max()) + 1), np.float32)
    next_order(rows, orders.start, orders.at, _category(orders), orders.is_return, place, begin, end, happened)
    return rows, happened


def _counts(orders: Orders, rows: Ints, as_of: int, half_life: float, place: Ints) -> Matrix:
    out = np.zeros((len(rows), int(place.max()) + 1), np.float32)
    count_categories(rows, orders.start, orders.at, _category(orders), orders.is_return, place, as_of, half_life, out)
    return out


def _popularity(counts: Matrix) -> Floats:
    """Share of each column, half an order added so that none is 0."""
    total = counts.sum(axis=0, dtype=np.float64) + 0.5
    found: Floats = total / total.sum()
    return found


def _place(categories: Ints, n_categories: int) -> Ints:
    """The column of each category; the last one for those without their own. Always m columns, so the last may stay empty."""
    place = np.full(n_categories + 1, len(categories))
    place[categories] = np.arange(len(categories))
    return place


def _category(orders: Orders) -> Ints:
    if orders.category is None:
        raise ValueError("orders.category is None; next categories need the category of each line")
    return orders.category
