"""Loading, prediction and deletion of the stored propensity models."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

import numpy as np

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.clv.backtest import BACKTEST_AGES
from customers.lifecycle.facts.histories import to_microseconds
from customers.lifecycle.models import LifecycleRun, ScoreModel
from customers.lifecycle.scoring.clv.fitting import deserialize_fit
from customers.lifecycle.scoring.propensity.features.event_facts import UNKNOWN, Matrix, OrderLines
from customers.lifecycle.scoring.propensity.features.labels import PURCHASE_DAYS, PropensityTarget
from customers.lifecycle.scoring.propensity.features.snapshots import CustomerSnapshot
from customers.lifecycle.scoring.propensity.models.horizon_monotonicity import reconcile_horizons
from customers.lifecycle.scoring.propensity.models.serialization import deserialize_arrays
from customers.lifecycle.scoring.propensity.training import PropensityModel
from customers.lifecycle.scoring.stages.derivation import OrderHistories

PROPENSITY_KINDS = (ScoreModel.Kind.CHURN, *(ScoreModel.Kind(f"purchase_{days}") for days in PURCHASE_DAYS))
PURCHASE_MODEL = "purchase_model"  # the algorithm if the purchase model predicts alone
RETRAIN_AFTER = timedelta(days=7)
# A score model that is backtested may reuse a model that was trained two weeks before it.
MODEL_RETENTION = max(BACKTEST_AGES) + 3 * RETRAIN_AFTER
MAX_CACHED_MODELS = 4 * len(PROPENSITY_KINDS)  # the models of four runs, as a backtest of all ages needs them


@dataclass(frozen=True, eq=False)
class ServedModel:
    """The model that predicts a target.

    propensity: None if the purchase model predicts alone. uses_purchase_model: whether its probability is the last feature.
    """

    target: PropensityTarget
    propensity: PropensityModel | None
    uses_purchase_model: bool


def to_orders(histories: OrderHistories) -> OrderLines:
    """Return the orders of all customers in `histories`, one line per order.

    The line has the main category of the order. Amounts in different currencies are not converted.
    """
    category = histories.category
    paid = histories.amount / 100
    return OrderLines(
        start=histories.start,
        at=histories.at,
        value=np.where(histories.is_order, np.maximum(paid, 0.0), np.abs(paid)),
        is_return=~histories.is_order,
        clock=histories.clock,
        category=np.full(len(paid), UNKNOWN) if category is None else category,
        n_categories=len(histories.categories),
    )


def make_snapshot(*, orders: OrderLines, as_of: datetime, score_models: Mapping[str, ScoreModel]) -> CustomerSnapshot:
    """Return a snapshot of some customers.

    Shop-wide values are those of the refresh that made the score models.
    """
    gap = score_models[ScoreModel.Kind.CHURN].parameters["shop_gap_days"]
    fit = deserialize_fit(score_models[ScoreModel.Kind.PURCHASE_MODEL].parameters)
    return CustomerSnapshot(orders=orders, as_of=to_microseconds(as_of), fit=fit, shop_gap_days=gap)


def build_matrix(
    snapshot: CustomerSnapshot, served: ServedModel, rows: Ints, features: Matrix | None = None
) -> Matrix | None:
    """Return the features of these customers as the model's columns.

    Return None without a model or without the purchase model it needs.
    features: those without the purchase model's column, if they are measured already.
    """
    if served.propensity is None:
        return None
    matrix = snapshot.measure_features(rows).matrix if features is None else features
    if not served.uses_purchase_model:
        return matrix
    probability = snapshot.predict_with_purchase_model(served.target)
    return None if probability is None else np.concatenate((matrix, probability[rows, None].astype(np.float32)), axis=1)


def predict_probabilities(
    snapshot: CustomerSnapshot, served: Mapping[str, ServedModel], rows: Ints
) -> dict[str, Floats]:
    """Return the probabilities of these customers by kind, shape (n,) each.

    They are never lower for a longer horizon.
    Without a trained model the purchase model predicts; without both the values are NaN.
    """
    # All models share the features; only the last column, of the purchase model, depends on the target.
    features = snapshot.measure_features(rows).matrix
    predictions = {
        kind: _predict_target(snapshot, served_model, rows, features) for kind, served_model in served.items()
    }
    predicted_kinds = [kind for kind, values in predictions.items() if not np.isnan(values).any()]
    if not predicted_kinds or not len(rows):
        return predictions
    lapsed = np.zeros(len(rows), np.bool_)
    if ScoreModel.Kind.CHURN in predicted_kinds:
        lapsed = ~snapshot.is_eligible(served[ScoreModel.Kind.CHURN].target)[rows]
    targets = [served[kind].target for kind in predicted_kinds]
    reconciled = reconcile_horizons(
        targets=targets, probabilities=np.stack([predictions[kind] for kind in predicted_kinds], axis=1), lapsed=lapsed
    )
    return predictions | {kind: reconciled[:, column] for column, kind in enumerate(predicted_kinds)}


def _predict_target(snapshot: CustomerSnapshot, served: ServedModel, rows: Ints, features: Matrix) -> Floats:
    matrix = build_matrix(snapshot, served, rows, features)
    if matrix is not None and served.propensity is not None:
        return served.propensity.score(matrix)
    probability = snapshot.predict_with_purchase_model(served.target)
    return np.full(len(rows), np.nan) if probability is None else probability[rows]


def list_earlier_models(as_of: datetime) -> list[ScoreModel]:
    """Return the score models that trained their own model, latest first.

    Only those within the retention are included, without their arrays.
    """
    score_models = ScoreModel.objects.filter(kind__in=PROPENSITY_KINDS, arrays__isnull=False, run__as_of__lte=as_of)
    recent = score_models.filter(run__status=LifecycleRun.Status.DONE, run__as_of__gt=as_of - MODEL_RETENTION)
    return list(recent.select_related("run").defer("arrays").order_by("-run__as_of", "-run_id"))


def load_served_model(score_model: ScoreModel) -> ServedModel:
    """Return the model of a score model, which an earlier run may have trained."""
    parameters = score_model.parameters
    target = PropensityTarget(
        "churn" if score_model.kind == ScoreModel.Kind.CHURN else "purchase", parameters["horizon_days"]
    )
    propensity = (
        None
        if score_model.reason
        else _load_propensity(score_model.trained_by_id or score_model.pk, parameters["trained_at"])
    )
    return ServedModel(target, propensity, parameters["given"])


def load_served_models(score_models: Mapping[str, ScoreModel]) -> dict[str, ServedModel]:
    return {kind: load_served_model(score_models[kind]) for kind in PROPENSITY_KINDS}


@lru_cache(maxsize=MAX_CACHED_MODELS)
def _load_propensity(score_model_id: int, trained_at: str) -> PropensityModel | None:
    """Return the model; None if its arrays were deleted or have another version.

    trained_at: part of the cache key, because a score model of another database, as in tests, can have the same ID.
    """
    score_model = ScoreModel.objects.filter(pk=score_model_id).first()
    if score_model is None or score_model.arrays is None:
        return None
    try:
        return PropensityModel.deserialize(
            deserialize_arrays(bytes(score_model.arrays)), score_model.parameters["propensity"]
        )
    except ValueError:
        return None


def delete_old_arrays(*, as_of: datetime, keep_ids: Collection[int]) -> int:
    """Delete the arrays of score models older than the retention, except those of `keep_ids`.

    Return how many.
    """
    old = ScoreModel.objects.filter(
        kind__in=PROPENSITY_KINDS, arrays__isnull=False, run__as_of__lte=as_of - MODEL_RETENTION
    )
    return old.exclude(pk__in=keep_ids).update(arrays=None)
