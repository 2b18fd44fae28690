"""Which top category the next order of everybody will be of: learnt and told by every refresh."""

from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.models import ScoreModel
from customers.lifecycle.refresh.score_columns import Scores
from customers.lifecycle.scoring.propensity.features.event_facts import DAY, Orders
from customers.lifecycle.scoring.propensity.next_category import (
    NextCategory,
    judge_next_category,
    learn_next_category,
)

HISTORY = "history"
HELD_OUT = 5  # the last fifth of the time
BLOCK = 65_536


def category_card(*, orders: Orders, names: Sequence[str], as_of: int, seed: int) -> ScoreModel:
    """names: of the categories of the orders. The same way of learning was tried on the last fifth of the time before."""
    card = ScoreModel(kind=ScoreModel.Kind.NEXT_CATEGORY)
    counted = orders.at[~orders.is_return]
    began = int(counted.min()) if len(counted) else as_of
    part = max((as_of - began) // HELD_OUT, DAY)
    found = learn_next_category(orders=orders, cut=as_of - part, as_of=as_of, seed=seed)
    if isinstance(found, str):
        card.reason = found
        return card
    card.algorithm = HISTORY
    card.reason = "" if found.reason == "chosen" else found.reason
    card.parameters = {
        "categories": [names[code] for code in found.categories],
        "popularity": found.popularity.tolist(),
        "half_life_days": found.half_life_days,
        "prior": found.prior,
    }
    before = learn_next_category(orders=orders, cut=as_of - 2 * part, as_of=as_of - part, seed=seed)
    judged = (
        {}
        if isinstance(before, str)
        else judge_next_category(model=before, orders=orders, as_of=as_of - part, until=as_of)
    )
    card.figures = {"judged": {name: asdict(quality) for name, quality in judged.items()}}
    return card


def category_scores(
    *, card: ScoreModel, orders: Orders, names: Sequence[str], as_of: int, rows: Ints, customer: Ints
) -> Scores:
    """The likeliest category of the customers `rows`, whose ids are `customer`, with its probability. A category that the card knows
    and the shop has no longer stays one; one that it doesn't know counts among the others."""
    place = np.full(len(rows), -1, np.int64)
    chance: Floats = np.full(len(rows), np.nan)
    spelt = list(dict.fromkeys([*names, *card.parameters.get("categories", [])]))
    if card.algorithm:
        model = _model(card, spelt)
        orders = replace(orders, n_categories=len(spelt))
        for low in range(0, len(rows), BLOCK):
            score = model.score(orders=orders, as_of=as_of, rows=rows[low : low + BLOCK])[:, :-1]
            best = score.argmax(axis=1)
            place[low : low + BLOCK] = model.categories[best]
            chance[low : low + BLOCK] = score[np.arange(len(best)), best]
    columns: dict[str, Floats | Ints] = {"next_category": place, "next_category_probability": chance}
    return Scores(customer, columns, names={"next_category": spelt})


def _model(card: ScoreModel, names: Sequence[str]) -> NextCategory:
    code = {name: place for place, name in enumerate(names)}
    kept = card.parameters
    return NextCategory(
        categories=np.array([code[name] for name in kept["categories"]], np.int64),
        popularity=np.array(kept["popularity"]),
        half_life_days=kept["half_life_days"],
        prior=kept["prior"],
        reason=card.reason,
    )
