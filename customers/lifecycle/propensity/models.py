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
PURCHASE_MODEL = "purchase_model"  # the algorithm where the purchase model alone predicts
RETRAIN_AFTER = timedelta(days=7)
MODEL_RETENTION = (
    max(BACKTEST_AGES) + 3 * RETRAIN_AFTER
)  # a backtested score model may use a model two weeks older than itself
MAX_CACHED_MODELS = 4 * len(PROPENSITY_KINDS)


@dataclass(frozen=True, eq=False)
class ServedModel:
    """What tells a target. propensity: None where the buying process alone does. given: its probability is the last column."""

    target: PropensityTarget
    propensity: PropensityModel | None
    uses_purchase_model: bool


def to_orders(histories: OrderHistories) -> OrderLines:
    """The orders of all customers in `histories`; an order is of one category. Amounts of different currencies are taken as they are."""
    category = histories.category
    paid = histories.amount / 100
    return OrderLines(
        start=histories.start,
        at=histories.at,
        value=np.where(histories.is_order, np.maximum(paid, 0.0), np.abs(paid)),
        is_return=~histories.is_order,
        category=np.full(len(paid), UNKNOWN) if category is None else category,
        n_categories=len(histories.categories),
    )


def make_snapshot(*, orders: OrderLines, as_of: datetime, score_models: Mapping[str, ScoreModel]) -> CustomerSnapshot:
    """Return a snapshot of some customers with the shop-wide values of the refresh of these score models."""
    gap = score_models[ScoreModel.Kind.CHURN].parameters["shop_gap_days"]
    fit = deserialize_fit(score_models[ScoreModel.Kind.PURCHASE_MODEL].parameters)
    return CustomerSnapshot(orders=orders, as_of=to_microseconds(as_of), fit=fit, shop_gap_days=gap)


def build_matrix(
    snapshot: CustomerSnapshot, served: ServedModel, rows: Ints, features: Matrix | None = None
) -> Matrix | None:
    """The columns of the model of these customers; None where it can't be asked. features: where they are measured already."""
    if served.propensity is None:
        return None
    matrix = snapshot.measure_features(rows).matrix if features is None else features
    if not served.uses_purchase_model:
        return matrix
    chance = snapshot.predict_with_purchase_model(served.target)
    return None if chance is None else np.concatenate((matrix, chance[rows, None].astype(np.float32)), axis=1)


def predict_probabilities(
    snapshot: CustomerSnapshot, served: Mapping[str, ServedModel], rows: Ints
) -> dict[str, Floats]:
    """Return the probabilities of these customers, (n,) each, by the models or else the purchase model, monotonic
    over horizons; NaN with neither."""
    features = snapshot.measure_features(rows).matrix
    said = {kind: _predict_target(snapshot, one, rows, features) for kind, one in served.items()}
    known = [kind for kind, values in said.items() if not np.isnan(values).any()]
    if not known or not len(rows):
        return said
    lapsed = np.zeros(len(rows), np.bool_)
    if ScoreModel.Kind.CHURN in known:
        lapsed = ~snapshot.is_eligible(served[ScoreModel.Kind.CHURN].target)[rows]
    targets = [served[kind].target for kind in known]
    found = reconcile_horizons(
        targets=targets, probabilities=np.stack([said[kind] for kind in known], axis=1), lapsed=lapsed
    )
    return said | {kind: found[:, place] for place, kind in enumerate(known)}


def _predict_target(snapshot: CustomerSnapshot, served: ServedModel, rows: Ints, features: Matrix) -> Floats:
    matrix = build_matrix(snapshot, served, rows, features)
    if matrix is not None and served.propensity is not None:
        return served.propensity.score(matrix)
    chance = snapshot.predict_with_purchase_model(served.target)
    return np.full(len(rows), np.nan) if chance is None else chance[rows]


def list_earlier_models(as_of: datetime) -> list[ScoreModel]:
    """Cards of targets by runs up to the moment that hold a model of their own, newest first, without their arrays."""
    held = ScoreModel.objects.filter(kind__in=PROPENSITY_KINDS, arrays__isnull=False, run__as_of__lte=as_of)
    done = held.filter(run__status=LifecycleRun.Status.DONE, run__as_of__gt=as_of - MODEL_RETENTION)
    return list(done.select_related("run").defer("arrays").order_by("-run__as_of", "-run_id"))


def load_served_model(score_model: ScoreModel) -> ServedModel:
    kept = score_model.parameters
    target = PropensityTarget(
        "churn" if score_model.kind == ScoreModel.Kind.CHURN else "purchase", kept["horizon_days"]
    )
    propensity = (
        None
        if score_model.reason
        else _load_propensity(score_model.trained_by_id or score_model.pk, kept["trained_at"])
    )
    return ServedModel(target, propensity, kept["given"])


def load_served_models(score_models: Mapping[str, ScoreModel]) -> dict[str, ServedModel]:
    return {kind: load_served_model(score_models[kind]) for kind in PROPENSITY_KINDS}


@lru_cache(maxsize=MAX_CACHED_MODELS)
def _load_propensity(card_id: int, trained_at: str) -> PropensityModel | None:
    """Return the model; None if its arrays were deleted or have another version.

    trained_at: part of the cache key, since score models of another database may have the same ID.
    """
    score_model = ScoreModel.objects.filter(pk=card_id).first()
    if score_model is None or score_model.arrays is None:
        return None
    try:
        return PropensityModel.deserialize(
            deserialize_arrays(bytes(score_model.arrays)), score_model.parameters["propensity"]
        )
    except ValueError:
        return None


def delete_old_arrays(*, as_of: datetime, but: Collection[int]) -> int:
    """Delete the arrays of score models older than the retention, except some; return how many."""
    old = ScoreModel.objects.filter(
        kind__in=PROPENSITY_KINDS, arrays__isnull=False, run__as_of__lte=as_of - MODEL_RETENTION
    )
    return old.exclude(pk__in=but).update(arrays=None)
