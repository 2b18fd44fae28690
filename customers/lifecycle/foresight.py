"""Between which days everybody's next order is to be expected."""

from datetime import datetime

import numpy as np
from psycopg import sql

from customers.lifecycle.histories import microseconds, orders_of
from customers.lifecycle.models import NextOrderReason
from customers.lifecycle.scores import DAY as AS_DAY
from customers.lifecycle.scores import Scores
from customers.lifecycle.scoring.gaps import DAY, main_categories
from customers.lifecycle.scoring.next_order import REASONS, next_orders
from customers.lifecycle.scoring.stages import Histories

AS_REASON = sql.SQL("COALESCE((ARRAY['never_ordered', 'long_overdue', 'left', 'too_uncertain'])[v.{column}], '')")


def foresee_orders(*, histories: Histories, as_of: datetime) -> Scores:
    """The middle half of the days on which the next order may come, of everybody who ordered; days of UTC."""
    rows, at = orders_of(histories)
    buyers, place = np.unique(rows, return_inverse=True)
    category = np.full(len(at), -1, np.int64)
    if histories.category is not None:
        category = histories.category[histories.is_order]
    n_categories = len(histories.categories)
    main = main_categories(person=place, category=category, n_people=len(buyers), n_categories=n_categories)
    found = next_orders(
        customer=place,
        at=at / DAY,
        n_customers=len(buyers),
        as_of=microseconds(as_of) / DAY,
        category=main,
        n_categories=n_categories,
    )
    days = {
        "next_order_from": found.earliest,
        "next_order_likely": found.likeliest,
        "next_order_to": found.latest,
    }
    assert list(REASONS) == ["", *NextOrderReason.values]
    return Scores(
        histories.customer[buyers],
        {**days, "next_order_reason": found.reason},
        {**dict.fromkeys(days, AS_DAY), "next_order_reason": AS_REASON},
    )
