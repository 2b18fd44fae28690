"""The loop that derives stage histories, compiled by Numba.

``derivation`` documents the stage rules.
"""

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import NEVER, Floats, Ints
from config.foundation.kernels.compilation import make_jit
from customers.lifecycle.scoring.stages.gap_kernels import (
    ALPHA,
    MAX_DAYS,
    MEMORY,
    ODDS,
    SHIFT,
    WITHIN,
    A,
    B,
    R,
    count_days_between,
    find_guard_end,
    find_time_limits,
)

VISITOR, PROSPECT, NEW, ACTIVE, LOYAL, AT_RISK, DORMANT, CHURNED, REACTIVATED = range(9)
(
    FIRST_SEEN, IDENTIFIED, FIRST_ORDER, ORDERED, LOYAL_ORDERS, LOYAL_REVENUE, RETURNED, GAP_ACTIVE, GAP_LONG, GAP_DORMANT,
    GAP_CHURNED, RULES, ORDERS_CHANGED, ALIVE_LOW, GAP_RARE, GUARD_ENDED,
) = range(16)  # fmt: skip

# Columns of a threshold row, all integers: microseconds, thousandths, counts, minor currency units.
THRESHOLD_FIELDS = (
    "version",
    "second_gap_days",
    "median_gap_days",
    "active_gap_days",
    "dormant_gap_days",
    "churned_permille",
    "own_gaps_from_orders",
    "loyal_orders",
    "loyal_revenue",
)
VERSION, SECOND_GAP, MEDIAN_GAP, ACTIVE_GAP, DORMANT_GAP, CHURNED_PERMILLE, OWN_FROM, LOYAL_FROM, LOYAL_AMOUNT = range(
    9
)

# Positions in the limits of a customer: the moments at which time alone makes them at risk, dormant and churned, and the first moment
# at which their gaps would have made them dormant (without the guard) or churned (without P(alive)).
AT_RISK_AT, DORMANT_AT, CHURNED_AT, BY_GAPS_AT = range(4)

# The causes of a stage change: an order, any other recorded fact, new rules, or the passing of time.
BY_ORDER, BY_RECORD, BY_RULES, BY_TIME = range(4)

DAY = 86_400_000_000
YEAR = 365 * DAY
MAX_CHANGES_PER_FACT = 5  # e.g. reactivated → loyal → at risk → dormant → churned

compiled = make_jit(nogil=True)


@compiled
def _interpolate_quantile(ordered: Ints, size: int, share: float) -> int:
    """Return a quantile of the first ``size`` ascending values, interpolated linearly."""
    position = share * (size - 1)
    low = int(position)
    if low + 1 >= size:
        return ordered[size - 1]
    return ordered[low] + np.int64((position - low) * (ordered[low + 1] - ordered[low]))


@compiled
def _insert_sorted(ordered: Ints, size: int, value: int) -> None:
    """Insert a value into the first ``size`` ascending values."""
    position = size
    while position > 0 and ordered[position - 1] > value:
        ordered[position] = ordered[position - 1]
        position -= 1
    ordered[position] = value


@compiled
def _find_churn_time(first: int, last: int, repeats: int, alive: Floats) -> int:
    """Return the moment at which P(alive) falls below its minimum without another order.

    It is the age T that solves 1 / (1 + a / (b + x − shift) · ((α + T) / (α + t_x))^(r + x)) = p, with shift 1 for BG/NBD
    and 0 for MBG/NBD.
    first, last: the moments at which the days of the first and the last order begin.
    """
    if alive[ODDS] <= 0.0 or (repeats == 0 and alive[SHIFT] > 0.0):
        return NEVER
    recency = float(count_days_between(first, last))
    base = alive[ODDS] * (alive[B] + repeats - alive[SHIFT]) / alive[A]
    # The logarithm of α + T, capped so that exp() does not overflow for customers with very long gaps.
    log_age = np.log(max(base, 1.0)) / (alive[R] + repeats) + np.log(alive[ALPHA] + recency)
    age = np.exp(min(log_age, np.log(MAX_DAYS))) - alive[ALPHA]
    churn_time: int = first + int(age * DAY)
    return max(churn_time, last)


