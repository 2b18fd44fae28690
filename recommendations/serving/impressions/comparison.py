"""Performance of placements in a range of whole days compared with another range: in total, by day and by product."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db.models import DecimalField, Q, QuerySet, Sum, Value
from django.db.models.functions import Coalesce
from django.utils.timezone import localdate

from config.foundation.backoffice.date_range import DateChoice, DayRange
from recommendations.serving.impressions.models import Impression, PerformanceDay, ProductPerformanceDay
from recommendations.serving.impressions.performance import PerformanceFigures, sum_figures, sum_figures_by

MAX_PRODUCTS = 200
UNCOUNTED = timedelta(hours=1)  # impressions are counted every 15 minutes
SAMPLED_IMPRESSIONS = 500  # sample that shows whether requests name their visitors


@dataclass(frozen=True)
class FiguresComparison:
    """The figures of a range, and of the compared one; None without a comparison."""

    now: PerformanceFigures
    before: PerformanceFigures | None = None

    @property
    def currency(self) -> str:
        """The currency of revenue; "" without revenue."""
        return choose_currency([self.now, *([self.before] if self.before else [])])

    @property
    def revenue(self) -> Decimal:
        """The revenue of the range in the main currency."""
        return self.now.revenue.get(self.currency, Decimal(0))

    @property
    def revenue_before(self) -> Decimal | None:
        return None if self.before is None else self.before.revenue.get(self.currency, Decimal(0))

    @property
    def click_rate(self) -> float | None:
        return self.now.clicked / self.now.shown if self.now.shown else None

    @property
    def click_rate_before(self) -> float | None:
        return self.before.clicked / self.before.shown if self.before and self.before.shown else None


@dataclass(frozen=True)
class ProductFigures:
    """The figures of one product in a placement; revenue in the main currency of the page."""

    product_id: str
    shown: int
    clicked: int
    orders: int
    revenue: Decimal

    @property
    def click_rate(self) -> float | None:
        return self.clicked / self.shown if self.shown else None


@dataclass(frozen=True)
class DailyFigures:
    """The figures by day, one for each day of the range, and of the compared one; empty without a comparison."""

    days: list[date]
    now: list[PerformanceFigures]
    before: list[PerformanceFigures] = field(default_factory=list)


def choose_currency(parts: Iterable[PerformanceFigures]) -> str:
    """Return the currency with the most revenue; "" without revenue."""
    revenue = sum_figures(parts).revenue
    return max(revenue, key=lambda currency: (revenue[currency], currency), default="")


def filter_days(days: DayRange, scenario: str = "") -> QuerySet[PerformanceDay]:
    rows = PerformanceDay.objects.filter(day__gte=days.first, day__lte=days.last)
    return rows.filter(scenario=scenario) if scenario else rows


def compare_placements(choice: DateChoice) -> dict[str, FiguresComparison]:
    """Return the figures of each placement with impressions or orders in either range, in at most two queries."""
    now = sum_figures_by(filter_days(choice.range), "scenario")
    before = sum_figures_by(filter_days(choice.compared), "scenario") if choice.compared else {}
    names = [name for (name,) in dict.fromkeys([*now, *before])]
    return {
        name: FiguresComparison(
            now.get((name,), PerformanceFigures()),
            before.get((name,), PerformanceFigures()) if choice.compared else None,
        )
        for name in names
    }


def find_requested_today(*, now: datetime) -> set[str]:
    """Return the placements that were requested today, in one query.

    Only the impressions of the last hour are read, because a large shop has millions a day; those before are counted.
    """
    today = DayRange(localdate(now), localdate(now))
    counted = filter_days(today).filter(shown__gt=0).order_by().values_list("scenario")
    recent = Impression.objects.filter(served_at__gte=max(today.start, now - UNCOUNTED), served_at__lte=now)
    return {name for (name,) in counted.union(recent.order_by().values_list("scenario"))}


def sum_comparisons(comparisons: Mapping[str, FiguresComparison], *, is_compared: bool) -> FiguresComparison:
    """Return the totals of several placements."""
    return FiguresComparison(
        sum_figures(each.now for each in comparisons.values()),
        sum_figures(each.before for each in comparisons.values() if each.before) if is_compared else None,
    )


def list_daily_figures(choice: DateChoice, scenario: str = "") -> DailyFigures:
    """Return the figures of every day, in at most two queries."""
    return DailyFigures(
        list_days(choice.range),
        list_figures_of_days(choice.range, scenario),
        list_figures_of_days(choice.compared, scenario) if choice.compared else [],
    )


def list_days(days: DayRange) -> list[date]:
    return [days.first + timedelta(days=number) for number in range(days.days)]


def list_figures_of_days(days: DayRange, scenario: str) -> list[PerformanceFigures]:
    figures = sum_figures_by(filter_days(days, scenario), "day")
    return [figures.get((day,), PerformanceFigures()) for day in list_days(days)]


def list_products(days: DayRange, scenario: str, *, currency: str) -> list[ProductFigures]:
    """Return the products of a placement with the most revenue, then the most clicks, in one query."""
    rows = (
        ProductPerformanceDay.objects.filter(scenario=scenario, day__gte=days.first, day__lte=days.last)
        .values("product_id")
        .annotate(
            shown_sum=Sum("shown"),
            clicked_sum=Sum("clicked"),
            orders_sum=Sum("orders"),
            revenue_sum=Coalesce(
                Sum("revenue", filter=Q(currency=currency)),
                Value(Decimal(0)),
                output_field=DecimalField(max_digits=16, decimal_places=2),
            ),
        )
        .order_by("-revenue_sum", "-clicked_sum", "-shown_sum", "product_id")[:MAX_PRODUCTS]
    )
    return [
        ProductFigures(
            row["product_id"], row["shown_sum"], row["clicked_sum"], row["orders_sum"], Decimal(row["revenue_sum"])
        )
        for row in rows
    ]


@dataclass(frozen=True)
class RequestSample:
    """Some responses of a placement: how many, and how many of them name a visitor."""

    responses: int
    with_visitor: int


def sample_requests(days: DayRange, scenario: str = "") -> RequestSample:
    """Return whether some requests of these days name their visitors, in one query. Rows are arbitrary, because sorting would read all."""
    impressions = Impression.objects.filter(served_at__gte=days.start, served_at__lt=days.end)
    if scenario:
        impressions = impressions.filter(scenario=scenario)
    names = list(impressions.values_list("user_id", "anonymous_id")[:SAMPLED_IMPRESSIONS])
    return RequestSample(len(names), sum(1 for user_id, anonymous_id in names if user_id or anonymous_id))
