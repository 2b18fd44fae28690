"""Why the propensities of one customer are what they are, asked of the models that gave them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from customers.lifecycle.facts.histories import read_histories
from customers.lifecycle.models import ScoreModel
from customers.lifecycle.propensity.models import KINDS, load, matrix_of, orders_from, snapshot_of


@dataclass(frozen=True)
class Reason:
    """feature: the column that says most for it, of a family of columns that tell the same story. raises: whether the probability."""

    feature: str
    family: str
    value: float
    raises: bool


def propensity_reasons(
    *, customer_id: int, as_of: datetime, cards: Mapping[str, ScoreModel]
) -> dict[str, tuple[Reason, ...]]:
    """By kind what moves the score of one customer most, at most three, strongest first; empty where no model gave it.

    as_of: when the scores were computed. cards: of the newest refresh, of all kinds.
    """
    served = {kind: load(cards[kind]) for kind in KINDS if not cards[kind].reason}
    if not served:
        return {}
    histories = read_histories(as_of=as_of, customer_ids=[customer_id])
    snapshot = snapshot_of(orders=orders_from(histories), as_of=as_of, cards=cards)
    rows = snapshot.buyers
    if not len(rows):
        return {}
    features = snapshot.features(rows).matrix
    found: dict[str, tuple[Reason, ...]] = {}
    for kind, one in served.items():
        matrix = matrix_of(snapshot, one, rows, features)
        if one.propensity is None or matrix is None:
            continue
        told = one.propensity.reasons(matrix)
        found[kind] = tuple(
            Reason(one.propensity.names[column], told.codes[code], float(value), bool(effect > 0))
            for code, column, value, effect in zip(
                told.code[0], told.column[0], told.value[0], told.effect[0], strict=True
            )
            if code >= 0
        )
    return found
