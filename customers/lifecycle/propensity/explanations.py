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
    """feature: the column that says most for it, of a family of columns that tell the same story. raises: whether the probability."""

    feature: str
    family: str
    value: float
    raises: bool


def explain_propensities(
    *, customer_id: int, as_of: datetime, score_models: Mapping[str, ScoreModel]
) -> dict[str, tuple[PropensityReason, ...]]:
    """Return by kind up to three reasons with the strongest effect on the score; empty without a model.

    as_of: when the scores were computed. score_models: of the latest refresh, all kinds.
    """
    served = {kind: load_served_model(score_models[kind]) for kind in PROPENSITY_KINDS if not score_models[kind].reason}
    if not served:
        return {}
    histories = read_histories(as_of=as_of, customer_ids=[customer_id])
    snapshot = make_snapshot(orders=to_orders(histories), as_of=as_of, score_models=score_models)
    rows = snapshot.buyers
    if not len(rows):
        return {}
    features = snapshot.measure_features(rows).matrix
    found: dict[str, tuple[PropensityReason, ...]] = {}
    for kind, one in served.items():
        matrix = build_matrix(snapshot, one, rows, features)
        if one.propensity is None or matrix is None:
            continue
        explanation = one.propensity.explain(matrix)
        found[kind] = tuple(
            PropensityReason(one.propensity.names[column], explanation.codes[code], float(value), bool(effect > 0))
            for code, column, value, effect in zip(
                explanation.code[0], explanation.column[0], explanation.value[0], explanation.effect[0], strict=True
            )
            if code >= 0
        )
    return found