@compiled
def _find_stage(
    now: int,
    identified: bool,
    orders: int,
    last: int,
    returned: int,
    revenue: int,
    limits: Ints,
    rules: Ints,
    by_gaps: bool,
) -> tuple[int, int]:
    """Return the stage at a moment, and the moment at which the passing of time ends it."""
    if orders == 0:
        return (PROSPECT if identified else VISITOR), NEVER
    if orders == 1 and now - last < rules[SECOND_GAP]:
        return NEW, last + rules[SECOND_GAP]
    reactivated_until = returned + rules[MEDIAN_GAP]
    # With rules by quantiles, a customer stays reactivated for a median gap, even if the at-risk limit is earlier.
    if now < reactivated_until and (now < limits[AT_RISK_AT] or not by_gaps):
        return REACTIVATED, (min(reactivated_until, limits[AT_RISK_AT]) if by_gaps else reactivated_until)
    if now < limits[AT_RISK_AT]:
        loyal = orders >= rules[LOYAL_FROM] or revenue >= rules[LOYAL_AMOUNT]
        return (LOYAL if loyal else ACTIVE), limits[AT_RISK_AT]
    if now < limits[DORMANT_AT]:
        return AT_RISK, limits[DORMANT_AT]
    if now < limits[CHURNED_AT]:
        return DORMANT, limits[CHURNED_AT]
    return CHURNED, NEVER


@compiled
def _find_reason(stage: int, cause: int, orders: int, now: int, limits: Ints, rules: Ints, by_gaps: bool) -> int:
    """Return the reason of a change."""
    if cause == BY_RULES:
        return RULES
    if stage == VISITOR:
        return FIRST_SEEN
    if stage == PROSPECT:
        return IDENTIFIED
    if stage == NEW:
        return FIRST_ORDER
    if stage == REACTIVATED:
        return RETURNED
    if stage == LOYAL:
        return LOYAL_ORDERS if orders >= rules[LOYAL_FROM] else LOYAL_REVENUE
    if stage == ACTIVE:
        return ORDERED if cause == BY_ORDER else (GAP_ACTIVE if cause == BY_TIME else ORDERS_CHANGED)
    if stage == AT_RISK:
        return GAP_LONG
    if by_gaps:
        # The guard postponed a limit to the moment at which the guard ends.
        if limits[BY_GAPS_AT] < limits[DORMANT_AT] and (stage == DORMANT or limits[CHURNED_AT] == limits[DORMANT_AT]):
            return GUARD_ENDED
        return GAP_RARE if stage == DORMANT else GAP_CHURNED
    if stage == CHURNED:
        return ALIVE_LOW if now < limits[BY_GAPS_AT] else GAP_CHURNED
    return GAP_DORMANT


@compiled
def _find_quantiles(
    orders: int, gaps: Ints, gap_count: int, main: int, epoch: int, rule: Ints, category_gaps: Ints
) -> tuple[int, int]:
    """Return the 75 % and 90 % gap.

    It is the customer's own, else the main category's, else the shop's.
    """
    if orders >= rule[OWN_FROM] and gap_count > 0:
        q75 = max(_interpolate_quantile(gaps, gap_count, 0.75), DAY)
        q90 = max(_interpolate_quantile(gaps, gap_count, 0.9), DAY)
        return q75, q90
    if main >= 0 and category_gaps[epoch, main, 0] > 0:
        return category_gaps[epoch, main, 0], category_gaps[epoch, main, 1]
    return rule[ACTIVE_GAP], rule[DORMANT_GAP]


@compiled
def _find_quantile_limits(
    last: int, rhythm: tuple[int, int, int, float, float], q75: int, q90: int, rule: Ints, alive: Floats, limits: Ints
) -> None:
    """Write the limits by the 75 % and 90 % gap and P(alive)."""
    limits[AT_RISK_AT] = last + q75
    limits[DORMANT_AT] = last + q90 + 1 if q75 < q90 else last + q75
    limits[BY_GAPS_AT] = last + q90 * rule[CHURNED_PERMILLE] // 1000 + 1
    # A low P(alive) may end the dormant stage early, but never before the 90 % gap has passed.
    churn_time = _find_churn_time(rhythm[0], rhythm[1], rhythm[2], alive)
    limits[CHURNED_AT] = min(limits[BY_GAPS_AT], max(churn_time, last + q90) + 1)


