"""Builds the card "Incremental lift of marketing" of the page Outcomes, and its CSV file."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.backoffice.tables import Column, build_table
from config.foundation.number_formats import NO_VALUE, format_change, format_count, format_percent
from config.foundation.statistics import ConfidenceInterval
from recommendations.measurement.presentation.formats import format_interval, format_points, format_signed_money
from recommendations.outcomes.incremental_lift import LiftPeriod, MarketingLift
from recommendations.sending.backoffice.holdout import texts
from recommendations.sending.backoffice.holdout.page import KINDS, build_chart, describe_first_month
from recommendations.sending.global_holdout.report import HoldoutReport

COLUMNS = (
    Column(key="month", label=gettext_lazy("Month"), align="text"),
    Column(key="revenue", label=gettext_lazy("Additional revenue")),
    Column(key="share", label=gettext_lazy("Share of the revenue of all customers")),
    Column(key="conversion", label=gettext_lazy("Customers who order, in percentage points")),
    Column(key="retention", label=gettext_lazy("Earlier customers who order again, in percentage points")),
    Column(key="customers", label=gettext_lazy("Customers with marketing / held out")),
)


def build_lift_context(
    request: HttpRequest, report: HoldoutReport, lift: MarketingLift, currency: str
) -> dict[str, Any]:
    """Return the context of the card; without a complete month, it says when the first one ends."""
    url = reverse("holdout_report:show")
    if report.total is None or lift.total is None:
        first_month = describe_first_month(report) if report.began_at is not None else ""
        return {"report_url": url, "first_month": first_month}
    return {
        "report_url": url,
        "headline": texts.describe_effect(report.total),
        "kind": KINDS.get(report.total.verdict, "neutral"),
        "as_of": report.total.measured_at,
        "chart": build_chart(report.months),
        "retention": describe_retention(lift),
        "table": build_table(
            request,
            [lift.total, *lift.months],
            id="incremental_lift",
            label=_("Incremental lift of marketing"),
            columns=COLUMNS,
            format_row=lambda period: format_row(period, report, currency),
            page_size=25,
        ),
    }


def describe_retention(lift: MarketingLift) -> str:
    """Return how many of the earlier customers of both groups ordered in the latest complete month."""
    complete = [period for period in lift.months if period.retention and not period.is_running]
    if not complete or complete[0].month is None or complete[0].retention is None:
        return ""
    month, retention = complete[0].month, complete[0].retention
    return _(
        "Among customers who had ordered in the three months before the comparison began, %(share)s of the "
        "%(customers)s with marketing and %(other)s of the %(others)s in the holdout group ordered in %(month)s: a "
        "difference of %(points)s percentage points (95%% interval %(interval)s)."
    ) % {
        "share": format_percent(retention.treated),
        "customers": format_count(retention.treated_customers),
        "other": format_percent(retention.holdout),
        "others": format_count(retention.holdout_customers),
        "month": texts.format_month(month),
        "points": format_points(retention.effect.value),
        "interval": format_interval(retention.effect, format_points),
    }


def format_row(period: LiftPeriod, report: HoldoutReport, currency: str) -> dict[str, Any]:
    """Return the cells of a month, or of the whole time."""
    effect = next(
        (effect for effect in report.months if effect.month == period.month and effect.since == period.since),
        report.total,
    )
    assert effect is not None

    def money(value: float) -> str:
        return format_signed_money(value, effect.currency or currency)

    return {
        "month": texts.label_month(effect) if period.month else _("Since the holdout group began"),
        "revenue": format_effect(period.revenue, money),
        "share": NO_VALUE if period.share is None else format_change(period.share),
        "conversion": format_effect(period.conversion, format_points),
        "retention": format_effect(period.retention.effect if period.retention else None, format_points),
        "customers": f"{format_count(period.marketing_customers)} / {format_count(period.holdout_customers)}",
    }


def format_effect(effect: ConfidenceInterval | None, form: Callable[[float], str]) -> str:
    """Return a difference with its interval."""
    if effect is None:
        return NO_VALUE
    return _("%(value)s (%(interval)s)") % {"value": form(effect.value), "interval": format_interval(effect, form)}


def list_lift_rows(lift: MarketingLift) -> list[list[Any]]:
    """Return the rows of the CSV file; the row without a month is the whole time."""
    names = ("revenue", "revenue_per_customer", "conversion", "retention")
    rows: list[list[Any]] = [
        [
            *("month", "since", "until", "is_running", "verdict", "marketing_customers", "holdout_customers"),
            *(f"{name}{end}" for name in names for end in ("", "_low", "_high")),
        ]
    ]
    for period in [*([lift.total] if lift.total else []), *lift.months]:
        effects = (
            period.revenue,
            period.revenue_per_customer,
            period.conversion,
            period.retention.effect if period.retention else None,
        )
        rows.append(
            [
                *(period.month.isoformat() if period.month else "", period.since.isoformat(), period.until.isoformat()),
                *(int(period.is_running), str(period.verdict), period.marketing_customers, period.holdout_customers),
                *(
                    number
                    for effect in effects
                    for number in ((effect.value, effect.low, effect.high) if effect else (None, None, None))
                ),
            ]
        )
    return rows
