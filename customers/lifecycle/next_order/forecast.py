"""Forecasts the date of the next order of all customers."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from psycopg import sql

from config.foundation.array_types import Ints
from customers.lifecycle.facts.histories import count_local_days, select_orders
from customers.lifecycle.models import LifecycleRun, NextOrderReason, ScoreModel
from customers.lifecycle.refresh.score_columns import AS_DATE, ProfileScores
from customers.lifecycle.scoring.next_order.forecast import REASONS, forecast_windows
from customers.lifecycle.scoring.next_order.order_rhythm import OrderRhythm, fit_order_rhythm
from customers.lifecycle.scoring.next_order.repurchase import PurchaseRhythms, measure_rhythms
from customers.lifecycle.scoring.stages.derivation import OrderHistories
from customers.lifecycle.scoring.stages.order_gaps import DAY, find_main_categories

# A position in `REASONS`; SQL arrays count from 1, so position 0, no reason, is null.
AS_REASON = sql.SQL("COALESCE((ARRAY['never_ordered', 'long_overdue', 'left', 'too_uncertain'])[v.{column}], '')")
DATE_COLUMNS = ("next_order_from", "next_order_likely", "next_order_to")
assert list(REASONS) == ["", *NextOrderReason.values]


@dataclass(frozen=True, eq=False)
class BuyerRhythms:
    """Customers who ordered: IDs, order rhythms and main categories.

    Categories are positions in those of the histories.
    """

    customer: Ints
    rhythms: PurchaseRhythms
    main: Ints


def forecast_next_orders(*, histories: OrderHistories, as_of: datetime, run: LifecycleRun) -> ProfileScores:
    """Return the 50% interval of the next order's date for all customers who ordered.

    This trains the rhythm. Days and dates are those of the shop.
    """
    buyers = measure_buyer_rhythms(histories, as_of)
    n_categories = len(histories.categories)
    rhythm = fit_order_rhythm(rhythms=buyers.rhythms, category=buyers.main, n_categories=n_categories)
    parameters = {
        "categories": list(histories.categories),
        "mean": rhythm.mean.tolist(),
        "within": rhythm.within,
        "between": rhythm.between,
        "follow": list(rhythm.follow),
    }
    score_model = ScoreModel(run=run, kind=ScoreModel.Kind.NEXT_ORDER, algorithm="log-normal", parameters=parameters)
    return to_forecast_scores(
        buyers, buyers.main, rhythm, count_local_days(histories, as_of), score_models=[score_model]
    )


def reforecast_next_orders(*, histories: OrderHistories, as_of: datetime, parameters: dict[str, Any]) -> ProfileScores:
    """Forecast some customers with the rhythm that a refresh trained.

    Unknown categories count as none. Days and dates are those of the shop.
    """
    buyers = measure_buyer_rhythms(histories, as_of)
    position_by_name = {name: position for position, name in enumerate(parameters["categories"])}
    # The shop's categories may have changed since the training. The last element is for main category -1, none.
    category_positions = np.array([position_by_name.get(name, -1) for name in [*histories.categories, ""]], np.int64)
    rhythm = OrderRhythm(
        np.array(parameters["mean"]),
        parameters["within"],
        parameters["between"],
        (parameters["follow"][0], parameters["follow"][1]),
    )
    return to_forecast_scores(buyers, category_positions[buyers.main], rhythm, count_local_days(histories, as_of))


def measure_buyer_rhythms(histories: OrderHistories, as_of: datetime) -> BuyerRhythms:
    """Measure the order rhythm of all customers who ordered, and find their main categories."""
    rows, at = select_orders(histories)
    buyers, buyer_of_order = np.unique(rows, return_inverse=True)
    category = np.full(len(at), -1, np.int64)
    if histories.category is not None:
        category = histories.category[histories.is_order]
    main = find_main_categories(
        customer=buyer_of_order, category=category, n_customers=len(buyers), n_categories=len(histories.categories)
    )
    local_at = histories.clock.to_local(at)
    rhythms = measure_rhythms(pair=buyer_of_order, at=local_at / DAY, as_of=count_local_days(histories, as_of))
    return BuyerRhythms(histories.customer[buyers], rhythms, main)


def to_forecast_scores(
    buyers: BuyerRhythms,
    main: Ints,
    rhythm: OrderRhythm,
    as_of: float,
    *,
    score_models: list[ScoreModel] | None = None,
) -> ProfileScores:
    """Forecast the next order of each buyer as profile columns.

    main: main categories, as positions in the rhythm. as_of: days since 1970 on the clock of the shop.
    """
    forecasts = forecast_windows(rhythms=buyers.rhythms, category=main, rhythm=rhythm, as_of=as_of)
    columns = dict(zip(DATE_COLUMNS, (forecasts.earliest, forecasts.likeliest, forecasts.latest), strict=True))
    formats = {**dict.fromkeys(DATE_COLUMNS, AS_DATE), "next_order_reason": AS_REASON}
    return ProfileScores(
        buyers.customer, {**columns, "next_order_reason": forecasts.reason}, formats, score_models or []
    )
