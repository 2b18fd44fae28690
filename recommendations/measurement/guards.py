"""Guard metrics: what must not get worse, whatever the message earns."""

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from math import sqrt
from statistics import NormalDist

from config.foundation.statistics import ConfidenceInterval, compare_shares, compute_wilson_interval
from recommendations.measurement.outcomes.columns import OutcomeColumn
from recommendations.measurement.outcomes.counting import GroupOutcomes

WITHDRAWAL_TOLERANCE = 0.005  # half a point more customers who withdraw their consent
RETURN_TOLERANCE = 0.02  # two points more returns per order
MIN_ELAPSED = timedelta(days=1)  # most reactions to a message come within a day
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
    elapsed: timedelta,
    level: float,
) -> tuple[GuardComparison, ...]:
    """Return the guard metrics that can be computed.

    complaints: their number, and messages sent; None for a test that sends none. elapsed: the time since the start. Before a message
    is sent, and in the first day, nothing can have been harmed yet, so that a narrow interval does not show that there is no harm.
    """
    guards = [compare_withdrawals(treated, control, level)]
    if complaints is not None and complaints[1]:
        share = compute_wilson_interval(*complaints, level=level)
        verdict = choose_guard_verdict(share, COMPLAINT_LIMIT, harm_above=COMPLAINT_LIMIT)
        guards.append(GuardComparison(Guard.COMPLAINTS, share.value, None, share, COMPLAINT_LIMIT, verdict))
    if treated.orders and control.orders:
        guards.append(compare_returns(treated, control, level))
    is_early = elapsed < MIN_ELAPSED or (complaints is not None and not complaints[1])
    return tuple(withhold_no_harm(guard) if is_early else guard for guard in guards)


def withhold_no_harm(guard: GuardComparison) -> GuardComparison:
    """Return the guard metric of a test that is too young to show that there is no harm."""
    return replace(guard, verdict=GuardVerdict.TOO_FEW) if guard.verdict == GuardVerdict.NO_HARM else guard


def compare_withdrawals(treated: GroupOutcomes, control: GroupOutcomes, level: float) -> GuardComparison:
    counts = [round(group.get_sum(OutcomeColumn.WITHDREW)) for group in (treated, control)]
    difference = compare_shares(counts[0], treated.customers, counts[1], control.customers, level=level)
    return GuardComparison(
        Guard.WITHDRAWALS,
        counts[0] / treated.customers,
        counts[1] / control.customers,
        difference,
        WITHDRAWAL_TOLERANCE,
        choose_guard_verdict(difference, WITHDRAWAL_TOLERANCE),
    )


def compare_returns(treated: GroupOutcomes, control: GroupOutcomes, level: float) -> GuardComparison:
    """Compare returns per order, R = Σ returns / Σ orders.

    Its variance is that of a ratio of two means with customers as units: Σ(r − R·o)² / (Σ o)², by the delta method. Without a return
    in either group, the interval is Newcombe's, of orders.
    """
    rates, variances = zip(*(compute_return_rate(group) for group in (treated, control)), strict=True)
    if any(rates):
        margin = NormalDist().inv_cdf((1 + level) / 2) * sqrt(sum(variances))
        value = rates[0] - rates[1]
        difference = ConfidenceInterval(value, value - margin, value + margin)
    else:
        difference = compare_shares(0, treated.orders, 0, control.orders, level=level)
    verdict = choose_guard_verdict(difference, RETURN_TOLERANCE)
    return GuardComparison(Guard.RETURNS, rates[0], rates[1], difference, RETURN_TOLERANCE, verdict)


def compute_return_rate(group: GroupOutcomes) -> tuple[float, float]:
    """Return the returns per order and the variance of that."""
    products, orders = group.moments.products, group.get_sum(OutcomeColumn.ORDERS)
    rate = group.get_sum(OutcomeColumn.RETURNS) / orders
    squares = (
        products[OutcomeColumn.RETURNS, OutcomeColumn.RETURNS]
        - 2 * rate * products[OutcomeColumn.RETURNS, OutcomeColumn.ORDERS]
        + rate**2 * products[OutcomeColumn.ORDERS, OutcomeColumn.ORDERS]
    )
    return rate, max(float(squares), 0.0) / orders**2


def choose_guard_verdict(difference: ConfidenceInterval, tolerance: float, *, harm_above: float = 0.0) -> GuardVerdict:
    if difference.low > harm_above:
        return GuardVerdict.HARM
    return GuardVerdict.NO_HARM if difference.high < tolerance else GuardVerdict.TOO_FEW
