"""RFM scores of all customers for all time and for the window.

Cells are computed for the last month ends.
"""

from datetime import datetime
from itertools import islice

import numpy as np
from psycopg import sql

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.facts.histories import to_microseconds
from customers.lifecycle.refresh.score_columns import ProfileScores
from customers.lifecycle.rfm.months import MAX_MONTHS, list_month_ends, pack_cells
from customers.lifecycle.scoring.rfm.rfm_scores import RFM_GROUPS, RfmValues, measure_rfm
from customers.lifecycle.scoring.stages.derivation import OrderHistories

AS_GROUP = sql.SQL(
    "COALESCE((ARRAY['champions', 'loyal', 'potential_loyalists', 'new', 'promising', 'need_attention', 'about_to_sleep',"
    " 'cant_lose', 'at_risk', 'hibernating'])[v.{column} + 1], '')"
)
assert all(f"'{group}'" in AS_GROUP.as_string() for group in RFM_GROUPS)
AS_COUNT = sql.SQL("COALESCE(v.{column}, 0)")
AS_MONEY = sql.SQL("COALESCE(v.{column}, 0) * 0.01")


def score_rfm(
    *, histories: OrderHistories, as_of: datetime, window_days: int, known: RfmValues | None = None
) -> ProfileScores:
    """Return R, F, M and group of all buyers, and their cells at the last month ends.

    known: the values of all time, if they are known already.

    All months are computed from the facts each time, so a corrected order also corrects earlier months.
    """
    n = len(histories.customer)
    months_all_time, all_time = measure_at_month_ends(histories, as_of, None)
    all_time = known or all_time
    months_window, window = measure_at_month_ends(histories, as_of, window_days)
    columns = {
        **to_score_columns(all_time, n),
        "rfm_months": months_all_time,
        **{f"{name}_window": values for name, values in to_score_columns(window, n).items()},
        "orders_window": expand_rows(window, window.orders, n, missing=0),
        "revenue_window": expand_rows(window, window.revenue, n, missing=0),
        "rfm_months_window": months_window,
    }
    formats = {
        "rfm_group": AS_GROUP,
        "rfm_group_window": AS_GROUP,
        **dict.fromkeys(["orders_window", "rfm_months", "rfm_months_window"], AS_COUNT),
        "revenue_window": AS_MONEY,
    }
    buyers = np.sort(all_time.row)
    return ProfileScores(
        histories.customer[buyers], {name: values[buyers] for name, values in columns.items()}, formats
    )


def measure_at_month_ends(
    histories: OrderHistories, as_of: datetime, window_days: int | None
) -> tuple[Ints, RfmValues]:
    """Return the packed cells of all customers at the month ends, and the figures at as_of."""
    figures = measure_rfm(
        start=histories.start,
        at=histories.at,
        amount=histories.amount,
        is_order=histories.is_order,
        moments=[*map(to_microseconds, list_month_ends(as_of=as_of)), to_microseconds(as_of)],
        window_days=window_days,
    )
    # `figures` is a generator over the moments: the month ends are packed one by one, and as_of comes last.
    months = pack_cells(customers=len(histories.customer), figures=islice(figures, MAX_MONTHS))
    return months, next(figures)


def to_score_columns(figures: RfmValues, n: int) -> dict[str, Floats | Ints]:
    """Return the scores as columns by name, shape (n,); -1 without a score."""
    rfm = figures.compute_scores()
    scores = {"r": rfm.r, "f": rfm.f, "m": rfm.m, "rfm_group": rfm.group}
    return {name: expand_rows(figures, values, n, missing=-1) for name, values in scores.items()}


def expand_rows(figures: RfmValues, values: Ints, n: int, *, missing: int) -> Ints:
    """Return values of measured customers expanded to all n rows."""
    expanded = np.full(n, missing, np.int64)
    expanded[figures.row] = values
    return expanded
