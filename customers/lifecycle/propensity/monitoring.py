"""How a propensity holds up: customers of today beside those it was learnt from, and what earlier ones said beside what then came.

As in `looking_back`, nothing is kept for it but the models: who customers were then is told from the facts before that moment. Both
look at the customers that the refresh learns from.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from config.foundation.array_types import Floats
from config.foundation.statistics import wilson_bounds
from customers.lifecycle.clv.backtest import AGES
from customers.lifecycle.facts.histories import microseconds
from customers.lifecycle.models import LifecycleRun, ScoreModel
from customers.lifecycle.propensity.models import KEPT_FOR, KINDS, load, load_all, matrix_of, snapshot_of, told
from customers.lifecycle.scoring.propensity.drift import DRIFTS, drift_level
from customers.lifecycle.scoring.propensity.features.event_facts import Orders
from customers.lifecycle.scoring.propensity.features.labels import eligible, label
from customers.lifecycle.scoring.propensity.features.snapshots import Snapshot
from customers.lifecycle.scoring.propensity.metrics import judge


def drift_of(earlier: Sequence[ScoreModel], *, today: Snapshot, as_of: datetime) -> dict[str, Any] | None:
    """The customers of today whom the target speaks about, beside those of the newest model learnt before. earlier: newest first."""
    card = next((card for card in earlier if card.run.as_of < as_of), None)
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


def look_back_on_propensities(*, orders: Orders, as_of: datetime) -> dict[str, list[dict[str, Any]]]:
    """By kind, for the newest refresh whose horizon has passed, and those at least four weeks, a quarter and a year old: what was said,
    and what came.

    Each with its moment, days of its horizon, and the figures of `Quality`; low and high: 95 % interval of the share it came true for.
    """
    chosen = runs_to_judge(as_of)
    runs = {run for own in chosen.values() for run in own}
    cards = ScoreModel.objects.filter(run__in=runs, kind__in=(*KINDS, ScoreModel.Kind.BUYING))
    by_run: dict[int, dict[str, ScoreModel]] = {}
    for card in cards.select_related("run").defer("arrays", "figures"):
        by_run.setdefault(card.run_id, {})[card.kind] = card
    said = {run: said_then(cards, orders) for run, cards in by_run.items()}
    return {
        kind: [judged for run in own if (judged := judged_on(by_run[run][kind], said[run], orders)) is not None]
        for kind, own in chosen.items()
    }


def said_then(cards: Mapping[str, ScoreModel], orders: Orders) -> dict[str, Floats]:
    """What a refresh said of these customers, by kind, (n_customers,); NaN of whoever hadn't ordered, nothing of what it knows no more."""
    if not {*KINDS, ScoreModel.Kind.BUYING} <= set(cards):
        return {}
    run = cards[ScoreModel.Kind.BUYING].run
    served = load_all(cards)
    if any(one.propensity is None and not cards[kind].reason for kind, one in served.items()):
        return {}
    snapshot = snapshot_of(orders=orders, as_of=run.as_of, cards=cards)
    found: dict[str, Floats] = {kind: np.full(orders.n_customers, np.nan) for kind in KINDS}
    for kind, values in told(snapshot, served, snapshot.buyers).items():
        found[kind][snapshot.buyers] = values
    return found


def judged_on(card: ScoreModel, said: Mapping[str, Floats], orders: Orders) -> dict[str, Any] | None:
    """None where nobody was there to judge, or nothing was said."""
    target, then = load(card).target, microseconds(card.run.as_of)
    rows = eligible(orders=orders, target=target, as_of=then)
    if card.kind not in said or not len(rows) or np.isnan(said[card.kind][rows]).any():
        return None
    quality = judge(score=said[card.kind][rows], label=label(orders=orders, target=target, as_of=then)[rows])
    low, high = wilson_bounds(quality.positives, quality.customers)
    return {
        "as_of": card.run.as_of.isoformat(),
        "days": target.horizon_days,
        "algorithm": card.algorithm,
        "low": float(low),
        "high": float(high),
        **quality.to_plain(),
    }


def runs_to_judge(as_of: datetime) -> dict[str, list[int]]:
    """By kind the newest run of each age that there is, each once, the youngest first."""
    cards = ScoreModel.objects.filter(kind__in=KINDS, run__status=LifecycleRun.Status.DONE).exclude(algorithm="")
    known = cards.filter(run__as_of__gt=as_of - KEPT_FOR, run__as_of__lt=as_of).order_by("-run__as_of", "-run_id")
    listed = list(known.values_list("kind", "run_id", "run__as_of", "parameters__horizon_days"))
    found: dict[str, list[int]] = {}
    for kind in KINDS:
        own = [(run, as_of - at, timedelta(days=days)) for name, run, at, days in listed if name == kind]
        oldest = [
            next((run for run, old, horizon in own if old >= max(age, horizon)), None) for age in (timedelta(0), *AGES)
        ]
        found[kind] = list(dict.fromkeys(run for run in oldest if run is not None))
    return found
