"""Everybody's RFM: of all time, of a window, and the cells of both at the last month ends."""

from datetime import datetime
from itertools import islice

import numpy as np
from psycopg import sql

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.facts.histories import microseconds
from customers.lifecycle.refresh.score_columns import Scores
from customers.lifecycle.rfm.months import month_ends
from customers.lifecycle.scoring.rfm.month_cells import MOST, pack_cells
from customers.lifecycle.scoring.rfm.rfm_scores import GROUPS, RfmFigures, measure_rfm
from customers.lifecycle.scoring.stages.derivation import Histories

AS_GROUP = sql.SQL(
    "COALESCE((ARRAY['champions', 'loyal', 'potential_loyalists', 'new', 'promising', 'need_attention', 'about_to_sleep',"
    " 'cant_lose', 'at_risk', 'hibernating'])[v.{column} + 1], '')"
)
assert all(f"'{group}'" in AS_GROUP.as_string() for group in GROUPS)
AS_COUNT = sql.SQL("COALESCE(v.{column}, 0)")
AS_MONEY = sql.SQL("COALESCE(v.{column}, 0) * 0.01")


def rank_everybody(*, histories: Histories, as_of: datetime, window_days: int) -> Scores:
    """R, F, M and group of everybody who ordered, of all time and of the window before as_of, and their cells at the month ends.

    Told from the facts each time: what is corrected corrects the months too.
    """
    n = len(histories.customer)
    months, now = ranked(histories, as_of, None)
    months_window, window = ranked(histories, as_of, window_days)
    columns = {
        **scored(now, n),
        "rfm_months": months,
        **{f"{name}_window": values for name, values in scored(window, n).items()},
        "orders_window": spread(window, window.orders, n, missing=0),
        "revenue_window": spread(window, window.revenue, n, missing=0),
        "rfm_months_window": months_window,
    }
    forms = {
        "rfm_group": AS_GROUP,
        "rfm_group_window": AS_GROUP,
        **dict.fromkeys(["orders_window", "rfm_months", "rfm_months_window"], AS_COUNT),
        "revenue_window": AS_MONEY,
    }
    bought = np.sort(now.row)
    return Scores(histories.customer[bought], {name: values[bought] for name, values in columns.items()}, forms)


def ranked(histories: Histories, as_of: datetime, window_days: int | None) -> tuple[Ints, RfmFigures]:
    """The cells at the month ends, packed, of everybody, and the figures at as_of."""
    figures = measure_rfm(
        start=histories.start,
        at=histories.at,
        amount=histories.amount,
        is_order=histories.is_order,
        moments=[*map(microseconds, month_ends(as_of=as_of)), microseconds(as_of)],
        window_days=window_days,
    )
    months = pack_cells(customers=len(histories.customer), figures=islice(figures, MOST))
    return months, next(figures)


def scored(figures: RfmFigures, n: int) -> dict[str, Floats | Ints]:
    """By the name of the column, shape (n,), -1 for whoever has none."""
    rfm = figures.scores()
    found = {"r": rfm.r, "f": rfm.f, "m": rfm.m, "rfm_group": rfm.group}
    return {name: spread(figures, values, n, missing=-1) for name, values in found.items()}


def spread(figures: RfmFigures, values: Ints, n: int, *, missing: int) -> Ints:
    """The values of those measured, in the order of all n."""
    found = np.full(n, missing, np.int64)
    found[figures.row] = values
    return found
