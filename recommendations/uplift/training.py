"""Learns from past actions which customers a message influences, and measures this on customers who were set aside."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from config.foundation.array_types import Floats
from recommendations.measurement.statistics.multiple_comparisons import compute_simultaneous_level
from recommendations.measurement.statistics.uplift.cross_fitting import TrainingRows
from recommendations.measurement.statistics.uplift.group_effects import measure_group_effect
from recommendations.measurement.statistics.uplift.outcome_models import Predictor
from recommendations.measurement.statistics.uplift.qini import (
    bootstrap_qini,
    compute_auuc,
    compute_qini_curve,
    compute_uplift_at,
)
from recommendations.measurement.statistics.uplift.selection import ChosenLearner, fit_and_choose
from recommendations.uplift.past_customers import PastCustomers

MIN_CUSTOMERS = 500  # in each group
MIN_ORDERS = 50  # customers with an order in each group: with fewer, an interval is wider than any effect of a message
GROUPS = 5
LEVEL = 0.95  # of the intervals of all groups together
DIGITS = 9  # of predictions, for the groups
TEST_PARTS = 5  # two of them are set aside
CURVE_POINTS = 40
DRAWS = 100
MAX_DRAWN_ROWS = 20_000


@dataclass(frozen=True)
class Evidence:
    """How much there is to learn from. ordered, held_out_ordered: customers with an order in the window."""

    actions: int
    treated: int
    held_out: int
    ordered: int
    held_out_ordered: int

    @property
    def problem(self) -> str:
        """A code of `action_texts.describe_problem`, or "" if it is enough."""
        if not self.actions:
            return "no_actions"
        if min(self.treated, self.held_out) < MIN_CUSTOMERS:
            return "few_customers"
        if min(self.ordered, self.held_out_ordered) < MIN_ORDERS:
            return "few_orders"
        return ""


@dataclass(frozen=True)
class EffectGroup:
    """A fifth of the customers set aside, by predicted effect: their number, mean prediction, and measured effect."""

    customers: int
    predicted: float
    effect: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class EffectModel:
    """Predicts the effect of an action on the probability of an order.

    thresholds: the predictions between the groups, (GROUPS − 1,), ascending. groups: from the lowest prediction.
    """

    learner: Predictor
    thresholds: Floats
    groups: Sequence[EffectGroup]
    figures: dict[str, Any]

    def predict(self, matrix: Floats) -> tuple[Floats, Floats, Floats]:
        """Return the effect of each row, and the interval measured on its group.

        A prediction outside the interval contradicts what was measured on similar customers, so the measured effect replaces it.
        """
        predicted = self.learner.predict(matrix)
        group = np.searchsorted(self.thresholds, predicted, side="right")
        measured, low, high = np.array([(entry.effect, entry.low, entry.high) for entry in self.groups])[group].T
        return np.where((predicted < low) | (predicted > high), measured, predicted), low, high


def count_evidence(customers: PastCustomers) -> Evidence:
    treated, ordered = customers.treated, customers.ordered > 0
    return Evidence(
        actions=len(np.unique(customers.action)),
        treated=int(treated.sum()),
        held_out=int((~treated).sum()),
        ordered=int((treated & ordered).sum()),
        held_out_ordered=int((~treated & ordered).sum()),
    )


def train_model(customers: PastCustomers, *, seed: int = 1) -> EffectModel:
    """Fit the learners on three fifths of the customers and measure them on the others.

    A customer of several actions is in one part only, so that no model predicts a customer it was trained on.
    """
    rows = to_training_rows(customers)
    is_known = rows.draw_folds(TEST_PARTS, seed=seed) >= 2
    known, aside = rows.select(is_known), rows.select(~is_known)
    chosen = fit_and_choose(known)
    learner = chosen.learners[chosen.best]
    known_effect = learner.predict(known.matrix)
    thresholds = find_thresholds(known_effect)
    effect = learner.predict(aside.matrix)
    groups = measure_groups(aside, chosen, effect, thresholds)
    return EffectModel(learner, thresholds, groups, measure_figures(aside, chosen, effect))


def find_thresholds(effect: Floats) -> Floats:
    """Return the limits between the groups, ascending; customers with the same prediction are in one group.

    Each is halfway between two predictions: later predictions lie between those of the past, and belong to the group of the nearer one.
    """
    rounded = effect.round(DIGITS)  # the same customer is predicted slightly differently in another matrix
    values = np.unique(rounded)
    place = np.unique(np.searchsorted(values, np.quantile(rounded, np.arange(1, GROUPS) / GROUPS)))
    place = place[place > 0]
    limits: Floats = (values[place - 1] + values[place]) / 2
    return limits


def to_training_rows(customers: PastCustomers) -> TrainingRows:
    return TrainingRows(
        customers.matrix, customers.treated, customers.ordered, customers.propensity, customers.customer
    )


def measure_groups(rows: TrainingRows, chosen: ChosenLearner, effect: Floats, thresholds: Floats) -> list[EffectGroup]:
    """Return the measured effect of each group, by the mean of the doubly robust effects of its customers.

    The groups are read together: a campaign is sent to those with a positive effect. So all intervals are valid simultaneously with 95%.
    """
    treated = chosen.outcomes.treated_model.predict(rows.matrix)
    control = chosen.outcomes.control_model.predict(rows.matrix)
    number = np.searchsorted(thresholds, effect, side="right")
    level = compute_simultaneous_level(LEVEL, len(thresholds) + 1)
    groups = []
    for index in range(len(thresholds) + 1):
        inside = number == index
        interval = measure_group_effect(
            rows.select(inside), treated=treated[inside], control=control[inside], level=level
        )
        predicted = float(effect[inside].mean()) if inside.any() else 0.0
        groups.append(EffectGroup(int(inside.sum()), predicted, interval.value, interval.low, interval.high))
    return groups


def measure_figures(rows: TrainingRows, chosen: ChosenLearner, effect: Floats) -> dict[str, Any]:
    """Return the Qini curve of the chosen learner, and the figures of all learners, on the customers set aside."""
    propensity = rows.propensity  # campaigns differ in their holdout shares and in how much their customers order
    curve = compute_qini_curve(rows.treated, rows.outcome, effect, propensity)
    points = np.unique(np.linspace(0, len(curve.count) - 1, CURVE_POINTS).astype(np.int64))
    learners = {}
    for name, learner in chosen.learners.items():
        score = learner.predict(rows.matrix)
        test = rows.treated, rows.outcome, score, propensity
        qini = bootstrap_qini(*test, seed=7, person=rows.person, draws=choose_draws(len(rows)))
        learners[name] = {
            "qini": to_json(qini.value),
            "low": to_json(qini.low),
            "high": to_json(qini.high),
            "auuc": to_json(compute_auuc(*test)),
            "uplift_30": to_json(compute_uplift_at(*test)),
        }
    treated = int(rows.treated.sum())
    return {
        "learner": chosen.best,
        "learners": learners,
        "customers": len(rows),
        "treated": treated,
        "curve": {
            "share": [round(float(value), 4) for value in curve.count[points] / max(len(rows), 1)],
            "orders": [round(float(value), 2) for value in curve.gain[points]],
        },
    }


def choose_draws(rows: int) -> int:
    return DRAWS if rows <= MAX_DRAWN_ROWS else max(DRAWS * MAX_DRAWN_ROWS // rows, 50)


def to_json(value: float) -> float | None:
    return round(value, 6) if np.isfinite(value) else None
