"""Recommendation performance, for the back office page and the REST API."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import QuerySet, Sum
from django.utils.timezone import localdate

from config.foundation.job_runs import JobStatus
from config.foundation.shop.profile import get_time_zone
from config.foundation.statistics import compute_wilson_interval
from recommendations.engine.evaluation import ConfidenceInterval
from recommendations.serving.impressions.attribution import get_first_open_day
from recommendations.serving.impressions.models import (
    LoggedJudgement,
    PerformanceDay,
    PerformanceRun,
    PositionBias,
    PositionBiasRun,
)
from recommendations.serving.impressions.position_bias import get_latest_run

DEFAULT_DAYS = 28
SUMMED_FIELDS = ("shown", "clicked", "carted", "bought", "orders", "revenue")


@dataclass
class PerformanceFigures:
    """Counts of products shown: one product in one response counts once.

    ``bought``: order lines; ``orders``: orders with at least one of them. ``revenue`` by currency, before refunds.
    """

    shown: int = 0
    clicked: int = 0
    carted: int = 0
    bought: int = 0
    orders: int = 0
    revenue: dict[str, Decimal] = field(default_factory=dict)

    def add(self, row: dict[str, Any]) -> None:
        """Add the sums of a row."""
        self.shown += row["shown"]
        self.clicked += row["clicked"]
        self.carted += row["carted"]
        self.bought += row["bought"]
        self.orders += row["orders"]
        if row["currency"]:
            self.revenue[row["currency"]] = self.revenue.get(row["currency"], Decimal(0)) + row["revenue"]

    @property
    def click_rate(self) -> ConfidenceInterval | None:
        """The click-through rate with Wilson's interval; None without impressions."""
        return compute_wilson_interval(min(self.clicked, self.shown), self.shown) if self.shown else None


@dataclass(frozen=True)
class PositionPerformance:
    """The figures of one position.

    ``examination``: probability of being examined relative to the first position; None if not estimated.
    """

    position: int
    figures: PerformanceFigures
    examination: float | None


@dataclass(frozen=True)
class PlacementPerformance:
    """The figures of one placement. ``method``: of estimating examination; "" if not estimated."""

    scenario: str
    figures: PerformanceFigures
    positions: list[PositionPerformance]
    method: str


@dataclass(frozen=True)
class VersionPerformance:
    """The figures of one model version.

    ``estimate``: click-through rate as if every position were examined like the first; None if not evaluated yet.
    """

    scenario: str
    model_version: str
    strategy: str
    figures: PerformanceFigures
    estimate: ConfidenceInterval | None


@dataclass(frozen=True)
class PerformanceReport:
    """The performance of all placements and model versions in a period.

    ``as_of``: time of the last attribution run, None if never. Figures of days from ``open_since`` on may still grow.
    """

    as_of: datetime | None
    since: date
    until: date
    attribution_days: int
    open_since: date
    scenarios: list[PlacementPerformance]
    versions: list[VersionPerformance]
    bias: PositionBiasRun | None


class InvalidPeriodError(ValueError):
    """The period ends before it begins."""

    def __init__(self, since: date, until: date) -> None:
        super().__init__(f"since {since} is after until {until}; since must not be later.")


def get_performance(
    *, as_of: datetime, since: date | None = None, until: date | None = None, scenario: str = ""
) -> PerformanceReport:
    """Return the performance in a period, by default the last 28 days.

    Both days are included and in the time zone of the shop. At most six queries. Raises InvalidPeriodError.
    """
    today = localdate(as_of, get_time_zone())
    until = until or today
    since = since or until - timedelta(days=DEFAULT_DAYS - 1)
    if since > until:
        raise InvalidPeriodError(since, until)
    days = PerformanceDay.objects.filter(day__gte=since, day__lte=until)
    if scenario:
        days = days.filter(scenario=scenario)
    last_run = PerformanceRun.objects.filter(status=JobStatus.DONE).first()
    bias = get_latest_run()
    return PerformanceReport(
        as_of=last_run.started_at if last_run else None,
        since=since,
        until=until,
        attribution_days=settings.RECOMMEND_ATTRIBUTION_DAYS,
        open_since=get_first_open_day(at=as_of),
        scenarios=list_placements(days, bias=bias),
        versions=list_versions(days, bias=bias),
        bias=bias,
    )


def query_sums(days: QuerySet[PerformanceDay], *keys: str) -> Iterable[dict[str, Any]]:
    """Return one row of sums per key and currency."""
    return days.values(*keys, "currency").annotate(**{f"{name}_": Sum(name) for name in SUMMED_FIELDS}).order_by(*keys)


def sum_figures_by(days: QuerySet[PerformanceDay], *keys: str) -> dict[tuple[Any, ...], PerformanceFigures]:
    """Return the figures by key; the query has a row per currency of a key."""
    figures_by_key: dict[tuple[Any, ...], PerformanceFigures] = defaultdict(PerformanceFigures)
    for row in query_sums(days, *keys):
        sums = {name: row[f"{name}_"] for name in SUMMED_FIELDS}
        figures_by_key[tuple(row[key] for key in keys)].add({"currency": row["currency"], **sums})
    return figures_by_key


def list_placements(days: QuerySet[PerformanceDay], *, bias: PositionBiasRun | None) -> list[PlacementPerformance]:
    """Return the performance of each placement with its positions."""
    by_position = sum_figures_by(days, "scenario", "position")
    curves: dict[str, dict[int, PositionBias]] = defaultdict(dict)
    for row in bias.positions.all() if bias else ():
        curves[row.scenario][row.position] = row
    positions_by_placement: dict[str, list[PositionPerformance]] = defaultdict(list)
    for (name, position), figures in by_position.items():
        estimate = curves[name].get(position)
        positions_by_placement[name].append(
            PositionPerformance(position, figures, estimate.examination if estimate else None)
        )
    return [
        PlacementPerformance(
            name,
            sum_figures(position.figures for position in positions),
            positions,
            next((row.method for row in curves[name].values()), ""),
        )
        for name, positions in positions_by_placement.items()
    ]


def sum_figures(parts: Iterable[PerformanceFigures]) -> PerformanceFigures:
    """Return the sums of figures."""
    total = PerformanceFigures()
    for part in parts:
        add_to_total(total, part)
    return total


def add_to_total(total: PerformanceFigures, part: PerformanceFigures) -> None:
    total.shown += part.shown
    total.clicked += part.clicked
    total.carted += part.carted
    total.bought += part.bought
    total.orders += part.orders
    for currency, amount in part.revenue.items():
        total.revenue[currency] = total.revenue.get(currency, Decimal(0)) + amount


def list_versions(days: QuerySet[PerformanceDay], *, bias: PositionBiasRun | None) -> list[VersionPerformance]:
    """Return the performance of each model version by placement and strategy."""
    evaluations: dict[tuple[str, str, str], LoggedJudgement] = {
        (row.scenario, row.model_version, row.strategy): row for row in (bias.judgements.all() if bias else ())
    }
    return [
        VersionPerformance(
            scenario, version, strategy, figures, get_estimate(evaluations.get((scenario, version, strategy)))
        )
        for (scenario, version, strategy), figures in sum_figures_by(
            days, "scenario", "model_version", "strategy"
        ).items()
    ]


def get_estimate(evaluation: LoggedJudgement | None) -> ConfidenceInterval | None:
    return ConfidenceInterval(evaluation.estimate, evaluation.low, evaluation.high) if evaluation else None
