"""How a propensity holds up: customers of today beside those it was learnt from, and what earlier ones said beside what then came.

As in `looking_back`, nothing is kept for it but the models: who customers were then is told from the facts before that moment. Both
look at the customers that the refresh learns from.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from customers.lifecycle.histories import microseconds
from customers.lifecycle.looking_back import AGES
from customers.lifecycle.models import ScoreModel
from customers.lifecycle.propensity_models import load, matrix_of, said
from customers.lifecycle.scoring.buying import load_fit
from customers.lifecycle.scoring.propensity.drift import DRIFTS, drift_level
from customers.lifecycle.scoring.propensity.facts import Orders
from customers.lifecycle.scoring.propensity.labels import eligible, label
from customers.lifecycle.scoring.propensity.quality import judge
from customers.lifecycle.scoring.propensity.snapshots import Snapshot
from customers.lifecycle.scoring.wilson import wilson


def drift_of(earlier: Sequence[ScoreModel], *, today: Snapshot, as_of: datetime) -> dict[str, Any] | None:
    """The customers of today whom the target speaks about, beside those of the newest model learnt before. earlier: newest first."""
    card = next((card for card in earlier if not card.reason and card.run.as_of < as_of), None)
    if card is None:
        return None
    served = load(card)
    rows = eligible(orders=today.orders, target=served.target, as_of=today.as_of)
    matrix = matrix_of(today, served, rows)
    if served.propensity is None or matrix is None or not len(rows):
        return None
    index, score = served.propensity.drift(matrix)
    level = drift_level(index)
    return {
        "learnt_at": card.run.as_of.isoformat(),
        "customers": len(rows),
        "score": score,
        "score_level": DRIFTS[int(drift_level(np.array([score]))[0])],
        "features": [
            {"feature": served.propensity.names[place], "index": float(index[place]), "level": DRIFTS[level[place]]}
            for place in np.argsort(-index, kind="stable")
        ],
    }


def looking_back_on(earlier: Sequence[ScoreModel], *, orders: Orders, as_of: datetime) -> list[dict[str, Any]]:
    """For the newest card whose horizon has passed, and those at least four weeks, a quarter and a year old: what was said and came.

    Each with its moment, days of its horizon, and the figures of `Quality`; low and high: 95 % interval of the share it came true for.
    """
    cards = cards_to_judge(earlier, as_of)
    buying = ScoreModel.objects.filter(kind=ScoreModel.Kind.BUYING, run__in=[card.run_id for card in cards])
    fits = {card.run_id: load_fit(card.parameters) for card in buying} if cards else {}
    found = []
    for card in cards:
        served, then = load(card), microseconds(card.run.as_of)
        rows = eligible(orders=orders, target=served.target, as_of=then)
        if card.run_id not in fits or not len(rows) or (served.propensity is None and not card.reason):
            continue
        gap = card.parameters["shop_gap_days"]
        snapshot = Snapshot(orders=orders, as_of=then, fit=fits[card.run_id], shop_gap_days=gap)
        score = said(snapshot, served, rows)
        if np.isnan(score).any():
            continue
        quality = judge(score=score, label=label(orders=orders, target=served.target, as_of=then)[rows])
        low, high = wilson(quality.positives, quality.customers)
        found.append(
            {
                "as_of": card.run.as_of.isoformat(),
                "days": served.target.horizon_days,
                "algorithm": card.algorithm,
                "low": float(low),
                "high": float(high),
                **quality.to_plain(),
            }
        )
    return found


def cards_to_judge(earlier: Sequence[ScoreModel], as_of: datetime) -> list[ScoreModel]:
    """The newest card of each age that there is, each once, the youngest first."""
    chosen: dict[int, ScoreModel] = {}
    for age in (timedelta(0), *AGES):
        for card in earlier:
            if card.run.as_of <= as_of - max(age, timedelta(days=card.parameters["horizon_days"])):
                chosen.setdefault(card.pk, card)
                break
    return list(chosen.values())
