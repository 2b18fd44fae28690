"""The probability active of a customer at past times."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from customers.lifecycle.facts.histories import from_microseconds, read_histories, select_purchases, to_microseconds
from customers.lifecycle.models import ScoreModel
from customers.lifecycle.refresh.score_models import ScoreModelsByKind
from customers.lifecycle.scoring.clv.fitting import deserialize_fit
from customers.lifecycle.scoring.clv.purchase_histories import group_histories, summarize_purchases
from customers.lifecycle.scoring.stages.order_gaps import DAY

MAX_POINTS = 120


@dataclass(frozen=True)
class ActiveHistory:
    """alive: P(alive) at each of the moments, oldest first, from what had been bought before it. ordered: the days with an order."""

    at: list[datetime]
    p_alive: list[float]
    ordered: list[datetime]
    algorithm: str


def compute_active_history(
    *, customer_id: int, as_of: datetime, score_models: ScoreModelsByKind
) -> ActiveHistory | None:
    """Return the probability active from the first order on, at most 120 points in whole days, by the current model.

    Each point sees only the orders before it: it is computed as a customer of its own, shifted so that all end today.
    None without an order or a model.
    """
    score_model = score_models.get(ScoreModel.Kind.PURCHASE_MODEL)
    model = deserialize_fit(score_model.parameters).model if score_model is not None else None
    if model is None or score_model is None:
        return None
    _customer, at, _value = select_purchases(read_histories(as_of=as_of, customer_ids=[customer_id]))
    if not len(at):
        return None
    now = to_microseconds(as_of)
    at = np.unique(at // DAY) * DAY  # purchases count per day
    days = int((now - at[0]) // DAY)
    back = np.arange(0, days + 1, days // MAX_POINTS + 1)[::-1]  # days before today of each moment
    moved = at[None, :] + back[:, None] * DAY
    point, place = np.nonzero(moved < now)
    purchases = summarize_purchases(customer=point, at=moved[point, place], value=np.zeros(len(point)), as_of=now)
    groups = group_histories(histories=purchases)
    alive = model.probability_alive(x=groups.x, t_x=groups.t_x, age=groups.age)[groups.row]
    return ActiveHistory(
        [from_microseconds(now - int(back[one]) * DAY) for one in purchases.customer],
        np.clip(alive, 0.0, 1.0).tolist(),
        [from_microseconds(int(one)) for one in at],
        score_model.algorithm,
    )
