"""Removes the scores of customers whose processing is restricted or who have objected to profiling, so that none are stored."""

from dataclasses import replace
from typing import Any

import numpy as np
from django.db import connection
from psycopg import sql

from customers.identity.consent.restrictions import PROFILING_SCOPES
from customers.identity.models import ProcessingRestriction
from customers.lifecycle.models import CustomerProfile
from customers.lifecycle.refresh.columns import PROFILE_COLUMNS
from customers.lifecycle.refresh.profile_lock import try_share_profile_lock
from customers.lifecycle.refresh.score_columns import ProfileScores

# with orders and revenue of the window and the monthly RFM cells: a refresh writes them with the scores, but they are facts
FACT_NAMES = {column.name for column in PROFILE_COLUMNS if column.expression or column.default == "0"}
# Every other column of the table is a score, also those that `PROFILE_COLUMNS` lacks; with its value in SQL when there is none.
EMPTY_SCORES = {
    str(field.column): "NULL" if field.null else "''"
    for field in CustomerProfile._meta.concrete_fields
    if not field.primary_key and field.column not in FACT_NAMES
}
CLEAR_SCORES = sql.SQL("UPDATE {table} SET {values} WHERE customer_id = ANY(%s)")


def withhold_scores(scores: ProfileScores) -> ProfileScores:
    """Return the scores without those of customers who have objected to profiling."""
    objected = ProcessingRestriction.objects.active().filter(scope__in=PROFILING_SCOPES)
    ids = np.fromiter(objected.values_list("customer_id", flat=True), np.int64)
    is_withheld = np.isin(scores.customer, ids)
    if not is_withheld.any():
        return scores
    columns: dict[str, Any] = {
        name: np.where(is_withheld, np.nan if values.dtype.kind == "f" else -1, values).astype(values.dtype)
        if name in EMPTY_SCORES
        else values
        for name, values in scores.columns.items()
    }
    return replace(scores, columns=columns)


def clear_scores(*, customer_id: int, scope: str, **_kwargs: Any) -> None:
    """Remove the stored scores of a customer who objects. Receiver of ``processing_restricted``.

    While a refresh runs, which may take minutes, the scores stay until the next refresh; until then, the objection hides them.
    """
    if scope not in PROFILING_SCOPES or not try_share_profile_lock():
        return
    values = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.SQL(value)) for name, value in EMPTY_SCORES.items()
    )
    table = sql.Identifier(CustomerProfile._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(CLEAR_SCORES.format(table=table, values=values), [[customer_id]])
