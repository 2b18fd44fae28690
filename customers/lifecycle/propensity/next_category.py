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
HOLDOUT_PARTS = 5  # the last fifth of the time
ROWS_PER_BLOCK = 65_536


def train_next_category(*, orders: OrderLines, names: Sequence[str], as_of: int, seed: int) -> ScoreModel:
    """names: of the categories of the orders. The same way of learning was tried on the last fifth of the time before."""
    score_model = ScoreModel(kind=ScoreModel.Kind.NEXT_CATEGORY)
    counted = orders.at[~orders.is_return]
    began = int(counted.min()) if len(counted) else as_of
    part = max((as_of - began) // HOLDOUT_PARTS, DAY)
    found = fit_next_category(orders=orders, cutoff=as_of - part, as_of=as_of, seed=seed)
    if isinstance(found, str):
        score_model.reason = found
        return score_model
    score_model.algorithm = HISTORY
    score_model.reason = "" if found.reason == "selected" else found.reason
    score_model.parameters = {
        "categories": [names[code] for code in found.categories],
        "popularity": found.popularity.tolist(),
        "half_life_days": found.half_life_days,
        "prior": found.prior,
    }
    before = fit_next_category(orders=orders, cutoff=as_of - 2 * part, as_of=as_of - part, seed=seed)
    judged = (
        {}
        if isinstance(before, str)
        else evaluate_next_category(model=before, orders=orders, as_of=as_of - part, until=as_of)
    )
    score_model.figures = {"judged": {name: asdict(quality) for name, quality in judged.items()}}
    return score_model


def score_next_category(
    *, score_model: ScoreModel, orders: OrderLines, names: Sequence[str], as_of: int, rows: Ints, customer: Ints
) -> ProfileScores:
    """The likeliest category of the customers `rows`, whose ids are `customer`, with its probability. A category that the score_model knows
    and the shop has no longer stays one; one that it doesn't know counts among the others."""
    place = np.full(len(rows), -1, np.int64)
    chance: Floats = np.full(len(rows), np.nan)
    spelt = list(dict.fromkeys([*names, *score_model.parameters.get("categories", [])]))
    if score_model.algorithm:
        model = _load_next_category(score_model, spelt)
        orders = replace(orders, n_categories=len(spelt))
        for low in range(0, len(rows), ROWS_PER_BLOCK):
            score = model.score(orders=orders, as_of=as_of, rows=rows[low : low + ROWS_PER_BLOCK])[:, :-1]
            best = score.argmax(axis=1)
            place[low : low + ROWS_PER_BLOCK] = model.categories[best]
            chance[low : low + ROWS_PER_BLOCK] = score[np.arange(len(best)), best]
    columns: dict[str, Floats | Ints] = {"next_category": place, "next_category_probability": chance}
    return ProfileScores(customer, columns, names={"next_category": spelt})


def _load_next_category(score_model: ScoreModel, names: Sequence[str]) -> NextCategoryModel:
    code = {name: place for place, name in enumerate(names)}
    kept = score_model.parameters
    return NextCategoryModel(
        categories=np.array([code[name] for name in kept["categories"]], np.int64),
        popularity=np.array(kept["popularity"]),
        half_life_days=kept["half_life_days"],
        prior=kept["prior"],
        reason=score_model.reason,
    )