@compiled
def _find_rare_gap_limits(
    last: int, rhythm: tuple[int, int, int, float, float], prior_mean: float, rule: Floats, alive: Floats, limits: Ints
) -> None:
    """Write the limits by the probability of a longer gap; the guard postpones dormant and churned."""
    first_day, last_day, repeats, weight, log_sum = rhythm
    find_time_limits(last, repeats, weight, log_sum, prior_mean, rule, limits)
    limits[BY_GAPS_AT] = limits[DORMANT_AT]
    limits[DORMANT_AT] = find_guard_end(first_day, last_day, repeats, limits[DORMANT_AT], alive, rule)
    limits[CHURNED_AT] = max(limits[CHURNED_AT], limits[DORMANT_AT])


@compiled
def count_category_order(category_orders: Ints, category: int, main: int) -> int:
    """Count an order of a category and return the main one; -1 stands for an unknown category."""
    if category < 0:
        return main
    category_orders[category] += 1
    # A strict comparison: of several leading categories the one that got there first stays.
    return category if main < 0 or category_orders[category] > category_orders[main] else main


@compiled
def _add_gap(gaps: Ints, gap_count: int, orders: int, last: int, at: int) -> int:
    """Add the gap before an order; two orders of one moment are one visit, so they leave no gap."""
    if orders == 0 or at <= last:
        return gap_count
    _insert_sorted(gaps, gap_count, at - last)
    return gap_count + 1


@compiled
def _count_day(orders: int, day: int, rhythm: tuple[int, int, int, float, float]) -> tuple[int, int, int, float, float]:
    """Return the rhythm with an order on a day, which is the moment at which the day begins.

    It consists of the first and the last day, the number of days after the first one, and weight and weighted logarithms of the gaps.
    """
    first, last, repeats, weight, log_sum = rhythm
    if orders == 0:
        return day, day, repeats, weight, log_sum
    days = count_days_between(last, day)
    if days == 0:
        return rhythm
    return first, day, repeats + 1, MEMORY * weight + 1.0, MEMORY * log_sum + np.log(float(days))


@compiled
def _leave_year(at: Ints, amount: Ints, fact: int, year_fact: int, year_revenue: int) -> tuple[int, int]:
    """Return the first fact of the 12 months up to a fact, and their revenue without the facts before it."""
    while at[year_fact] <= at[fact] - YEAR:
        year_revenue -= amount[year_fact]
        year_fact += 1
    return year_fact, year_revenue


@compiled
def _advance_epoch(epochs: Ints, epoch: int, now: int) -> int:
    """Return the rules' epoch at a moment that is not before that of `epoch`."""
    while epoch + 1 < len(epochs) and epochs[epoch + 1] <= now:
        epoch += 1
    return epoch


@compiled
def _find_next_moment(
    until: int, identified: bool, identified_at: int, epochs: Ints, epoch: int, at: Ints, fact: int, stop: int
) -> int:
    """Return when the stage may change next.

    Causes are time, identification, new rules or the next fact.
    """
    following = until
    if not identified:
        following = min(following, identified_at)
    if epoch + 1 < len(epochs):
        following = min(following, epochs[epoch + 1])
    if fact < stop:
        following = min(following, at[fact])
    return following


