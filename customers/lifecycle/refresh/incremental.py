"""Updates the scores of customers who ordered since the last refresh, with its models."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from django.db import connection
from django.db.models import F, Q
from psycopg import sql

from config.foundation.database.temporary_tables import load_temporary_table
from customers.lifecycle.clv.scoring import compute_value_columns, find_multi_currency_customers
from customers.lifecycle.facts.histories import count_local_days, read_histories, summarize_histories
from customers.lifecycle.models import CustomerProfile, ScoreModel
from customers.lifecycle.next_order.forecast import reforecast_next_orders
from customers.lifecycle.propensity.models import PROPENSITY_KINDS
from customers.lifecycle.propensity.scoring import rescore_propensities
from customers.lifecycle.refresh.score_columns import ProfileScores, merge_scores
from customers.lifecycle.refresh.score_consistency import reconcile_scores
from customers.lifecycle.refresh.score_models import load_latest_score_models
from customers.lifecycle.refresh.withholding import withhold_scores
from customers.lifecycle.scoring.clv.fitting import deserialize_fit
from customers.lifecycle.scoring.clv.models.gamma_gamma import deserialize_spend_fit
from customers.lifecycle.scoring.clv.prediction.interval_calibration import deserialize_calibration
from customers.lifecycle.scoring.clv.purchase_histories import group_histories
from customers.lifecycle.scoring.stages.derivation import OrderHistories

BATCH_SIZE = 50_000

UPDATE_SCORES = sql.SQL("""
    UPDATE lifecycle_customerprofile p SET {values}, valued_at = {as_of}
    FROM lifecycle_values v WHERE v.customer_id = p.customer_id
""")


def find_customers_to_rescore() -> Sequence[int]:
    """Return the IDs of customers whose orders have changed since they were scored.

    At most one batch is returned, earliest order first.
    """
    # A recount that changes the orders clears valued_at. Scores count orders before valued_at, so later ones are not in them either.
    waiting = CustomerProfile.objects.filter(last_order_at__isnull=False).filter(
        Q(valued_at__isnull=True) | Q(last_order_at__gte=F("valued_at"))
    )
    return list(waiting.order_by("last_order_at").values_list("customer_id", flat=True)[:BATCH_SIZE])


def rescore_customers(*, customer_ids: Sequence[int], as_of: datetime) -> int:
    """Update the scores of these customers in the caller's transaction.

    Return the number of profiles. Before the first refresh there are no models, and nothing is written.
    """
    score_models = load_latest_score_models()
    if not customer_ids or not {ScoreModel.Kind.PURCHASE_MODEL, ScoreModel.Kind.NEXT_ORDER} <= set(score_models):
        return 0
    histories = read_histories(as_of=as_of, customer_ids=customer_ids)
    parts = [
        rescore_clv(histories=histories, as_of=as_of, score_models=score_models),
        reforecast_next_orders(
            histories=histories, as_of=as_of, parameters=score_models[ScoreModel.Kind.NEXT_ORDER].parameters
        ),
    ]
    # Refreshes of earlier versions trained no propensities.
    if {*PROPENSITY_KINDS, ScoreModel.Kind.NEXT_CATEGORY} <= set(score_models):
        parts.append(rescore_propensities(histories=histories, as_of=as_of, score_models=score_models))
    scores = withhold_scores(reconcile_scores(merge_scores(parts), today=count_local_days(histories, as_of)))
    load_temporary_table("lifecycle_values", {"customer_id": scores.customer, **scores.columns})
    columns = zip(scores.columns, scores.build_expressions(), strict=True)
    values = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(name), expression) for name, expression in columns
    )
    with connection.cursor() as cursor:
        cursor.execute(UPDATE_SCORES.format(values=values, as_of=sql.Literal(as_of)))
        return cursor.rowcount


def rescore_clv(*, histories: OrderHistories, as_of: datetime, score_models: dict[str, ScoreModel]) -> ProfileScores:
    """Return the CLV scores with the models of the latest refresh."""
    purchases = summarize_histories(histories, as_of=as_of)
    parameters = score_models[ScoreModel.Kind.PURCHASE_MODEL].parameters
    fit = deserialize_fit(parameters)
    spend = deserialize_spend_fit(score_models[ScoreModel.Kind.SPEND].parameters)
    one_currency = ~np.isin(purchases.customer, find_multi_currency_customers(as_of, purchases.customer.tolist()))
    groups = group_histories(histories=purchases)
    return ProfileScores(
        purchases.customer,
        compute_value_columns(
            model=fit.model,
            spend=spend.model,
            calibration=deserialize_calibration(parameters.get("intervals")),
            purchases=purchases,
            groups=groups,
            one_currency=one_currency,
        ),
    )
