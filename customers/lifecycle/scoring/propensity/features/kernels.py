"""The loops over customers' orders and visits, compiled by Numba.

``features`` documents the columns.
"""

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Flags, Floats, Ints
from config.foundation.kernels.compilation import make_jit
from customers.lifecycle.scoring.propensity.features.event_facts import DAY, Matrix

WINDOWS = (30, 90, 180, 365)
VISIT_WINDOWS = (7, 30, 90)
HALF_LIVES = (7.0, 30.0, 120.0)
WEEKS, MONTHS = 12, 12
YEAR, SEASON = 365, 90
NO_VISIT_DAYS = 365.0
GAP_PRIOR = 1.0  # the shop's mean gap counts as one gap of the customer's own

ORDER_COLUMNS = (
    "recency_days", "tenure_days", "orders", "orders_30", "orders_90", "orders_180", "orders_365", "orders_decayed_7",
    "orders_decayed_30", "orders_decayed_120", "active_weeks_12", "active_months_12", "orders_year_ago", "gap_days",
    "gap_spread", "overdue", "last_gap_ratio", "orders_trend", "weekday_regularity", "hour_regularity", "spend", "order_value",
    "last_value", "spend_30", "spend_90", "spend_180", "spend_365", "spend_trend", "return_share",
)  # fmt: skip
(
    RECENCY, TENURE, ORDERS, ORDERS_30, ORDERS_90, ORDERS_180, ORDERS_365, DECAYED_7, DECAYED_30, DECAYED_120, WEEKS_12,
    MONTHS_12, YEAR_AGO, GAP, GAP_SPREAD, OVERDUE, LAST_GAP, ORDERS_TREND, WEEKDAY, HOUR, SPEND, ORDER_VALUE, LAST_VALUE,
    SPEND_30, SPEND_90, SPEND_180, SPEND_365, SPEND_TREND, RETURN_SHARE,
) = range(len(ORDER_COLUMNS))  # fmt: skip

compiled = make_jit(nogil=True)


@compiled
def compute_mean_gap(start: Ints, at: Ints, is_return: Flags, as_of: int) -> tuple[float, int]:
    """Return a customer's mean gap between consecutive orders in days, and the number of gaps."""
    total, gaps = 0.0, 0
    for i in range(len(start) - 1):
        first, last, orders = 0, 0, 0
        for line in range(start[i], start[i + 1]):
            if at[line] >= as_of:
                break
            if is_return[line] or (orders > 0 and at[line] == last):
                continue
            first = at[line] if orders == 0 else first
            last = at[line]
            orders += 1
        if orders > 1:
            total += (last - first) / DAY
            gaps += orders - 1
    return (total / gaps if gaps > 0 else 0.0), gaps


@compiled
def _count_bits(bits: int) -> int:
    """Return the number of bits that are set."""
    count = 0
    while bits:
        bits &= bits - 1
        count += 1
    return count


@compiled
def _add_spend(row: Floats, age: float, paid: float) -> None:
    """Add an order's value to the total spend and to the windows it is in.

    The value of a return is negative.
    """
    row[SPEND] += paid
    for window in range(len(WINDOWS)):
        if age <= WINDOWS[window]:
            row[SPEND_30 + window] += paid


@compiled
def _count_order(row: Floats, age: float) -> None:
    """Count an order in the windows it is in, with its decayed weights.

    It also counts in the season of a year ago.
    """
    for window in range(len(WINDOWS)):
        if age <= WINDOWS[window]:
            row[ORDERS_30 + window] += 1
    for half in range(len(HALF_LIVES)):
        row[DECAYED_7 + half] += 2.0 ** (-age / HALF_LIVES[half])
    if YEAR - SEASON < age <= YEAR:
        row[YEAR_AGO] += 1


@compiled
def _write_gaps(
    row: Floats, recency: float, total: float, gaps: int, squares: float, last_gap: float, shop_gap: float
) -> None:
    """Write the mean gap, its spread and what the current gap is relative to it.

    recency: days since the last order; total: days between the first and the last order; squares: sum of squared gaps.
    The shop's mean gap is a prior, so a customer with one order has a gap too.
    """
    gap = max((total + GAP_PRIOR * shop_gap) / (gaps + GAP_PRIOR), 1.0)
    around = max(squares - 2 * gap * total + gaps * gap * gap, 0.0)
    row[GAP] = gap
    row[GAP_SPREAD] = np.sqrt((around + GAP_PRIOR * gap * gap) / (gaps + GAP_PRIOR)) / gap
    row[OVERDUE] = recency / gap
    row[LAST_GAP] = last_gap / gap if gaps > 0 else 1.0


@compiled
def _write_order_values(
    row: Floats, orders: int, bought: float, returned: float, last_value: float, previous_spend: float
) -> None:
    """Write the order values, the trend of the spend and the share of it that was returned."""
    usual = bought / orders
    row[ORDER_VALUE], row[LAST_VALUE] = usual, last_value
    if usual > 0:
        recent, before = max(row[SPEND_90], 0.0), max(previous_spend, 0.0)
        row[SPEND_TREND] = np.log((recent + usual) / (before + usual))
    row[RETURN_SHARE] = min(returned / bought, 1.0) if bought > 0 else (1.0 if returned > 0 else 0.0)


