"""The features of the products a customer bought before, computed in one pass over the purchases."""

import numpy as np

from config.foundation.array_types import AnyInts, Floats, Ints, Rows
from recommendations.engine.algorithms.repeat.boosted_trees import Matrix
from recommendations.engine.linear_algebra.jit import compiled

FEATURES = (
    "orders",  # of the customer with the product
    "order_share",  # of the customer's orders
    "order_share_since_first",  # of the customer's orders since the first with the product
    "recent_orders_share",  # of the customer's last orders
    "frequency_long",  # orders with the product, aged by the half-life
    "frequency_short",  # the same with a quarter of the half-life
    "frequency_by_order",  # the same, halved every few orders of the customer
    "orders_since",  # the last order with the product
    "days_since",
    "days_since_first",
    "gap_mean",  # of the logarithm of the customer's days between orders with the product, shrunk toward the product's
    "gap_spread",
    "since_to_gap",  # logarithm of the days since the last order over the mean gap
    "since_to_last_gap",
    "since_to_product_gap",
    "product_gap",
    "product_again",  # share of the product's purchases that are followed by another
    "product_popularity",
    "product_trend",
    "customer_orders",
    "customer_gap",
    "customer_since",  # days since the customer's last order
    "customer_basket",  # products per order
    "customer_items",  # distinct products
)
RECENT_ORDERS = 5
ORDERS_HALF_LIFE = 5.0
SHORT_SHARE = 0.25  # of the half-life
GAP_SHRINKAGE = 1.0
MIN_GAP_DAYS = 1.0
MIN_SINCE_DAYS = 0.1
NO_GAP = 9.0  # since_to_last_gap of products ordered once; larger than any ratio that occurs


@compiled
def measure_products(
    indptr: Ints,
    item: AnyInts,
    day: Floats,
    as_of: float,
    half_life_days: float,
    limit: int,
    product_features: Floats,
    slots: Rows,
    counts: Ints,
    items: Rows,
    matrix: Matrix,
) -> int:
    """Write the products of each history and their features; return the number of rows written.

    indptr, item, day: purchases, oldest first; equal days are one order. as_of: day from which ages count; NaN: each history's last
    order. limit: only the products with the largest frequency_long, in order of their first purchase. product_features: (n_items, 5),
    mean and variance of log gaps, share bought again, popularity, trend. slots: (n_items,), -1 before and after. counts: rows of each
    history. items, matrix: of capacity min(limit, purchases) per history.
    """
    written = 0
    for history in range(indptr.shape[0] - 1):
        start, stop = indptr[history], indptr[history + 1]
        counts[history] = 0
        if start == stop:
            continue
        own_items, sums, numbers, order_days = _sum_purchases(item, day, start, stop, as_of, half_life_days, slots)
        chosen = _choose_products(sums[:, 0], limit)
        now = order_days[-1] if np.isnan(as_of) else as_of
        n_lines = 0
        for index in range(numbers.shape[0]):
            n_lines += numbers[index, 0]
        for index in chosen:
            product = own_items[index]
            items[written] = product
            _write_features(
                sums[index], numbers[index], order_days, now, n_lines, len(own_items), product_features[product],
                matrix[written],
            )  # fmt: skip
            written += 1
        counts[history] = len(chosen)
    return written


