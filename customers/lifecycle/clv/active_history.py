"""How probable it was, at each past moment, that a customer was still one."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from customers.lifecycle.facts.histories import microseconds, moment_of, purchases_of, read_histories
from customers.lifecycle.models import ScoreModel
from customers.lifecycle.refresh.score_models import Cards
from customers.lifecycle.scoring.clv import group_histories, load_fit, summarise_purchases
from customers.lifecycle.scoring.stages.order_gaps import DAY

MOST_POINTS = 120


@dataclass(frozen=True)
class AliveHistory:
    """alive: P(alive) at each of the moments, oldest first, from what had been bought before it. ordered: the days with an order."""

    at: list[datetime]
    alive: list[float]
    ordered: list[datetime]
    algorithm: str


def alive_history(*, customer_id: int, as_of: datetime, cards: Cards) -> AliveHistory | None:
    """By the process that the newest refresh chose, whose cards these are, from the first order on, at most 120 moments whole days apart.

    Each moment sees only the orders before it: they are told as those of a customer of its own, moved so that all end today. None
    without an order or a process.
    """
    card = cards.get(ScoreModel.Kind.BUYING)
    model = load_fit(card.parameters).model if card is not None else None
    if model is None or card is None:
        return None
    _customer, at, _value = purchases_of(read_histories(as_of=as_of, customer_ids=[customer_id]))
    if not len(at):
        return None
    now = microseconds(as_of)
    at = np.unique(at // DAY) * DAY  # what counts is the day
    days = int((now - at[0]) // DAY)
    back = np.arange(0, days + 1, days // MOST_POINTS + 1)[::-1]  # days before today of each moment
    moved = at[None, :] + back[:, None] * DAY
    point, place = np.nonzero(moved < now)
    purchases = summarise_purchases(customer=point, at=moved[point, place], value=np.zeros(len(point)), as_of=now)
    groups = group_histories(histories=purchases)
    alive = model.alive(x=groups.x, t_x=groups.t_x, age=groups.age)[groups.row]
    return AliveHistory(
        [moment_of(now - int(back[one]) * DAY) for one in purchases.customer],
        np.clip(alive, 0.0, 1.0).tolist(),
        [moment_of(int(one)) for one in at],
        card.algorithm,
    )
