"""Customers held out of the models that rank for them: groups, their past, and what they did later.

A random fifth of the customers is held out with all their interactions. A model that has never seen them ranks the
products of their target interactions in one period, from their traits and the category of the first product they
touched in it (which does not count as a hit). Each fifth is held out once, so all customers with traits are evaluated.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from recommendations.engine import KIND_CODES, Interactions, Products
from recommendations.engine.cold_start import CustomerTraits
from recommendations.engine.data.event_weights import EventWeights
from recommendations.engine.linear_algebra.sparse import sum_entries
from recommendations.training.data.time_split import TimeSplit, keep_kinds
from recommendations.training.tuning.model_choice import SEED

FOLDS = 5
EVALUATION_CUSTOMERS = 3000
MAX_FITTED_INTERACTIONS = 500_000  # per evaluated model
MIN_CUSTOMERS = 30  # fewer give no reliable figure


@dataclass(frozen=True, eq=False)
class HeldOutCustomers:
    """Customers evaluated by a model that has not seen them.

    past: interactions of all other customers under the event weights; users: rows of the held-out customers; paths:
    category of the product each began with, first: its row; relevant: CSR (users, items) of their later target
    interactions.
    """

    past: Interactions
    users: npt.NDArray[np.int32]
    paths: list[str]
    first: npt.NDArray[np.int32]
    relevant: csr_array


@dataclass(frozen=True, eq=False)
class CustomerHoldout:
    """Holds customers out. interactions: recorded weights; traits: in the row order of their users."""

    interactions: Interactions
    traits: CustomerTraits
    products: Products
    time_split: TimeSplit
    event_weights: EventWeights

    @cached_property
    def fold_of_user(self) -> npt.NDArray[np.intp]:
        """Return the fold, 0 to FOLDS - 1, in which each user is held out."""
        return np.random.default_rng(SEED).permutation(self.interactions.n_users) % FOLDS

    def hold_out_folds(self, start: float, stop: float, max_customers: int) -> list[HeldOutCustomers]:
        """Return the customers with traits who are active in the period, by fold.

        The model of a fold has not seen them. If too few customers with traits are active, all active customers are
        evaluated.
        """
        past, window = self.interactions.before(start), self.interactions.after(start).before(stop)
        has_traits = self.traits.has_traits()
        active = np.bincount(window.user, minlength=window.n_users) > 0
        has_enough = (active & has_traits).sum() >= MIN_CUSTOMERS
        evaluated = np.flatnonzero(active & has_traits if has_enough else active)
        if len(evaluated) > max_customers:
            evaluated = np.random.default_rng(SEED).choice(evaluated, max_customers, replace=False)
        past, fold_of_user = self.limit_past(past), self.fold_of_user
        return [
            self.hold_out(
                past.select(fold_of_user[past.user] != fold),
                window,
                np.sort(evaluated[fold_of_user[evaluated] == fold]),
            )
            for fold in range(FOLDS)
        ]

    def hold_out_newest(self) -> HeldOutCustomers:
        """Return customers with traits who first appear in the test part: few, but truly new."""
        start = self.time_split.test.train.as_of
        past, window = self.interactions.before(start), self.interactions.after(start)
        has_past = np.bincount(past.user, minlength=past.n_users) > 0
        users = np.unique(window.user[~has_past[window.user]])
        users = users[self.traits.has_traits()[users]]
        if len(users) > EVALUATION_CUSTOMERS:  # rows are sorted by ID, so the first ones came at about the same time
            users = np.sort(np.random.default_rng(SEED).choice(users, EVALUATION_CUSTOMERS, replace=False))
        return self.hold_out(self.limit_past(past), window, users)

    def limit_past(self, past: Interactions) -> Interactions:
        """Return about MAX_FITTED_INTERACTIONS interactions at most: those of whole customers, starting with customers with traits."""
        if len(past) <= MAX_FITTED_INTERACTIONS:
            return past
        shuffled = np.random.default_rng(SEED).permutation(past.n_users)
        # False sorts first and a stable sort keeps the random order among equals.
        shuffled = shuffled[np.argsort(~self.traits.has_traits()[shuffled], kind="stable")]
        counts = np.bincount(past.user, minlength=past.n_users)
        is_kept = np.zeros(past.n_users, np.bool_)
        is_kept[shuffled[: int(np.searchsorted(np.cumsum(counts[shuffled]), MAX_FITTED_INTERACTIONS)) + 1]] = True
        return past.select(is_kept[past.user])

    def hold_out(self, past: Interactions, window: Interactions, users: npt.NDArray[np.integer]) -> HeldOutCustomers:
        """Return the held-out customers with what they did in the window.

        These are the first product and the later target interactions of each.
        """
        row_of_user = np.full(window.n_users, -1, np.int32)
        row_of_user[users] = np.arange(len(users), dtype=np.int32)
        own = window.select(row_of_user[window.user] >= 0)
        own = own.select(np.lexsort((own.order, own.user)))
        is_first = np.append(True, own.user[1:] != own.user[:-1])[: len(own)]  # cut to 0 if there are no interactions
        first = np.full(len(users), -1, np.int32)
        first[row_of_user[own.user[is_first]]] = own.item[is_first]
        targets = keep_kinds(own, [KIND_CODES[self.time_split.target]])
        # The landing category gives the first product away, so it is not counted as a hit.
        later = targets.select(targets.item != first[row_of_user[targets.user]])
        rows = row_of_user[later.user]
        relevant = sum_entries(rows, later.item, np.ones(len(rows)), (len(users), window.n_items))
        return HeldOutCustomers(
            self.event_weights.of(past), users.astype(np.int32), self.get_paths(first), first, relevant
        )

    def get_paths(self, items: npt.NDArray[np.int32]) -> list[str]:
        """Return the category of each item, "" without one."""
        if self.products.category is None or self.products.categories is None:
            return [""] * len(items)
        rows = np.where(items >= 0, self.products.category[items], -1)
        return ["" if row < 0 else self.products.categories.get_id(row) for row in rows.tolist()]


def count_customers(folds: list[HeldOutCustomers]) -> int:
    """Return the number of held-out customers with a relevant item."""
    return sum(int((np.diff(held_out.relevant.indptr) > 0).sum()) for held_out in folds)
