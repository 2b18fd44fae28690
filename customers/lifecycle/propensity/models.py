"""The models of propensities as cards keep them: loaded, asked, forgotten."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

import numpy as np

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.clv.backtest import AGES
from customers.lifecycle.facts.histories import microseconds
from customers.lifecycle.models import LifecycleRun, ScoreModel
from customers.lifecycle.scoring.clv import load_fit
from customers.lifecycle.scoring.propensity.features.event_facts import UNKNOWN, Matrix, Orders
from customers.lifecycle.scoring.propensity.features.labels import PURCHASE_DAYS, Target
from customers.lifecycle.scoring.propensity.features.snapshots import Snapshot
from customers.lifecycle.scoring.propensity.models.horizon_monotonicity import agreed
from customers.lifecycle.scoring.propensity.models.serialization import from_bytes
from customers.lifecycle.scoring.propensity.training import Propensity
from customers.lifecycle.scoring.stages.derivation import Histories

KINDS = (ScoreModel.Kind.CHURN, *(ScoreModel.Kind(f"purchase_{days}") for days in PURCHASE_DAYS))
BUYING = "buying"  # the algorithm where the buying process alone says it
RELEARNT_AFTER = timedelta(days=7)
KEPT_FOR = max(AGES) + 3 * RELEARNT_AFTER  # a card that is looked back on may use a model two weeks older than itself
LOADED = 4 * len(KINDS)


@dataclass(frozen=True, eq=False)
class Served:
    """What tells a target. propensity: None where the buying process alone does. given: its probability is the last column."""

    target: Target
    propensity: Propensity | None
    given: bool


def orders_from(histories: Histories) -> Orders:
    """The orders of all customers in `histories`; an order is of one category. Amounts of different currencies are taken as they are."""
    category = histories.category
    paid = histories.amount / 100
    return Orders(
        start=histories.start,
        at=histories.at,
        value=np.where(histories.is_order, np.maximum(paid, 0.0), np.abs(paid)),
        is_return=~histories.is_order,
        category=np.full(len(paid), UNKNOWN) if category is None else category,
        n_categories=len(histories.categories),
    )


def snapshot_of(*, orders: Orders, as_of: datetime, cards: Mapping[str, ScoreModel]) -> Snapshot:
    """Some customers, seen with what the refresh of these cards knew of everybody."""
    gap = cards[ScoreModel.Kind.CHURN].parameters["shop_gap_days"]
    fit = load_fit(cards[ScoreModel.Kind.BUYING].parameters)
    return Snapshot(orders=orders, as_of=microseconds(as_of), fit=fit, shop_gap_days=gap)


def matrix_of(snapshot: Snapshot, served: Served, rows: Ints, features: Matrix | None = None) -> Matrix | None:
    """The columns of the model of these customers; None where it can't be asked. features: where they are measured already."""
    if served.propensity is None:
        return None
    matrix = snapshot.features(rows).matrix if features is None else features
    if not served.given:
        return matrix
    chance = snapshot.chance(served.target)
    return None if chance is None else np.concatenate((matrix, chance[rows, None].astype(np.float32)), axis=1)


def told(snapshot: Snapshot, served: Mapping[str, Served], rows: Ints) -> dict[str, Floats]:
    """The probabilities of these customers, (n,) each: of the models or else of the buying process, so that they agree with each
    other (see `coherence`); NaN where neither is there."""
    features = snapshot.features(rows).matrix
    said = {kind: _said(snapshot, one, rows, features) for kind, one in served.items()}
    known = [kind for kind, values in said.items() if not np.isnan(values).any()]
    if not known or not len(rows):
        return said
    lapsed = np.zeros(len(rows), np.bool_)
    if ScoreModel.Kind.CHURN in known:
        lapsed = ~snapshot.is_about(served[ScoreModel.Kind.CHURN].target)[rows]
    targets = [served[kind].target for kind in known]
    found = agreed(targets=targets, said=np.stack([said[kind] for kind in known], axis=1), lapsed=lapsed)
    return said | {kind: found[:, place] for place, kind in enumerate(known)}


def _said(snapshot: Snapshot, served: Served, rows: Ints, features: Matrix) -> Floats:
    matrix = matrix_of(snapshot, served, rows, features)
    if matrix is not None and served.propensity is not None:
        return served.propensity.score(matrix)
    chance = snapshot.chance(served.target)
    return np.full(len(rows), np.nan) if chance is None else chance[rows]


def earlier_cards(as_of: datetime) -> list[ScoreModel]:
    """Cards of targets by runs up to the moment that hold a model of their own, newest first, without their arrays."""
    held = ScoreModel.objects.filter(kind__in=KINDS, arrays__isnull=False, run__as_of__lte=as_of)
    done = held.filter(run__status=LifecycleRun.Status.DONE, run__as_of__gt=as_of - KEPT_FOR)
    return list(done.select_related("run").defer("arrays").order_by("-run__as_of", "-run_id"))


def load(card: ScoreModel) -> Served:
    kept = card.parameters
    target = Target("churn" if card.kind == ScoreModel.Kind.CHURN else "purchase", kept["horizon_days"])
    propensity = None if card.reason else _loaded(card.learnt_by_id or card.pk, kept["learnt_at"])
    return Served(target, propensity, kept["given"])


def load_all(cards: Mapping[str, ScoreModel]) -> dict[str, Served]:
    return {kind: load(cards[kind]) for kind in KINDS}


@lru_cache(maxsize=LOADED)
def _loaded(card_id: int, learnt_at: str) -> Propensity | None:
    """None where its arrays are forgotten, or of another version. learnt_at: cards of another database may have the same id."""
    card = ScoreModel.objects.filter(pk=card_id).first()
    if card is None or card.arrays is None:
        return None
    try:
        return Propensity.from_saved(from_bytes(bytes(card.arrays)), card.parameters["propensity"])
    except ValueError:
        return None


def forget_models(*, as_of: datetime, but: Collection[int]) -> int:
    """Removes the arrays of cards that nobody looks back on any more, except those named; how many there were."""
    old = ScoreModel.objects.filter(kind__in=KINDS, arrays__isnull=False, run__as_of__lte=as_of - KEPT_FOR)
    return old.exclude(pk__in=but).update(arrays=None)