@compiled
def _derive_customer(
    row: int, known_at: int, identified_at: int, fact: int, stop: int, at: Ints, day: Ints, amount: Ints,
    is_order: npt.NDArray[np.bool_], epochs: Ints, rules: Ints, alive: Floats, gap_rules: Floats, category: Ints,
    category_gaps: Ints, category_means: Floats, as_of: int, time_limit: int, gaps: Ints, category_orders: Ints, limits: Ints,
    rows: Ints, froms: Ints, tos: Ints, ats: Ints, reasons: Ints, versions: Ints, k: int,
) -> tuple[int, int, int, int]:  # fmt: skip
    """Write one customer's changes from index k on.

    Return stage, since, the next change by time, and the new k.
    gaps, category_orders, limits: scratch space, the customer's gaps in ascending order, orders by category, and limits.
    """
    now, epoch = known_at, 0
    stage, since, identified = -1, now, False
    orders, last, returned, revenue, gap_count = 0, 0, -NEVER, 0, 0
    rhythm, main = (0, 0, 0, 0.0, 0.0), -1
    year_fact, year_revenue = fact, 0  # the first fact of the 12 months up to the latest one, and their revenue
    category_orders[:] = 0
    cause = BY_RECORD
    while True:
        # Apply everything that happens at this moment before the stage is evaluated, so that one moment gives one change.
        if epoch + 1 < len(epochs) and epochs[epoch + 1] <= now:
            epoch = _advance_epoch(epochs, epoch, now)
            cause = BY_RULES if stage >= 0 else BY_RECORD
        if not identified and identified_at <= now:
            identified = True
            cause = BY_RECORD
        while fact < stop and at[fact] <= now:
            revenue += amount[fact]
            year_revenue += amount[fact]
            year_fact, year_revenue = _leave_year(at, amount, fact, year_fact, year_revenue)
            if is_order[fact]:
                gap_count = _add_gap(gaps, gap_count, orders, last, at[fact])
                rhythm = _count_day(orders, day[fact], rhythm)
                if stage in (DORMANT, CHURNED):
                    returned = at[fact]
                orders += 1
                last, cause = at[fact], BY_ORDER
                main = count_category_order(category_orders, category[fact], main)
            elif cause != BY_ORDER:
                cause = BY_RECORD
            fact += 1
        rule, by_gaps = rules[epoch], gap_rules[epoch, WITHIN] > 0.0
        if cause != BY_TIME and orders > 0:
            # The limits change with facts and rules only, so the passing of time reuses them.
            if by_gaps:
                prior_mean = category_means[epoch, main]
                _find_rare_gap_limits(last, rhythm, prior_mean, gap_rules[epoch], alive[epoch], limits)
            else:
                q75, q90 = _find_quantiles(orders, gaps, gap_count, main, epoch, rule, category_gaps)
                _find_quantile_limits(last, rhythm, q75, q90, rule, alive[epoch], limits)
        # While orders of the whole shop are missing, time does not count against anyone.
        clock = max(min(now, time_limit), last)
        spent = year_revenue if by_gaps else revenue
        new_stage, until = _find_stage(clock, identified, orders, last, returned, spent, limits, rule, by_gaps)
        if new_stage != stage:
            rows[k], froms[k], tos[k], ats[k], versions[k] = row, stage, new_stage, now, rule[VERSION]
            reasons[k] = _find_reason(new_stage, cause, orders, clock, limits, rule, by_gaps)
            k += 1
            stage, since = new_stage, now
        # Where several things happen at one moment, recorded facts overwrite this cause.
        cause = BY_TIME
        by_time = until if until <= time_limit else NEVER
        now = _find_next_moment(by_time, identified, identified_at, epochs, epoch, at, fact, stop)
        if now > as_of:
            return stage, since, until, k


@compiled
def derive_stage_histories(
    known_at: Ints,
    identified_at: Ints,
    start: Ints,
    at: Ints,
    day: Ints,
    amount: Ints,
    is_order: npt.NDArray[np.bool_],
    epochs: Ints,
    rules: Ints,
    alive: Floats,
    gap_rules: Floats,
    category: Ints,
    category_gaps: Ints,
    category_means: Floats,
    as_of: int,
    time_limit: int,
) -> tuple[Ints, Ints, Ints, Ints, Ints, Ints, Ints, Ints, Ints]:
    """Return stage, since and next change of each customer.

    day: the moments at which the days of the facts begin.
    Then row, from, to, at, reason and version of each change.
    """
    n = len(known_at)
    stages, sinces, next_changes = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)
    # An upper bound of the number of changes, so that the loop never has to grow an array.
    room = (start[n] - start[0] + n * (len(epochs) + 2)) * MAX_CHANGES_PER_FACT
    rows, froms, tos = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.int64)
    ats, reasons, versions = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.int64)
    longest = 0
    for i in range(n):
        longest = max(longest, start[i + 1] - start[i])
    gaps = np.empty(longest + 1, np.int64)
    category_orders = np.zeros(category_gaps.shape[1], np.int64)
    limits = np.zeros(4, np.int64)
    k = 0
    for i in range(n):
        fact, stop = start[i], start[i + 1]
        while stop > fact and at[stop - 1] >= as_of:
            stop -= 1
        stages[i], sinces[i], next_changes[i], k = _derive_customer(
            i, known_at[i], identified_at[i], fact, stop, at, day, amount, is_order, epochs, rules, alive, gap_rules, category,
            category_gaps, category_means, as_of, time_limit, gaps, category_orders, limits,
            rows, froms, tos, ats, reasons, versions, k,
        )  # fmt: skip
    return (
        stages, sinces, next_changes, rows[:k].copy(), froms[:k].copy(), tos[:k].copy(), ats[:k].copy(),
        reasons[:k].copy(), versions[:k].copy(),
    )  # fmt: skip
