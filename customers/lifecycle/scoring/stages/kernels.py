"""The loop over customers' stories, compiled by Numba. The rules it follows are written in ``stages``."""

import numba
import numpy as np
import numpy.typing as npt

from config.foundation.array_types import NEVER, Floats, Ints

VISITOR, PROSPECT, NEW, ACTIVE, LOYAL, AT_RISK, DORMANT, CHURNED, REACTIVATED = range(9)
(
    FIRST_SEEN, IDENTIFIED, FIRST_ORDER, ORDERED, LOYAL_ORDERS, LOYAL_REVENUE, RETURNED, GAP_ACTIVE, GAP_LONG, GAP_DORMANT,
    GAP_CHURNED, RULES, ORDERS_CHANGED, ALIVE_LOW,
) = range(14)  # fmt: skip

# the columns of a row of thresholds, all whole numbers: microseconds, thousandths, counts, minor units
FIELDS = (
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

# the columns of a row about P(alive): the buying process (days), what its share of drop-outs counts from, (1 − p) / p of the least p
ALIVE_FIELDS = ("r", "alpha", "a", "b", "shift", "odds")
R, ALPHA, A, B, SHIFT, ODDS = range(6)
LONGEST_DAYS = 1e6

# what makes the stage change: an order, something else that was recorded, new rules, or time
BY_ORDER, BY_RECORD, BY_RULES, BY_TIME = range(4)

DAY = 86_400_000_000
CHANGES_A_FACT = 5  # e.g. reactivated → loyal → at risk → dormant → churned

compiled = numba.njit(nogil=True, cache=True)


@compiled
def _quantile(ordered: Ints, size: int, share: float) -> int:
    """Of the first ``size`` ascending values, between neighbours linearly."""
    place = share * (size - 1)
    low = int(place)
    if low + 1 >= size:
        return ordered[size - 1]
    return ordered[low] + np.int64((place - low) * (ordered[low + 1] - ordered[low]))


@compiled
def _insert(ordered: Ints, size: int, value: int) -> None:
    place = size
    while place > 0 and ordered[place - 1] > value:
        ordered[place] = ordered[place - 1]
        place -= 1
    ordered[place] = value


@compiled
def _gone_at(first: int, last: int, repeats: int, alive: Floats) -> int:
    """When P(alive) falls below the least without another order: the age T at which its formula gives just that.

    1 / (1 + a / (b + x − shift) · ((α + T) / (α + t_x))^(r + x)) = p, shift 1 for BG/NBD, 0 for MBG/NBD.
    """
    if alive[ODDS] <= 0.0 or (repeats == 0 and alive[SHIFT] > 0.0):
        return NEVER
    recency = float(last // DAY - first // DAY)
    base = alive[ODDS] * (alive[B] + repeats - alive[SHIFT]) / alive[A]
    grown = np.log(max(base, 1.0)) / (alive[R] + repeats) + np.log(alive[ALPHA] + recency)
    age = np.exp(min(grown, np.log(LONGEST_DAYS))) - alive[ALPHA]
    gone_at: int = first // DAY * DAY + int(age * DAY)
    return max(gone_at, last)


@compiled
def _stage_of(
    now: int,
    identified: bool,
    orders: int,
    last: int,
    returned: int,
    revenue: int,
    q75: int,
    q90: int,
    gone_at: int,
    rules: Ints,
) -> tuple[int, int]:
    """The stage at a moment, and the moment at which time alone ends it."""
    if orders == 0:
        return (PROSPECT if identified else VISITOR), NEVER
    age = now - last
    if orders == 1 and age < rules[SECOND_GAP]:
        return NEW, last + rules[SECOND_GAP]
    if now - returned < rules[MEDIAN_GAP]:
        return REACTIVATED, returned + rules[MEDIAN_GAP]
    if age < q75:
        loyal = orders >= rules[LOYAL_FROM] or revenue >= rules[LOYAL_AMOUNT]
        return (LOYAL if loyal else ACTIVE), last + q75
    if age <= q90 and q75 < q90:
        return AT_RISK, last + q90 + 1
    gone = min(last + q90 * rules[CHURNED_PERMILLE] // 1000, max(gone_at, last + q90))
    if now <= gone:
        return DORMANT, gone + 1
    return CHURNED, NEVER


@compiled
def _reason_of(stage: int, cause: int, orders: int, usual: bool, rules: Ints) -> int:
    """usual: whether the age alone would not make it churned yet."""
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
    if stage == CHURNED:
        return ALIVE_LOW if usual else GAP_CHURNED
    return GAP_LONG if stage == AT_RISK else GAP_DORMANT


@compiled
def tell_stories(
    known_at: Ints,
    identified_at: Ints,
    start: Ints,
    at: Ints,
    amount: Ints,
    is_order: npt.NDArray[np.bool_],
    epochs: Ints,
    rules: Ints,
    alive: Floats,
    category: Ints,
    category_gaps: Ints,
    as_of: int,
) -> tuple[Ints, Ints, Ints, Ints, Ints, Ints, Ints, Ints, Ints]:
    """stage, since, next flip of each customer; then row, from, to, at, reason, version of each change."""
    n = len(known_at)
    stages, sinces, flips = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)
    room = (start[n] - start[0] + n * (len(epochs) + 2)) * CHANGES_A_FACT
    rows, froms, tos = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.int64)
    ats, reasons, versions = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.int64)
    longest = 0
    for i in range(n):
        longest = max(longest, start[i + 1] - start[i])
    gaps = np.empty(longest + 1, np.int64)
    taken = np.zeros(category_gaps.shape[1], np.int64)  # orders by category
    k = 0
    for i in range(n):
        fact, stop = start[i], start[i + 1]
        while stop > fact and at[stop - 1] >= as_of:
            stop -= 1
        now = known_at[i]
        epoch = 0
        stage, since = -1, now
        identified = False
        orders, last, returned, revenue, gap_count = 0, 0, -NEVER, 0, 0
        first, repeats = 0, 0  # repeats: further days with an order
        taken[:] = 0
        main = -1
        q75, q90 = 0, 0
        cause = BY_RECORD
        while True:
            # all that happens at this moment
            if epoch + 1 < len(epochs) and epochs[epoch + 1] <= now:
                while epoch + 1 < len(epochs) and epochs[epoch + 1] <= now:
                    epoch += 1
                cause = BY_RULES if stage >= 0 else BY_RECORD
            if not identified and identified_at[i] <= now:
                identified = True
                cause = BY_RECORD
            while fact < stop and at[fact] <= now:
                revenue += amount[fact]
                if is_order[fact]:
                    if orders > 0 and at[fact] > last:
                        _insert(gaps, gap_count, at[fact] - last)
                        gap_count += 1
                    if stage in (DORMANT, CHURNED):
                        returned = at[fact]
                    if orders == 0:
                        first = at[fact]
                    elif at[fact] // DAY != last // DAY:
                        repeats += 1
                    orders += 1
                    last = at[fact]
                    cause = BY_ORDER
                    if len(taken) > 0 and category[fact] >= 0:
                        taken[category[fact]] += 1
                        if main < 0 or taken[category[fact]] > taken[main]:
                            main = category[fact]
                elif cause != BY_ORDER:
                    cause = BY_RECORD
                fact += 1
            rule = rules[epoch]
            if orders >= rule[OWN_FROM] and gap_count > 0:
                q75 = max(_quantile(gaps, gap_count, 0.75), DAY)
                q90 = max(_quantile(gaps, gap_count, 0.9), DAY)
            elif main >= 0 and category_gaps[epoch, main, 0] > 0:
                q75, q90 = category_gaps[epoch, main, 0], category_gaps[epoch, main, 1]
            else:
                q75, q90 = rule[ACTIVE_GAP], rule[DORMANT_GAP]
            gone_at = _gone_at(first, last, repeats, alive[epoch]) if orders > 0 else NEVER
            found, until = _stage_of(now, identified, orders, last, returned, revenue, q75, q90, gone_at, rule)
            if found != stage:
                rows[k], froms[k], tos[k], ats[k] = i, stage, found, now
                usual = now - last <= q90 * rule[CHURNED_PERMILLE] // 1000
                reasons[k], versions[k] = _reason_of(found, cause, orders, usual, rule), rule[VERSION]
                k += 1
                stage, since = found, now
            # what happens next, at the earliest; of the things of one moment, records come before time
            following = until
            cause = BY_TIME
            if not identified:
                following = min(following, identified_at[i])
            if epoch + 1 < len(epochs):
                following = min(following, epochs[epoch + 1])
            if fact < stop:
                following = min(following, at[fact])
            if following > as_of:
                break
            now = following
        stages[i], sinces[i], flips[i] = stage, since, until
    return (
        stages, sinces, flips, rows[:k].copy(), froms[:k].copy(), tos[:k].copy(), ats[:k].copy(), reasons[:k].copy(),
        versions[:k].copy(),
    )  # fmt: skip
