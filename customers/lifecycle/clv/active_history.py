"""The probability active of a customer at past times."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from config.foundation.calendars.local_clock import UTC_CLOCK
from customers.lifecycle.facts.histories import from_microseconds, read_histories, select_purchases, to_microseconds
from customers.lifecycle.models import ScoreModel
from customers.lifecycle.refresh.score_models import ScoreModelsByKind
from customers.lifecycle.scoring.clv.fitting import deserialize_fit
from customers.lifecycle.scoring.clv.purchase_histories import group_histories, summarize_purchases
from customers.lifecycle.scoring.stages.order_gaps import DAY

MAX_POINTS = 120


@dataclass(frozen=True)
class ActiveHistory:
    """The probability active at past times, oldest first.

    at, p_alive: the times, and P(alive) at each of them from the orders before it. ordered: the days with an order.
    algorithm: the purchase model.
    """

    at: list[datetime]
    p_alive: list[float]
    ordered: list[datetime]
    algorithm: str


def compute_active_history(
    *, customer_id: int, as_of: datetime, score_models: ScoreModelsByKind
) -> ActiveHistory | None:
    """Return the probability active since the first order, by the current model.

    There are at most 120 points, in whole days.
    Each point uses only the orders before it. None without an order or a model.
    """
    score_model = score_models.get(ScoreModel.Kind.PURCHASE_MODEL)
    model = deserialize_fit(score_model.parameters).model if score_model is not None else None
    if model is None or score_model is None:
        return None
    histories = read_histories(as_of=as_of, customer_ids=[customer_id], with_categories=False)
    (_ids, at, _value), clock = select_purchases(histories), histories.clock
    if not len(at):
        return None
    # On the clock of the shop, every day has 24 hours, so histories can be shifted by days.
    now = int(clock.to_local(np.array([to_microseconds(as_of)]))[0])
    at = np.unique(clock.count_days(at)) * DAY  # the orders of one day are one purchase
    days = int((now - at[0]) // DAY)
    days_ago = np.arange(0, days + 1, days // MAX_POINTS + 1)[::-1]  # days before today of each point
    # Each point becomes a customer of its own, whose orders are shifted so that the point is today: one call of the model, which
    # takes histories that end at one time, then computes all points. Orders after the point land in the future and are dropped.
    shifted_at = at[None, :] + days_ago[:, None] * DAY
    point, order = np.nonzero(shifted_at < now)
    purchases = summarize_purchases(
        customer=point, at=shifted_at[point, order], value=np.zeros(len(point)), as_of=now, clock=UTC_CLOCK
    )
    groups = group_histories(histories=purchases)
    p_alive = model.probability_alive(x=groups.x, t_x=groups.t_x, age=groups.age)[groups.row]
    return ActiveHistory(
        [from_microseconds(moment) for moment in clock.to_moments(now - days_ago[purchases.customer] * DAY).tolist()],
        np.clip(p_alive, 0.0, 1.0).tolist(),
        [from_microseconds(moment) for moment in clock.to_moments(at).tolist()],
        score_model.algorithm,
    )
