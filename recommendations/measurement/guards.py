"""Guard metrics: what must not get worse, whatever the message earns."""

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from math import sqrt

from config.foundation.statistics import ConfidenceInterval, compare_shares, compute_wilson_interval
from recommendations.measurement.outcomes.columns import OutcomeColumn
from recommendations.measurement.outcomes.counting import GroupOutcomes
from recommendations.measurement.statistics.moments import GroupMoments
from recommendations.measurement.timeline import Timeline

WITHDRAWAL_TOLERANCE = 0.005  # half a point more customers who withdraw their consent
RETURN_TOLERANCE = 0.02  # two points more returns per order
MIN_ELAPSED = timedelta(days=1)  # most reactions to a message come within a day
MIN_ORDERS = 20  # of each group; with fewer, their return rate says nothing
FEW_RETURNS = 10  # orders of a group that were returned, or were not: with fewer, their share is not nearly normal
COMPLAINT_LIMIT = 0.001  # of the messages: mail providers ask senders to stay below 0.1%


class Guard(StrEnum):
    WITHDRAWALS = "withdrawals"
    COMPLAINTS = "complaints"
    RETURNS = "returns"


class GuardVerdict(StrEnum):
    """HARM: the interval is above 0, or for complaints above the limit. NO_HARM: it is below the tolerance, a day after the start."""

    HARM = "harm"
    NO_HARM = "no_harm"
    TOO_FEW = "too_few"


@dataclass(frozen=True)
class GuardComparison:
    """One guard metric: the shares of both groups and their difference. Complaints have no control: only messages get them."""

    guard: Guard
    treated: float
    control: float | None
    difference: ConfidenceInterval
    tolerance: float
    verdict: GuardVerdict


def compare_guards(
    treated: GroupOutcomes,
    control: GroupOutcomes,
    *,
    complaints: tuple[int, int] | None,
    timeline: Timeline,
    level: float,
) -> tuple[GuardComparison, ...]:
    """Return the guard metrics that can be computed.

    While the test runs, the intervals are always valid: the page may be looked at every day. Before a message is sent, and in the
    first day, nothing can have been harmed yet, so that a narrow interval does not show that there is no harm.

    Args:
        complaints: their number, and messages sent; None for a test that sends none.
    """
    critical_value = timeline.compute_critical_value(level)
    guards = [compare_withdrawals(treated, control, critical_value)]
    if complaints is not None and complaints[1]:
        share = compute_wilson_interval(*complaints, critical_value=critical_value)
        verdict = choose_guard_verdict(share, COMPLAINT_LIMIT, harm_above=COMPLAINT_LIMIT)
        guards.append(GuardComparison(Guard.COMPLAINTS, share.value, None, share, COMPLAINT_LIMIT, verdict))
    if treated.orders and control.orders:
        guards.append(compare_returns(treated, control, critical_value))
    is_early = timeline.as_of - timeline.started_at < MIN_ELAPSED or (complaints is not None and not complaints[1])
    return tuple(withhold_no_harm(guard) if is_early else guard for guard in guards)


def withhold_no_harm(guard: GuardComparison) -> GuardComparison:
    """Return the guard metric of a test that is too young to show that there is no harm."""
    return replace(guard, verdict=GuardVerdict.TOO_FEW) if guard.verdict == GuardVerdict.NO_HARM else guard


def compare_withdrawals(treated: GroupOutcomes, control: GroupOutcomes, critical_value: float) -> GuardComparison:
    counts = [round(group.get_sum(OutcomeColumn.WITHDREW)) for group in (treated, control)]
    difference = compare_shares(
        counts[0], treated.customers, counts[1], control.customers, critical_value=critical_value
    )
    return GuardComparison(
        Guard.WITHDRAWALS,
        counts[0] / treated.customers,
        counts[1] / control.customers,
        difference,
        WITHDRAWAL_TOLERANCE,
        choose_guard_verdict(difference, WITHDRAWAL_TOLERANCE),
    )


