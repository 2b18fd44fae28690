"""Makes the scores of different models consistent before they are written.

The purchase model, the propensities and the order rhythm are independent of each other. One of them can predict
that a customer has left while another one, proven more accurate on later orders, expects an order within days.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.models import ScoreModel
from customers.lifecycle.propensity.models import PROPENSITY_KINDS
from customers.lifecycle.refresh.score_columns import ProfileScores
from customers.lifecycle.scoring.clv.prediction.interval_calibration import LEVEL
from customers.lifecycle.scoring.next_order.forecast import FORECAST, LEFT, LONG_OVERDUE, MAX_WINDOW_DAYS
from customers.lifecycle.scoring.next_order.probability_forecast import find_order_quantiles
from customers.lifecycle.scoring.propensity.features.labels import PURCHASE_DAYS

LIKELY = 0.5
INTERVAL_TAIL = 0.1  # on each side of an 80 % interval
MIN_PROBABILITY = 1e-9
PURCHASE_KINDS = PROPENSITY_KINDS[1:]
DATE_COLUMNS = ("next_order_from", "next_order_likely", "next_order_to")


def reconcile_scores(scores: ProfileScores, *, today: float) -> ProfileScores:
    """Return the scores with the probability active and the next order consistent with the purchase probabilities.

    today: the time of the scores, in days since 1970 on the clock of the shop.
    A customer who orders within some days is active, so the probability active is at least that of a purchase, and so is the number of
    orders expected in a year. Where the order rhythm gives no date because the customer is overdue, but a purchase within 90 days is more
    likely than not, the date is derived from the purchase probabilities. The reason "has probably churned" remains only for customers who
    are probably inactive. Without propensities, nothing changes.
    """
    columns = scores.columns
    if not {"p_alive", "churn", "next_order_reason", *PURCHASE_KINDS} <= set(columns):
        return scores
    purchase = np.stack([columns[kind] for kind in PURCHASE_KINDS], axis=1).astype(np.float64)
    is_known = ~np.isnan(purchase).any(axis=1) & ~np.isnan(columns["p_alive"])
    active = raise_probability_active(columns, purchase, is_known)
    return replace(
        scores,
        columns=columns
        | {"p_alive": active}
        | raise_expected_orders(columns, purchase[:, -1], is_known)
        | reconcile_next_orders(columns, purchase, active, is_known, today),
    )


def raise_probability_active(columns: Mapping[str, Floats | Ints], purchase: Floats, is_known: "np.ndarray") -> Floats:
    """Return P(active), (n,), at least the probability of a purchase within any of the horizons."""
    # The churn risk of customers who have lapsed may differ from the purchase probabilities, so it is included.
    no_churn = np.nan_to_num(1.0 - columns[ScoreModel.Kind.CHURN].astype(np.float64))
    floor = np.maximum(purchase[:, -1], no_churn)
    raised: Floats = np.where(is_known, np.maximum(columns["p_alive"], floor), columns["p_alive"])
    return raised


def raise_expected_orders(
    columns: Mapping[str, Floats | Ints], purchase: Floats, is_known: "np.ndarray"
) -> dict[str, Floats | Ints]:
    """Return the columns of orders and spend of the next 12 months, raised where the expected orders are below the purchase probability.

    purchase: (n,), the probability of at least one order in the first days of these months. It bounds the expected number and the quantiles
    of an interval from below, but says nothing about a second order, so values are raised no further: totals of the shop hardly change.
    """
    if "expected_orders" not in columns:
        return {}
    orders = columns["expected_orders"]
    is_raised = is_known & (orders < purchase)
    raised: dict[str, Floats | Ints] = {"expected_orders": np.where(is_raised, purchase, orders)}
    for name, share in {"expected_orders_low": INTERVAL_TAIL, "expected_orders_high": 1.0 - INTERVAL_TAIL}.items():
        has_order = is_known & (purchase > 1.0 - share)
        raised[name] = np.where(has_order, np.maximum(columns[name], 1.0), columns[name])
    factor = purchase / np.where(is_raised & (orders > 0.0), orders, purchase.clip(MIN_PROBABILITY))
    raised["value"] = np.where(is_raised, columns["value"] * factor, columns["value"])
    has_spend = is_raised & (purchase > INTERVAL_TAIL)
    high = np.maximum(columns["spend_high"], columns["expected_order_value"])
    raised["spend_high"] = np.where(has_spend, high, columns["spend_high"])
    # The stored probability is that of the narrower interval, such as that of buying nothing for 0 to 0.
    is_wider = raised["spend_high"] > columns["spend_high"]
    raised["interval_probability"] = np.where(is_wider, LEVEL, columns["interval_probability"])
    return raised


def reconcile_next_orders(
    columns: Mapping[str, Floats | Ints], purchase: Floats, active: Floats, is_known: "np.ndarray", today: float
) -> dict[str, Floats | Ints]:
    """Return the columns of the next order."""
    reason = columns["next_order_reason"].copy()
    dates = {name: columns[name].copy() for name in DATE_COLUMNS}
    is_late = is_known & np.isin(reason, [LEFT, LONG_OVERDUE])
    rows = np.flatnonzero(is_late & (purchase[:, -1] >= LIKELY))
    if len(rows):
        days = find_order_quantiles(purchase=purchase[rows], horizon_days=np.array(PURCHASE_DAYS, np.float64))
        found = days[:, -1] <= MAX_WINDOW_DAYS
        for position, name in enumerate(DATE_COLUMNS):
            dates[name][rows[found]] = np.floor(today + days[found, position]).astype(np.int64)
        reason[rows[found]] = FORECAST
    still_late = (reason == LEFT) & is_known & (active >= LIKELY)
    reason[still_late] = LONG_OVERDUE
    return {**dates, "next_order_reason": reason}
