"""Provides the purchase model's probability of a target as a column.

The model is fitted to the same facts as the features.
"""

from collections.abc import Sequence

import numpy as np

from config.foundation.array_types import Flags, Floats, Ints
from customers.lifecycle.scoring.clv.fitting import PurchaseModel, PurchaseModelFit, fit_purchase_model
from customers.lifecycle.scoring.clv.prediction.purchase_probability import predict_purchase_probability
from customers.lifecycle.scoring.clv.purchase_histories import PurchaseHistories, group_histories, summarize_purchases
from customers.lifecycle.scoring.propensity.features.event_facts import OrderLines
from customers.lifecycle.scoring.propensity.features.features import FeatureMatrix, measure_features, measure_shop_gap
from customers.lifecycle.scoring.propensity.features.labels import PropensityTarget, find_eligible_customers

PURCHASE_MODEL_COLUMN = "purchase_probability"
MAX_FIT_CUSTOMERS = 10_000
INELIGIBLE_PROBABILITY = 0.5  # of customers without an order by the moment, to whom no target applies


class CustomerSnapshot:
    """Customers as they were at a moment (microseconds).

    The purchase model is fitted to the facts before it.
    fit: of the purchase model, in days. shop_gap_days: as for `measure_features`.
    """

    def __init__(
        self, *, orders: OrderLines, as_of: int, fit: PurchaseModelFit, shop_gap_days: float | None = None
    ) -> None:
        self.orders, self.as_of, self.fit = orders, as_of, fit
        self._purchases = summarize_purchases_before(orders, as_of)
        self._groups = group_histories(histories=self._purchases)
        self.shop_gap_days = (
            measure_shop_gap(orders=orders, as_of=as_of) if shop_gap_days is None else float(shop_gap_days)
        )
        self._predictions: dict[PropensityTarget, Floats] = {}
        self._eligible: dict[PropensityTarget, Flags] = {}

    @property
    def buyers(self) -> Ints:
        """Return the rows of the customers who have ordered, ascending."""
        return self._purchases.customer

    def predict_with_purchase_model(self, target: PropensityTarget) -> Floats | None:
        """Return the purchase model's probability of the target, shape (n_customers,).

        For churn it is the probability of no order. None without a model.
        """
        if self.fit.model is None:
            return None
        if target not in self._predictions:
            self._predictions[target] = self._predict(self.fit.require_model(self._groups), target)
        return self._predictions[target]

    def _predict(self, model: PurchaseModel, target: PropensityTarget) -> Floats:
        """Compute the probability of the target."""
        horizon = target.horizon_days / self._groups.unit_days
        purchase_probability = predict_purchase_probability(model=model, groups=self._groups, horizon=horizon)[
            self._groups.row
        ]
        probabilities = np.full(self.orders.n_customers, INELIGIBLE_PROBABILITY)
        probabilities[self.buyers] = 1.0 - purchase_probability if target.kind == "churn" else purchase_probability
        return probabilities

    def is_eligible(self, target: PropensityTarget) -> Flags:
        """Return whether the target applies to each customer, shape (n_customers,)."""
        if target not in self._eligible:
            eligible = np.zeros(self.orders.n_customers, np.bool_)
            eligible[find_eligible_customers(orders=self.orders, target=target, as_of=self.as_of)] = True
            self._eligible[target] = eligible
        return self._eligible[target]

    def measure_features(self, rows: Ints) -> FeatureMatrix:
        """Measure the features of these customers, without the purchase model's column."""
        return measure_features(orders=self.orders, as_of=self.as_of, rows=rows, shop_gap_days=self.shop_gap_days)


class PurchaseModelColumns:
    """A purchase model's probabilities at past moments.

    It is fitted before each of them to up to 10,000 of the customers.
    cutoffs: all moments that will be requested; the search for the parameters continues from one to the next.
    """

    def __init__(self, *, orders: OrderLines, name: str, cutoffs: Sequence[int]) -> None:
        n = orders.n_customers
        fit_orders = orders.select_customers(
            np.unique(np.linspace(0, max(n - 1, 0), min(n, MAX_FIT_CUSTOMERS)).astype(np.int64))
        )
        self._snapshots: dict[int, CustomerSnapshot] = {}
        fit: PurchaseModelFit | None = None
        for cutoff in sorted(set(cutoffs)):
            groups = group_histories(histories=summarize_purchases_before(fit_orders, cutoff))
            fit = fit_purchase_model(name=name, groups=groups, start=fit.model if fit else None)
            self._snapshots[cutoff] = CustomerSnapshot(orders=orders, as_of=cutoff, fit=fit)

    def is_available(self, cutoffs: Sequence[int]) -> bool:
        """Return whether a model was fitted at all of the cutoffs."""
        return all(self._snapshots[cutoff].fit.model is not None for cutoff in cutoffs)

    def predict(self, *, as_of: int, target: PropensityTarget) -> Floats:
        """Return the probabilities, shape (n_customers,). Errors: ValueError without a model."""
        snapshot = self._snapshots[as_of]
        probabilities = snapshot.predict_with_purchase_model(target)
        if probabilities is None:
            raise ValueError(f"No purchase model as of {as_of}: {snapshot.fit.reason}")
        return probabilities


def summarize_purchases_before(orders: OrderLines, as_of: int) -> PurchaseHistories:
    """Summarize the purchase histories before a moment, returns excluded."""
    is_order = ~orders.is_return
    return summarize_purchases(
        customer=orders.get_line_customers()[is_order],
        at=orders.at[is_order],
        value=orders.value[is_order],
        as_of=as_of,
        clock=orders.clock,
    )
