"""The incremental lift of all marketing in the outcomes, by comparison with the global holdout group.

The figures come from the report of `sending.global_holdout`, so both pages show the same ones. The lift in satisfaction cannot be
measured: too few customers in the holdout group answer, and messages that ask for reviews are marketing, which the group does not get.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from config.foundation.statistics import ConfidenceInterval
from customers.analytics.expressions.periods import PeriodUnit
from customers.analytics.outcomes.growth import GrowthResult
from customers.analytics.outcomes.parameters import OutcomeParameters
from recommendations.measurement.comparison import ComparisonVerdict
from recommendations.sending.global_holdout.report import HoldoutEffect, HoldoutReport
from recommendations.sending.global_holdout.retention import RetentionEffect


@dataclass(frozen=True)
class LiftPeriod:
    """The incremental lift in a month, or since the holdout group began if month is None.

    Attributes:
        revenue: additional revenue from all customers with marketing. revenue_per_customer, conversion: lift per such customer, where
            conversion is the share who order in the window. shop_revenue: revenue from all customers in that month. share: additional
            revenue as a share of it. All are None if unknown.
    """

    month: date | None
    since: datetime
    until: datetime
    is_running: bool
    verdict: ComparisonVerdict
    marketing_customers: int
    holdout_customers: int
    revenue: ConfidenceInterval | None
    revenue_per_customer: ConfidenceInterval | None
    conversion: ConfidenceInterval | None
    retention: RetentionEffect | None
    shop_revenue: float | None
    share: float | None


@dataclass(frozen=True)
class MarketingLift:
    """The whole time (None without a complete month) and the months, latest first."""

    total: LiftPeriod | None
    months: tuple[LiftPeriod, ...]


def build_marketing_lift(report: HoldoutReport, revenue_by_month: Mapping[date, float]) -> MarketingLift:
    """Return the incremental lift of marketing.

    revenue_by_month: the revenue of all customers in complete months, by the first day.
    """
    return MarketingLift(
        build_lift_period(report.total, revenue_by_month) if report.total else None,
        tuple(build_lift_period(effect, revenue_by_month) for effect in report.months),
    )


def build_lift_period(effect: HoldoutEffect, revenue_by_month: Mapping[date, float]) -> LiftPeriod:
    comparison = effect.comparison if effect.is_readable else None
    revenue = comparison.revenue if comparison else None
    conversion = comparison.conversion if comparison else None
    shop_revenue = None if effect.month is None or effect.is_running else revenue_by_month.get(effect.month)
    return LiftPeriod(
        month=effect.month,
        since=effect.since,
        until=effect.end,
        is_running=effect.is_running,
        verdict=effect.verdict,
        marketing_customers=effect.comparison.treated.customers,
        holdout_customers=effect.comparison.control.customers,
        revenue=revenue.total if revenue else None,
        revenue_per_customer=revenue.effect if revenue else None,
        conversion=conversion.effect if conversion else None,
        retention=effect.retention,
        shop_revenue=shop_revenue,
        share=revenue.total.value / shop_revenue if revenue and shop_revenue else None,
    )


def list_month_revenues(result: GrowthResult | None, parameters: OutcomeParameters) -> dict[date, float]:
    """Return the revenue of all customers by complete month; nothing for other periods or for a segment."""
    if result is None or parameters.unit != PeriodUnit.MONTH or parameters.filtered_segment:
        return {}
    return {period.start: period.revenue for period in result.groups[0].periods if period.is_complete}
