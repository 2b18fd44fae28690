"""Reserves a share of for-you for products that the customer has not bought before."""

from collections.abc import Mapping

import numpy as np

from recommendations.engine import Algorithm, Interactions, recommend
from recommendations.engine.algorithms.repeat.own_items import OwnItemsAlgorithm
from recommendations.engine.evaluation.ranking_metrics.hits import find_hits
from recommendations.engine.evaluation.ranking_metrics.ndcg import ndcg
from recommendations.engine.evaluation.runner import find_relevant_items
from recommendations.training.figures import compute_finite_mean
from recommendations.training.tuning.model_choice import SEED, TOP_N
from recommendations.training.tuning.tuning_session import TuningSession

NEW_PRODUCTS_SHARE = 0.03  # enough to order products without another score, too little to reorder the others


def add_first_purchases(
    session: TuningSession, fitted: Mapping[str, Algorithm], past: Interactions, weights: Mapping[str, float]
) -> dict[str, float]:
    """Return the weights; if no weighted component ranks new products for each customer, the best one on first purchases gets a share.

    Where customers buy the same products again, their own purchases may get all the weight. The list would then consist of them and of
    popular products only, although it shows a limited share of purchased products.

    fitted: on the sample; past: of the sample under the event weights.
    """
    split = session.split
    ranking = {name: algorithm for name, algorithm in fitted.items() if _ranks_new_products(algorithm)}
    if split.exclude_seen or not ranking or any(weights.get(name) for name in ranking):
        return dict(weights)
    histories = past.build_histories(session.evaluated_users)
    relevant = find_relevant_items(session.sample.test, past, session.evaluated_users, True, split.seen_kinds)
    values = {}
    for name, algorithm in ranking.items():
        top = recommend(algorithm, histories, TOP_N, exclude_seen=True, seen_kinds=split.seen_kinds, tie_seed=SEED)
        values[name] = compute_finite_mean(ndcg(find_hits(top.items, relevant), np.diff(relevant.indptr)))
    best = max(values, key=lambda name: values[name])
    if not values[best] > 0:
        return dict(weights)
    total = sum(weights.values())
    shares = {name: (1 - NEW_PRODUCTS_SHARE) * weight / total for name, weight in weights.items()}
    return {**shares, best: NEW_PRODUCTS_SHARE}


def _ranks_new_products(algorithm: Algorithm) -> bool:
    """Return whether the algorithm scores products that a customer has not bought, and differently for each customer."""
    return not isinstance(algorithm, OwnItemsAlgorithm) and algorithm.get_static_scores() is None
