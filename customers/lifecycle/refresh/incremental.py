"""Brings the values and next orders of those up to date who have ordered since everybody's were computed, by the models of then."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from django.db import connection
from django.db.models import F, Q
from psycopg import sql

from config.foundation.database.temporary_tables import fill_temporary
from customers.lifecycle.clv.scoring import several_currencies, valued
from customers.lifecycle.facts.histories import microseconds, purchases_of, read_histories
from customers.lifecycle.models import CustomerProfile, ScoreModel
from customers.lifecycle.next_order.forecast import foresee_some
from customers.lifecycle.propensity.models import KINDS
from customers.lifecycle.propensity.scoring import foretell_some
from customers.lifecycle.refresh.score_columns import Scores, joined
from customers.lifecycle.refresh.score_models import latest_cards
from customers.lifecycle.scoring.clv import group_histories, load_fit, load_spend, summarise_purchases
from customers.lifecycle.scoring.stages.derivation import Histories

AT_ONCE = 50_000

RESCORED = sql.SQL("""
    UPDATE lifecycle_customerprofile p SET {values}, valued_at = {as_of}
    FROM lifecycle_values v WHERE v.customer_id = p.customer_id
""")


def customers_to_rescore() -> Sequence[int]:
    """Ids of those who ordered after their values were computed, the longest waiting first."""
    waiting = CustomerProfile.objects.filter(last_order_at__isnull=False).filter(
        Q(valued_at__isnull=True) | Q(last_order_at__gte=F("valued_at"))
    )
    return list(waiting.order_by("last_order_at").values_list("customer_id", flat=True)[:AT_ONCE])


def rescore(*, customer_ids: Sequence[int], as_of: datetime) -> int:
    """Values and next orders of these customers, in the caller's transaction; how many profiles were written.

    Before the first refresh there is nothing to compute with, and nothing is written.
    """
    cards = latest_cards()
    if not customer_ids or not {ScoreModel.Kind.BUYING, ScoreModel.Kind.NEXT_ORDER} <= set(cards):
        return 0
    histories = read_histories(as_of=as_of, customer_ids=customer_ids)
    parts = [
        value_some(histories=histories, as_of=as_of, cards=cards),
        foresee_some(histories=histories, as_of=as_of, parameters=cards[ScoreModel.Kind.NEXT_ORDER].parameters),
    ]
    if {*KINDS, ScoreModel.Kind.NEXT_CATEGORY} <= set(cards):  # a refresh of an earlier version has learnt none
        parts.append(foretell_some(histories=histories, as_of=as_of, cards=cards))
    scores = joined(parts)
    fill_temporary("lifecycle_values", {"customer_id": scores.customer, **scores.columns})
    told = zip(scores.columns, scores.expressions(), strict=True)
    values = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(name), expression) for name, expression in told
    )
    with connection.cursor() as cursor:
        cursor.execute(RESCORED.format(values=values, as_of=sql.Literal(as_of)))
        return cursor.rowcount


def value_some(*, histories: Histories, as_of: datetime, cards: dict[str, ScoreModel]) -> Scores:
    """By the processes of the newest refresh."""
    customer, at, value = purchases_of(histories)
    purchases = summarise_purchases(customer=customer, at=at, value=value, as_of=microseconds(as_of))
    fit = load_fit(cards[ScoreModel.Kind.BUYING].parameters)
    spend = load_spend(cards[ScoreModel.Kind.SPEND].parameters)
    one_currency = ~np.isin(purchases.customer, several_currencies(as_of, purchases.customer.tolist()))
    groups = group_histories(histories=purchases)
    return Scores(
        purchases.customer,
        valued(model=fit.model, spend=spend.model, purchases=purchases, groups=groups, one_currency=one_currency),
    )
