"""Between which days everybody's next order is to be expected."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from psycopg import sql

from config.foundation.array_types import Ints
from customers.lifecycle.facts.histories import microseconds, orders_of
from customers.lifecycle.models import LifecycleRun, NextOrderReason, ScoreModel
from customers.lifecycle.refresh.score_columns import DAY as AS_DAY
from customers.lifecycle.refresh.score_columns import Scores
from customers.lifecycle.scoring.next_order.forecast import REASONS, windows
from customers.lifecycle.scoring.next_order.order_rhythm import OrderRhythm, learn_order_rhythm
from customers.lifecycle.scoring.next_order.repurchase import Rhythms, measure_rhythms
from customers.lifecycle.scoring.stages.derivation import Histories
from customers.lifecycle.scoring.stages.order_gaps import DAY, main_categories

AS_REASON = sql.SQL("COALESCE((ARRAY['never_ordered', 'long_overdue', 'left', 'too_uncertain'])[v.{column}], '')")
DAYS = ("next_order_from", "next_order_likely", "next_order_to")
assert list(REASONS) == ["", *NextOrderReason.values]


@dataclass(frozen=True, eq=False)
class Buyers:
    """Everybody who ordered: their ids, the rhythm of their orders, the place of their main category among those of the histories."""

    customer: Ints
    rhythms: Rhythms
    main: Ints


def foresee_orders(*, histories: Histories, as_of: datetime, run: LifecycleRun) -> Scores:
    """The middle half of the days on which the next order may come, of everybody who ordered; days of UTC. Learns what is usual."""
    buyers = buyers_of(histories, as_of)
    n_categories = len(histories.categories)
    rhythm = learn_order_rhythm(rhythms=buyers.rhythms, category=buyers.main, n_categories=n_categories)
    parameters = {
        "categories": list(histories.categories),
        "mean": rhythm.mean.tolist(),
        "within": rhythm.within,
        "between": rhythm.between,
        "follow": list(rhythm.follow),
    }
    card = ScoreModel(run=run, kind=ScoreModel.Kind.NEXT_ORDER, algorithm="log-normal", parameters=parameters)
    return foreseen(buyers, buyers.main, rhythm, as_of, cards=[card])


def foresee_some(*, histories: Histories, as_of: datetime, parameters: dict[str, Any]) -> Scores:
    """The same of some customers, by what a refresh has learnt; a category that it did not know counts as none."""
    buyers = buyers_of(histories, as_of)
    known = {name: place for place, name in enumerate(parameters["categories"])}
    places = np.array([known.get(name, -1) for name in [*histories.categories, ""]], np.int64)
    rhythm = OrderRhythm(
        np.array(parameters["mean"]),
        parameters["within"],
        parameters["between"],
        (parameters["follow"][0], parameters["follow"][1]),
    )
    return foreseen(buyers, places[buyers.main], rhythm, as_of)


def buyers_of(histories: Histories, as_of: datetime) -> Buyers:
    rows, at = orders_of(histories)
    buyers, place = np.unique(rows, return_inverse=True)
    category = np.full(len(at), -1, np.int64)
    if histories.category is not None:
        category = histories.category[histories.is_order]
    main = main_categories(
        person=place, category=category, n_people=len(buyers), n_categories=len(histories.categories)
    )
    rhythms = measure_rhythms(pair=place, at=at / DAY, as_of=microseconds(as_of) / DAY)
    return Buyers(histories.customer[buyers], rhythms, main)


def foreseen(
    buyers: Buyers, main: Ints, rhythm: OrderRhythm, as_of: datetime, *, cards: list[ScoreModel] | None = None
) -> Scores:
    """A rhythm for each buyer, in their order: every one of them ordered before as_of."""
    found = windows(rhythms=buyers.rhythms, category=main, rhythm=rhythm, as_of=microseconds(as_of) / DAY)
    columns = dict(zip(DAYS, (found.earliest, found.likeliest, found.latest), strict=True))
    forms = {**dict.fromkeys(DAYS, AS_DAY), "next_order_reason": AS_REASON}
    return Scores(buyers.customer, {**columns, "next_order_reason": found.reason}, forms, cards or [])
