"""Explains the propensities of one customer with the models that predicted them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from customers.lifecycle.facts.histories import read_histories
from customers.lifecycle.models import ScoreModel
from customers.lifecycle.propensity.models import (
    PROPENSITY_KINDS,
    build_matrix,
    load_served_model,
    make_snapshot,
    to_orders,
)


@dataclass(frozen=True)
class PropensityReason:
    """A reason for a probability.

    family: related features that count as one reason. feature: the one of them that contributes most, with the customer's value.
    raises: whether it raises the probability.
    """

    feature: str
    family: str
    value: float
    raises: bool


def explain_propensities(
    *, customer_id: int, as_of: datetime, score_models: Mapping[str, ScoreModel]
) -> dict[str, tuple[PropensityReason, ...]]:
    """Return up to three reasons with the strongest effect on each score, by kind.

    There are none without a trained model.
    as_of: when the scores were computed. score_models: of the latest refresh, all kinds.
    """
    served_models = {
        kind: load_served_model(score_models[kind]) for kind in PROPENSITY_KINDS if not score_models[kind].reason
    }
    if not served_models:
        return {}
    # The features are measured again as of the scoring, from the facts before it, instead of storing them with every profile.
    histories = read_histories(as_of=as_of, customer_ids=[customer_id])
    snapshot = make_snapshot(orders=to_orders(histories), as_of=as_of, score_models=score_models)
    rows = snapshot.buyers
    if not len(rows):
        return {}
    features = snapshot.measure_features(rows).matrix
    reasons_by_kind: dict[str, tuple[PropensityReason, ...]] = {}
    for kind, served in served_models.items():
        matrix = build_matrix(snapshot, served, rows, features)
        if served.propensity is None or matrix is None:
            continue
        explanation = served.propensity.explain(matrix)
        reasons_by_kind[kind] = tuple(
            PropensityReason(served.propensity.names[column], explanation.codes[code], float(value), bool(effect > 0))
            for code, column, value, effect in zip(
                explanation.code[0], explanation.column[0], explanation.value[0], explanation.effect[0], strict=True
            )
            if code >= 0
        )
    return reasons_by_kind
