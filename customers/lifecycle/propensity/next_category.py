"""Predicts the top-level category of the next order; trained by every refresh."""

from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.models import ScoreModel
from customers.lifecycle.refresh.score_columns import ProfileScores
from customers.lifecycle.scoring.propensity.features.event_facts import DAY, OrderLines
from customers.lifecycle.scoring.propensity.next_category import (
    NextCategoryModel,
    evaluate_next_category,
    fit_next_category,
)

HISTORY = "history"
HOLDOUT_PARTS = 5  # the last fifth of the time is held out
ROWS_PER_BLOCK = 65_536  # bounds the memory of the matrix of customers by categories


def train_next_category(*, orders: OrderLines, names: Sequence[str], as_of: int, seed: int) -> ScoreModel:
    """Return the score model of the next category, trained on all orders before as_of.

    names: of the orders' categories.
    Its metrics are those of a model trained in the same way on the first four fifths of the time, evaluated on the last fifth.
    """
    score_model = ScoreModel(kind=ScoreModel.Kind.NEXT_CATEGORY)
    order_times = orders.at[~orders.is_return]
    first_order = int(order_times.min()) if len(order_times) else as_of
    part = max((as_of - first_order) // HOLDOUT_PARTS, DAY)
    model = fit_next_category(orders=orders, cutoff=as_of - part, as_of=as_of, seed=seed)
    if isinstance(model, str):
        score_model.reason = model
        return score_model
    score_model.algorithm = HISTORY
    score_model.reason = "" if model.reason == "selected" else model.reason
    score_model.parameters = {
        "categories": [names[code] for code in model.categories],
        "popularity": model.popularity.tolist(),
        "half_life_days": model.half_life_days,
        "prior": model.prior,
    }
    earlier_model = fit_next_category(orders=orders, cutoff=as_of - 2 * part, as_of=as_of - part, seed=seed)
    metrics = (
        {}
        if isinstance(earlier_model, str)
        else evaluate_next_category(model=earlier_model, orders=orders, as_of=as_of - part, until=as_of)
    )
    score_model.figures = {"judged": {name: asdict(quality) for name, quality in metrics.items()}}
    return score_model


def score_next_category(
    *, score_model: ScoreModel, orders: OrderLines, names: Sequence[str], as_of: int, rows: Ints, customer: Ints
) -> ProfileScores:
    """Return the most likely category of each customer, and its probability.

    rows: of the customers in the orders. customer: their IDs.
    A trained category that the shop has deleted remains a candidate; a category that was added since counts among the others.
    """
    category = np.full(len(rows), -1, np.int64)
    probability: Floats = np.full(len(rows), np.nan)
    labels = list(dict.fromkeys([*names, *score_model.parameters.get("categories", [])]))
    if score_model.algorithm:
        model = _load_next_category(score_model, labels)
        orders = replace(orders, n_categories=len(labels))
        for low in range(0, len(rows), ROWS_PER_BLOCK):
            scores = model.score(orders=orders, as_of=as_of, rows=rows[low : low + ROWS_PER_BLOCK])[:, :-1]
            best = scores.argmax(axis=1)
            category[low : low + ROWS_PER_BLOCK] = model.categories[best]
            probability[low : low + ROWS_PER_BLOCK] = scores[np.arange(len(best)), best]
    columns: dict[str, Floats | Ints] = {"next_category": category, "next_category_probability": probability}
    return ProfileScores(customer, columns, names={"next_category": labels})


def _load_next_category(score_model: ScoreModel, names: Sequence[str]) -> NextCategoryModel:
    code = {name: position for position, name in enumerate(names)}
    parameters = score_model.parameters
    return NextCategoryModel(
        categories=np.array([code[name] for name in parameters["categories"]], np.int64),
        popularity=np.array(parameters["popularity"]),
        half_life_days=parameters["half_life_days"],
        prior=parameters["prior"],
        reason=score_model.reason,
    )