@compiled
def _sum_purchases(
    item: AnyInts, day: Floats, start: int, stop: int, as_of: float, half_life_days: float, slots: Rows
) -> tuple[Rows, Floats, Ints, Floats]:
    """Return the distinct items of one history, their sums and numbers, and the days of its orders.

    sums: frequencies long, short and by order; Σ and Σ² of log gaps, and the last one. numbers: orders with the item, gaps, first and
    last order, and those among the last orders.
    """
    order_days = np.empty(stop - start)
    n_orders = 0
    for entry in range(start, stop):
        if n_orders == 0 or day[entry] != order_days[n_orders - 1]:
            order_days[n_orders] = day[entry]
            n_orders += 1
    order_days = order_days[:n_orders].copy()
    now = order_days[n_orders - 1] if np.isnan(as_of) else as_of
    long_weights = np.exp2(-np.maximum(now - order_days, 0.0) / half_life_days)
    short_weights = np.exp2(-np.maximum(now - order_days, 0.0) / (half_life_days * SHORT_SHARE))
    own_items = np.empty(stop - start, np.int32)
    sums = np.zeros((stop - start, 6))
    numbers = np.zeros((stop - start, 5), np.int64)
    n_items, order = 0, -1
    for entry in range(start, stop):
        if order < 0 or day[entry] != order_days[order]:
            order += 1
        slot = slots[item[entry]]
        if slot < 0:
            slot = n_items
            slots[item[entry]] = slot
            own_items[slot] = item[entry]
            numbers[slot, 2], numbers[slot, 3] = order, -1
            n_items += 1
        last = numbers[slot, 3]
        if last == order:  # another line of the same order
            continue
        gap = order_days[order] - order_days[last] if last >= 0 else 0.0
        if gap >= MIN_GAP_DAYS:
            log_gap = np.log(gap)
            sums[slot, 3] += log_gap
            sums[slot, 4] += log_gap * log_gap
            sums[slot, 5] = log_gap
            numbers[slot, 1] += 1
        numbers[slot, 0] += 1
        numbers[slot, 3] = order
        numbers[slot, 4] += order >= n_orders - RECENT_ORDERS
        sums[slot, 0] += long_weights[order]
        sums[slot, 1] += short_weights[order]
        sums[slot, 2] += 2.0 ** (-(n_orders - 1 - order) / ORDERS_HALF_LIFE)
    for slot in range(n_items):
        slots[own_items[slot]] = -1
    return own_items[:n_items], sums[:n_items], numbers[:n_items], order_days


@compiled
def _choose_products(frequency: Floats, limit: int) -> Ints:
    """Return the indexes of the largest frequencies, ascending; of equal ones the later first purchases."""
    if len(frequency) <= limit:
        return np.arange(len(frequency))
    # Sorting is stable, so the last `limit` of an ascending order include the later of equal ones.
    return np.sort(np.argsort(frequency, kind="mergesort")[len(frequency) - limit :])


@compiled
def _write_features(
    sums: Floats,
    numbers: Ints,
    order_days: Floats,
    now: float,
    n_lines: int,
    n_items: int,
    product: Floats,
    out: Matrix,
) -> None:
    """Write one row of FEATURES."""
    n_orders = len(order_days)
    n, n_gaps, first, last = numbers[0], numbers[1], numbers[2], numbers[3]
    mean, variance, again, popularity, trend = product[0], product[1], product[2], product[3], product[4]
    since = max(now - order_days[last], 0.0)
    log_since = np.log(max(since, MIN_SINCE_DAYS))
    own_mean = (sums[3] + GAP_SHRINKAGE * mean) / (n_gaps + GAP_SHRINKAGE)
    squared = sums[4] - 2 * own_mean * sums[3] + n_gaps * own_mean * own_mean
    out[0], out[1], out[2] = n, n / n_orders, n / (n_orders - first)
    out[3] = numbers[4] / min(n_orders, RECENT_ORDERS)
    out[4], out[5], out[6] = sums[0], sums[1], sums[2]
    out[7], out[8], out[9] = n_orders - 1 - last, since, max(now - order_days[first], 0.0)
    out[10] = own_mean
    out[11] = np.sqrt(max((squared + GAP_SHRINKAGE * variance) / (n_gaps + GAP_SHRINKAGE), 0.0))
    out[12] = log_since - own_mean
    out[13] = log_since - sums[5] if n_gaps > 0 else NO_GAP
    out[14] = log_since - mean
    out[15], out[16], out[17], out[18] = mean, again, popularity, trend
    out[19] = n_orders
    out[20] = (order_days[-1] - order_days[0]) / max(n_orders - 1, 1)
    out[21] = max(now - order_days[-1], 0.0)
    out[22], out[23] = n_lines / n_orders, n_items
