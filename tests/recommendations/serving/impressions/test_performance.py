"""The performance report: sums over days, with intervals."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from pytest_django.fixtures import DjangoAssertNumQueries

from config.foundation.statistics import compute_wilson_interval
from recommendations.serving.impressions.performance import InvalidPeriodError, get_performance
from recommendations.serving.models import (
    LoggedJudgement,
    PerformanceDay,
    PerformanceRun,
    PositionBias,
    PositionBiasRun,
)
from tests.makers import NOON

pytestmark = pytest.mark.django_db
TODAY = date(2026, 11, 24)


def make_days() -> None:
    common = {"model_version": "blend-1", "strategy": "blend", "scenario": "for-you"}
    for days, position, shown, clicked in ((0, 1, 100, 20), (1, 1, 100, 10), (0, 2, 100, 5), (40, 1, 1000, 1)):
        PerformanceDay.objects.create(
            day=TODAY - timedelta(days=days), position=position, shown=shown, clicked=clicked, carted=1, **common
        )
    for currency, revenue in (("EUR", 30), ("USD", 5)):
        PerformanceDay.objects.create(day=TODAY, position=1, currency=currency, bought=2, revenue=revenue, **common)
    PerformanceDay.objects.create(day=TODAY, position=1, shown=7, **{**common, "scenario": "similar"})
    PerformanceRun.objects.create(started_at=NOON - timedelta(minutes=5), status="done", first_day=TODAY)


def make_position_bias() -> None:
    run = PositionBiasRun.objects.create(started_at=NOON, since=NOON, until=NOON, status="done")
    PositionBias.objects.create(run=run, scenario="for-you", position=1, examination=1, method="click_model")
    PositionBias.objects.create(run=run, scenario="for-you", position=2, examination=0.5, method="click_model")
    LoggedJudgement.objects.create(
        run=run, scenario="for-you", model_version="blend-1", strategy="blend", impressions=9, items=9, clicks=1,
        estimate=0.2, low=0.1, high=0.3,
    )  # fmt: skip


def test_days_are_summed_by_placement_and_position() -> None:
    make_days()
    make_position_bias()
    report = get_performance(as_of=NOON)
    assert (report.since, report.until, report.open_since) == (TODAY - timedelta(days=27), TODAY, date(2026, 11, 15))
    assert report.as_of == NOON - timedelta(minutes=5)
    for_you, similar = report.scenarios
    assert (for_you.scenario, for_you.method, similar.scenario, similar.method) == (
        "for-you",
        "click_model",
        "similar",
        "",
    )
    first, second = for_you.positions
    assert (first.position, first.figures.shown, first.figures.clicked, first.figures.bought) == (1, 200, 30, 4)
    assert first.figures.revenue == {"EUR": Decimal(30), "USD": Decimal(5)}
    assert first.figures.click_rate == compute_wilson_interval(30, 200)
    assert (second.figures.shown, second.examination, first.examination) == (100, 0.5, 1)
    assert (for_you.figures.shown, for_you.figures.clicked, for_you.figures.carted) == (300, 35, 3)
    assert similar.positions[0].examination is None
    versions = {(row.scenario, row.model_version): row.estimate for row in report.versions}
    assert versions["similar", "blend-1"] is None
    assert (estimate := versions["for-you", "blend-1"]) is not None
    assert (estimate.value, estimate.low, estimate.high) == (0.2, 0.1, 0.3)


def test_the_report_is_limited_to_a_period_and_a_placement() -> None:
    make_days()
    report = get_performance(as_of=NOON, since=date(2026, 10, 1), until=date(2026, 10, 31), scenario="for-you")
    assert [scenario.figures.shown for scenario in report.scenarios] == [1000]
    assert get_performance(as_of=NOON, scenario="cart").scenarios == []
    with pytest.raises(InvalidPeriodError, match="2026-11-25 is after until 2026-11-24"):
        get_performance(as_of=NOON, since=date(2026, 11, 25), until=TODAY)


def test_a_report_without_data_is_empty() -> None:
    report = get_performance(as_of=NOON)
    assert (report.as_of, report.scenarios, report.versions, report.bias) == (None, [], [], None)


def test_the_report_takes_six_queries(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    make_days()
    make_position_bias()
    with django_assert_num_queries(6):
        get_performance(as_of=NOON)
