"""Revenue, orders, customers and visitors of the week, against the week before and a year before."""

from typing import Any

from django.db.models import Avg
from django.urls import reverse
from django.utils.translation import gettext as _

from config.backoffice.home.sales import SalesComparison, query_sales
from config.digest.sections.base import DigestChange, DigestFigure, DigestSection, SectionContent
from config.digest.weeks import DigestWeek
from config.foundation.backoffice.date_range import DayRange
from config.foundation.number_formats import format_change, format_count, format_money, format_whole_money
from config.foundation.statistics import compute_change
from customers.anomalies.models import MetricDay


def build_sales(week: DigestWeek) -> SectionContent | None:
    """Return the figures; None without orders and visitors in the week."""
    before, year = (query_sales(week.compare(days)) for days in (week.before, week.year_before))
    figures = build_figures(before, year) if before.now.orders else []
    visitors = read_visitors(week)
    if visitors is not None:
        figures.append(visitors)
    if not figures:
        return None
    return SectionContent(
        _("The week in figures"), figures=tuple(figures), url=reverse("admin:index"), action=_("Open Home")
    )


def build_figures(before: SalesComparison, year: SalesComparison) -> list[DigestFigure]:
    def show_money(value: Any) -> str:
        return format_whole_money(value, before.currency)

    def build(label: str, name: str, show: Any) -> DigestFigure:
        value = getattr(before.now, name)
        olds = [getattr(part.before, name) if part.before else None for part in (before, year)]
        return DigestFigure(label, show(value), list_changes(value, olds[0], olds[1]))

    return [
        build(_("Revenue"), "revenue", show_money),
        build(_("Orders"), "orders", format_count),
        build(_("Customers with orders"), "customers", format_count),
        build(_("Average order value"), "order_value", lambda value: format_money(value, before.currency)),
    ]


def list_changes(value: Any, before: Any, year: Any) -> tuple[DigestChange, ...]:
    """Return the changes that are known; a week without orders is not compared with."""
    changes = []
    for text, old in ((_("%(change)s vs. the week before"), before), (_("%(change)s vs. a year earlier"), year)):
        change = compute_change(value, old)
        if change is not None:
            direction = "neutral" if round(change, 3) == 0 else "good" if change > 0 else "bad"
            changes.append(DigestChange(text % {"change": format_change(change)}, direction))
    return tuple(changes)


def read_visitors(week: DigestWeek) -> DigestFigure | None:
    """Return the mean number of visitors a day; None unless every day of the week is known."""

    def average(days: DayRange) -> float | None:
        rows = MetricDay.objects.filter(metric="visitors", day__range=(days.first, days.last), value__isnull=False)
        if rows.count() < days.days:
            return None
        return float(rows.aggregate(mean=Avg("value"))["mean"])

    value = average(week.days)
    if not value:
        return None
    changes = list_changes(value, average(week.before), average(week.year_before))
    return DigestFigure(_("Visitors per day"), format_count(round(value)), changes)


SALES = DigestSection("sales", "orders.view_order", build_sales)