@compiled
def measure_orders(
    rows: Ints, start: Ints, at: Ints, value: Floats, is_return: Flags, as_of: int, shop_gap: float, out: Matrix
) -> None:
    """Write ORDER_COLUMNS of the customers `rows` into out.

    out: shape (len(rows), ≥ 29), must be 0 before.
    """
    for index in range(len(rows)):
        i = rows[index]
        row = out[index]
        first, last, orders, gaps = 0, 0, 0, 0
        squares, last_gap = 0.0, 0.0
        weeks, months = 0, 0  # bit sets of the weeks and 30-day periods with an order
        bought, returned, last_value, previous_spend, previous_orders = 0.0, 0.0, 0.0, 0.0, 0
        cos_day, sin_day, cos_hour, sin_hour = 0.0, 0.0, 0.0, 0.0
        for line in range(start[i], start[i + 1]):
            moment = at[line]
            if moment >= as_of:
                break
            age = (as_of - moment) / DAY
            paid = -value[line] if is_return[line] else value[line]
            _add_spend(row, age, paid)
            if WINDOWS[1] < age <= 2 * WINDOWS[1]:
                previous_spend += paid
            if is_return[line]:
                returned += value[line]
                continue
            bought += value[line]
            if orders > 0 and moment == last:
                last_value += value[line]
                continue
            if orders == 0:
                first = moment
            else:
                last_gap = (moment - last) / DAY
                squares += last_gap * last_gap
                gaps += 1
            last, last_value = moment, value[line]
            orders += 1
            _count_order(row, age)
            if WINDOWS[1] < age <= 2 * WINDOWS[1]:
                previous_orders += 1
            if age < 7 * WEEKS:
                weeks |= 1 << int(age / 7)
            if age < 30 * MONTHS:
                months |= 1 << int(age / 30)
            day = moment % (7 * DAY) / (7 * DAY) * 2 * np.pi
            hour = moment % DAY / DAY * 2 * np.pi
            cos_day += np.cos(day)
            sin_day += np.sin(day)
            cos_hour += np.cos(hour)
            sin_hour += np.sin(hour)
        if orders == 0:
            continue
        recency = (as_of - last) / DAY
        row[RECENCY], row[TENURE], row[ORDERS] = recency, (as_of - first) / DAY, orders
        row[WEEKS_12], row[MONTHS_12] = _count_bits(weeks), _count_bits(months)
        _write_gaps(row, recency, (last - first) / DAY, gaps, squares, last_gap, shop_gap)
        _write_order_values(row, orders, bought, returned, last_value, previous_spend)
        row[ORDERS_TREND] = np.log((row[ORDERS_90] + 1.0) / (previous_orders + 1.0))
        row[WEEKDAY] = np.sqrt(cos_day**2 + sin_day**2) / (orders + 1)
        row[HOUR] = np.sqrt(cos_hour**2 + sin_hour**2) / (orders + 1)


@compiled
def measure_details(
    rows: Ints,
    start: Ints,
    at: Ints,
    value: Floats,
    is_return: Flags,
    units: Floats,
    discount: Floats,
    category: Ints,
    n_categories: int,
    as_of: int,
    out: Matrix,
) -> None:
    """Write units per order, discount share, categories bought, and the largest one's share.

    The share is of order lines. `out` must be 0 before. An array of length 0 stands for unknown values.
    """
    counts = np.zeros(max(n_categories, 1), np.int64)
    for index in range(len(rows)):
        i = rows[index]
        orders, last, lines, max_count, n_different = 0, 0, 0, 0, 0
        total_units, total_discount, paid = 0.0, 0.0, 0.0
        stop = start[i]
        for line in range(start[i], start[i + 1]):
            if at[line] >= as_of:
                break
            stop = line + 1
            if is_return[line]:
                continue
            if orders == 0 or at[line] != last:
                orders += 1
                last = at[line]
            paid += value[line]
            if len(units):
                total_units += units[line]
            if len(discount):
                total_discount += discount[line]
            if len(category) and category[line] >= 0:
                lines += 1
                counts[category[line]] += 1
                if counts[category[line]] == 1:
                    n_different += 1
                max_count = max(max_count, counts[category[line]])
        if len(category):
            for line in range(start[i], stop):
                if category[line] >= 0:
                    counts[category[line]] = 0
        out[index, 0] = total_units / orders if orders > 0 else 0.0
        out[index, 1] = total_discount / (paid + total_discount) if paid + total_discount > 0 else 0.0
        out[index, 2] = n_different
        out[index, 3] = max_count / lines if lines > 0 else 0.0


@compiled
def measure_visits(rows: Ints, start: Ints, at: Ints, kind: Ints, session: Ints, as_of: int, out: Matrix) -> None:
    """Write the visit columns.

    They are events and sessions in VISIT_WINDOWS, days since the last event, and events of each type in the last 30 days.
    """
    windows = len(VISIT_WINDOWS)
    last_session = np.empty(windows, np.int64)
    for index in range(len(rows)):
        i = rows[index]
        last = NO_VISIT_DAYS
        last_session[:] = -1
        for event in range(start[i], start[i + 1]):
            if at[event] >= as_of:
                break
            age = (as_of - at[event]) / DAY
            last = min(age, NO_VISIT_DAYS)
            for window in range(windows):
                if age <= VISIT_WINDOWS[window]:
                    out[index, window] += 1
                    if session[event] >= 0 and session[event] != last_session[window]:
                        out[index, windows + window] += 1
                        last_session[window] = session[event]
            if age <= VISIT_WINDOWS[1]:
                out[index, 2 * windows + 1 + kind[event]] += 1
        out[index, 2 * windows] = last


def fill_missing(column: npt.NDArray[np.float64] | None) -> Floats:
    """Return an empty array for None, since a kernel needs an array."""
    return np.empty(0) if column is None else column