def compare_returns(treated: GroupOutcomes, control: GroupOutcomes, critical_value: float) -> GuardComparison:
    """Compare returns per order, R = Σ returns / Σ orders.

    Its variance is that of a ratio of two means with customers as units: Σ(r − R·o)² / (Σ o)², by the delta method. A small group with
    few returns would underestimate its own, down to 0 without a return. So the larger of two variances counts, and with FEW_RETURNS, the
    interval is Newcombe's, of orders ÷ design effect.
    """
    counts = [
        (group.get_sum(OutcomeColumn.RETURNS), group.get_sum(OutcomeColumn.ORDERS)) for group in (treated, control)
    ]
    rates = [returns / orders for returns, orders in counts]
    value = rates[0] - rates[1]
    if min(min(returns, orders - returns) for returns, orders in counts) < FEW_RETURNS:
        effect = compute_design_effect(treated.moments + control.moments)
        sizes = [orders / effect for _returns, orders in counts]
        shares = [min(max(rate, 0.0), 1.0) for rate in rates]  # an order can be returned in several parts
        compared = compare_shares(
            shares[0] * sizes[0], sizes[0], shares[1] * sizes[1], sizes[1], critical_value=critical_value
        )
        difference = ConfidenceInterval(value, min(compared.low, value), max(compared.high, value))
    else:
        margin = critical_value * sqrt(max(estimate_rate_variances(treated.moments, control.moments)))
        difference = ConfidenceInterval(value, value - margin, value + margin)
    verdict = choose_guard_verdict(difference, RETURN_TOLERANCE)
    if min(orders for _returns, orders in counts) < MIN_ORDERS:
        verdict = GuardVerdict.TOO_FEW
    return GuardComparison(Guard.RETURNS, rates[0], rates[1], difference, RETURN_TOLERANCE, verdict)


def estimate_rate_variances(*groups: GroupMoments) -> tuple[float, float]:
    """Return the variance of the difference of the return rates, estimated from each group alone, and from both as if there were no harm."""
    orders = [float(group.sums[OutcomeColumn.ORDERS]) for group in groups]
    rates = [float(group.sums[OutcomeColumn.RETURNS]) / size for group, size in zip(groups, orders, strict=True)]
    own = sum(
        sum_squared_residuals(group, rate) / size**2 for group, rate, size in zip(groups, rates, orders, strict=True)
    )
    both = groups[0] + groups[1]
    rate = float(both.sums[OutcomeColumn.RETURNS]) / sum(orders)
    return own, sum_squared_residuals(both, rate) / sum(orders) * sum(1 / size for size in orders)


def sum_squared_residuals(moments: GroupMoments, rate: float) -> float:
    """Return Σ(r − R·o)² over the customers."""
    products = moments.products
    squares = (
        products[OutcomeColumn.RETURNS, OutcomeColumn.RETURNS]
        - 2 * rate * products[OutcomeColumn.RETURNS, OutcomeColumn.ORDERS]
        + rate**2 * products[OutcomeColumn.ORDERS, OutcomeColumn.ORDERS]
    )
    return max(float(squares), 0.0)


def compute_design_effect(moments: GroupMoments) -> float:
    """Return by what factor the variance of the return rate is larger than with independent orders, at least 1.

    Orders of one customer are alike. Of both groups together, because a group with few returns does not show it.
    """
    orders = float(moments.sums[OutcomeColumn.ORDERS])
    rate = float(moments.sums[OutcomeColumn.RETURNS]) / orders
    independent = rate * (1 - rate) * orders
    return max(sum_squared_residuals(moments, rate) / independent, 1.0) if independent > 0 else 1.0


def choose_guard_verdict(difference: ConfidenceInterval, tolerance: float, *, harm_above: float = 0.0) -> GuardVerdict:
    if difference.low > harm_above:
        return GuardVerdict.HARM
    return GuardVerdict.NO_HARM if difference.high < tolerance else GuardVerdict.TOO_FEW
