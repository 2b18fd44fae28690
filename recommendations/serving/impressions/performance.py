"""How recommendations do: one answer for the page of the back office and for the API."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import QuerySet, Sum
from django.utils.timezone import localdate

from config.foundation.statistics import wilson_interval
from recommendations.engine.evaluation import Interval
from recommendations.serving.impressions.attribution import first_open_day
from recommendations.serving.impressions.models import (
    LoggedJudgement,
    PerformanceDay,
    PerformanceRun,
    PositionBias,
    PositionBiasRun,
    RunStatus,
)
from recommendations.serving.impressions.position_bias import latest_run

DAYS = 28
SUMS = ("shown", "clicked", "carted", "bought", "revenue")


@dataclass
class Figures:
    """Of products shown: one product in one answer counts once. ``revenue`` by currency, before refunds."""

    shown: int = 0
    clicked: int = 0
    carted: int = 0
    bought: int = 0
    revenue: dict[str, Decimal] = field(default_factory=dict)

    def add(self, row: dict[str, Any]) -> None:
        self.shown += row["shown"]
        self.clicked += row["clicked"]
        self.carted += row["carted"]
        self.bought += row["bought"]
        if row["currency"]:
            self.revenue[row["currency"]] = self.revenue.get(row["currency"], Decimal(0)) + row["revenue"]

    @property
    def click_rate(self) -> Interval | None:
        """Clicked of shown with Wilson's interval; None where nothing was shown."""
        return wilson_interval(min(self.clicked, self.shown), self.shown) if self.shown else None


@dataclass(frozen=True)
class PositionFigures:
    """``examination``: how likely the position is looked at against the first; None where nothing was learnt."""

    position: int
    figures: Figures
    examination: float | None


@dataclass(frozen=True)
class ScenarioFigures:
    """``method`` says how the examination of the positions is known; empty where it is not."""

    scenario: str
    figures: Figures
    positions: list[PositionFigures]
    method: str


@dataclass(frozen=True)
class VersionFigures:
    """``estimate``: clicked of shown if every position were looked at as the first is; None where it was not judged yet."""

    scenario: str
    model_version: str
    strategy: str
    figures: Figures
    estimate: Interval | None


@dataclass(frozen=True)
class Performance:
    """``as_of``: when what followed was last counted, None if never; figures of days from ``open_since`` on may still grow."""

    as_of: datetime | None
    since: date
    until: date
    attribution_days: int
    open_since: date
    scenarios: list[ScenarioFigures]
    versions: list[VersionFigures]
    bias: PositionBiasRun | None


class WrongPeriodError(ValueError):
    """A period that ends before it begins."""

    def __init__(self, since: date, until: date) -> None:
        super().__init__(f"since {since} lies after until {until}; give the earlier day first.")


def performance(
    *, as_of: datetime, since: date | None = None, until: date | None = None, scenario: str = ""
) -> Performance:
    """What was shown on the shop's days ``since`` … ``until`` (both counted; the last 28 by default), and what followed.

    Six queries at most. Errors: WrongPeriodError.
    """
    today = localdate(as_of, ZoneInfo(settings.TIME_ZONE))
    until = until or today
    since = since or until - timedelta(days=DAYS - 1)
    if since > until:
        raise WrongPeriodError(since, until)
    days = PerformanceDay.objects.filter(day__gte=since, day__lte=until)
    if scenario:
        days = days.filter(scenario=scenario)
    counted = PerformanceRun.objects.filter(status=RunStatus.DONE).first()
    bias = latest_run()
    return Performance(
        as_of=counted.started_at if counted else None,
        since=since,
        until=until,
        attribution_days=settings.RECOMMEND_ATTRIBUTION_DAYS,
        open_since=first_open_day(at=as_of),
        scenarios=scenarios_of(days, bias=bias),
        versions=versions_of(days, bias=bias),
        bias=bias,
    )


def summed(days: QuerySet[PerformanceDay], *keys: str) -> Iterable[dict[str, Any]]:
    return days.values(*keys, "currency").annotate(**{f"{name}_": Sum(name) for name in SUMS}).order_by(*keys)


def fold(days: QuerySet[PerformanceDay], *keys: str) -> dict[tuple[Any, ...], Figures]:
    """Figures by key; the currencies of a key are rows of the query."""
    found: dict[tuple[Any, ...], Figures] = defaultdict(Figures)
    for row in summed(days, *keys):
        sums = {name: row[f"{name}_"] for name in SUMS}
        found[tuple(row[key] for key in keys)].add({"currency": row["currency"], **sums})
    return found


def scenarios_of(days: QuerySet[PerformanceDay], *, bias: PositionBiasRun | None) -> list[ScenarioFigures]:
    by_position = fold(days, "scenario", "position")
    curves: dict[str, dict[int, PositionBias]] = defaultdict(dict)
    for row in bias.positions.all() if bias else ():
        curves[row.scenario][row.position] = row
    found: dict[str, list[PositionFigures]] = defaultdict(list)
    for (name, position), figures in by_position.items():
        learnt = curves[name].get(position)
        found[name].append(PositionFigures(position, figures, learnt.examination if learnt else None))
    return [
        ScenarioFigures(
            name,
            merged(place.figures for place in positions),
            positions,
            next((row.method for row in curves[name].values()), ""),
        )
        for name, positions in found.items()
    ]


def merged(some: Iterable[Figures]) -> Figures:
    total = Figures()
    for figures in some:
        merge(total, figures)
    return total


def merge(total: Figures, more: Figures) -> None:
    total.shown += more.shown
    total.clicked += more.clicked
    total.carted += more.carted
    total.bought += more.bought
    for currency, amount in more.revenue.items():
        total.revenue[currency] = total.revenue.get(currency, Decimal(0)) + amount


def versions_of(days: QuerySet[PerformanceDay], *, bias: PositionBiasRun | None) -> list[VersionFigures]:
    judged: dict[tuple[str, str, str], LoggedJudgement] = {
        (row.scenario, row.model_version, row.strategy): row for row in (bias.judgements.all() if bias else ())
    }
    return [
        VersionFigures(scenario, version, strategy, figures, estimate_of(judged.get((scenario, version, strategy))))
        for (scenario, version, strategy), figures in fold(days, "scenario", "model_version", "strategy").items()
    ]


def estimate_of(judgement: LoggedJudgement | None) -> Interval | None:
    return Interval(judgement.estimate, judgement.low, judgement.high) if judgement else None
