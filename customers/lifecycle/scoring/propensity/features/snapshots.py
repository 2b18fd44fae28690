"""What the buying process says of a target, as a column beside the features: by a process that knew no more than they do."""

from collections.abc import Sequence

import numpy as np

from config.foundation.array_types import Flags, Floats, Ints
from customers.lifecycle.scoring.clv import (
    Fit,
    Histories,
    Model,
    fit_process,
    group_histories,
    purchase_chance,
    summarise_purchases,
)
from customers.lifecycle.scoring.propensity.features.event_facts import Orders
from customers.lifecycle.scoring.propensity.features.features import Features, measure_features, measure_shop_gap
from customers.lifecycle.scoring.propensity.features.labels import Target, eligible

GIVEN = "buying_probability"
FITTED_CUSTOMERS = 10_000
NOT_ASKED = 0.5  # of whoever hasn't ordered by the moment, whom no target speaks about


class Snapshot:
    """Customers as they were at a moment (microseconds), seen by a buying process that was fitted to what was before it.

    fit: of the process, in days. shop_gap_days: as for `measure_features`.
    """

    def __init__(self, *, orders: Orders, as_of: int, fit: Fit, shop_gap_days: float | None = None) -> None:
        self.orders, self.as_of, self.fit = orders, as_of, fit
        self._purchases = purchases_before(orders, as_of)
        self._groups = group_histories(histories=self._purchases)
        self.shop_gap_days = (
            measure_shop_gap(orders=orders, as_of=as_of) if shop_gap_days is None else float(shop_gap_days)
        )
        self._chances: dict[Target, Floats] = {}
        self._spoken_of: dict[Target, Flags] = {}

    @property
    def buyers(self) -> Ints:
        """The rows of those who have ordered, ascending."""
        return self._purchases.customer

    def chance(self, target: Target) -> Floats | None:
        """The process' probability that the target comes true (for churn: of no order), shape (n_customers,); None without one."""
        if self.fit.model is None:
            return None
        if target not in self._chances:
            self._chances[target] = self._chance(self.fit.model_for(self._groups), target)
        return self._chances[target]

    def _chance(self, model: Model, target: Target) -> Floats:
        horizon = target.horizon_days / self._groups.unit_days
        buys = purchase_chance(model=model, groups=self._groups, horizon=horizon)[self._groups.row]
        column = np.full(self.orders.n_customers, NOT_ASKED)
        column[self.buyers] = 1.0 - buys if target.kind == "churn" else buys
        return column

    def is_about(self, target: Target) -> Flags:
        """Whether the target speaks about each customer, shape (n_customers,)."""
        if target not in self._spoken_of:
            found = np.zeros(self.orders.n_customers, np.bool_)
            found[eligible(orders=self.orders, target=target, as_of=self.as_of)] = True
            self._spoken_of[target] = found
        return self._spoken_of[target]

    def features(self, rows: Ints) -> Features:
        """Of these customers, without what the process says."""
        return measure_features(orders=self.orders, as_of=self.as_of, rows=rows, shop_gap_days=self.shop_gap_days)


class BuyingColumns:
    """What a process says of any target at past moments, fitted to what was before each of them by up to 10,000 of the customers.

    cuts: all moments that will be asked for; the search for the parameters goes from one to the next.
    """

    def __init__(self, *, orders: Orders, name: str, cuts: Sequence[int]) -> None:
        n = orders.n_customers
        fitted_to = orders.taken(np.unique(np.linspace(0, max(n - 1, 0), min(n, FITTED_CUSTOMERS)).astype(np.int64)))
        self._snapshots: dict[int, Snapshot] = {}
        fit: Fit | None = None
        for cut in sorted(set(cuts)):
            groups = group_histories(histories=purchases_before(fitted_to, cut))
            fit = fit_process(name=name, groups=groups, start=fit.model if fit else None)
            self._snapshots[cut] = Snapshot(orders=orders, as_of=cut, fit=fit)

    def known(self, cuts: Sequence[int]) -> bool:
        """Whether the process can be had at all of them."""
        return all(self._snapshots[cut].fit.model is not None for cut in cuts)

    def column(self, *, as_of: int, target: Target) -> Floats:
        """Shape (n_customers,). Errors: ValueError where the process can't be had."""
        snapshot = self._snapshots[as_of]
        found = snapshot.chance(target)
        if found is None:
            raise ValueError(f"there is no buying process as of {as_of}: {snapshot.fit.reason}")
        return found


def purchases_before(orders: Orders, as_of: int) -> Histories:
    bought = ~orders.is_return
    return summarise_purchases(
        customer=orders.customer()[bought], at=orders.at[bought], value=orders.value[bought], as_of=as_of
    )
