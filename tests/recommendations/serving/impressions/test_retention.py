"""Impressions are partitioned by month and deleted after their retention."""

from datetime import UTC, datetime, timedelta

import pytest

from config.foundation.database.partitions import ensure_partitions, list_partitions
from recommendations.experiments.methods.registry import measure_experiment
from recommendations.experiments.models import Experiment, ExperimentExposure
from recommendations.serving.impressions.retention import (
    IMPRESSION_PARTITIONS,
    forget_experiment_units,
    purge_impressions,
    purge_runs,
)
from recommendations.serving.impressions.store import insert_entries
from recommendations.serving.models import Impression, PerformanceRun, PositionBiasRun
from tests.makers import make_customer, make_identifier, make_order
from tests.recommendations.experiments.makers import make_experiment
from tests.recommendations.serving.impressions.entries import make_entry

pytestmark = pytest.mark.django_db
SPRING = datetime(2031, 3, 10, tzinfo=UTC)


def list_months() -> list[str]:
    return [
        name for name, month in list_partitions(of=IMPRESSION_PARTITIONS) if month is not None and month.year == 2031
    ]


def test_partitions_are_created_in_advance_and_take_over_early_rows() -> None:
    insert_entries([make_entry("early", served_at=SPRING)])
    assert ensure_partitions(as_of=SPRING, of=IMPRESSION_PARTITIONS) == [
        "serving_impression_2031_03",
        "serving_impression_2031_04",
        "serving_impression_2031_05",
    ]
    assert ensure_partitions(as_of=SPRING, of=IMPRESSION_PARTITIONS) == []
    assert Impression.objects.get().recommendation_id == "early"


def test_old_months_are_dropped_and_old_rows_of_the_limit_month_deleted() -> None:
    ensure_partitions(as_of=SPRING, of=IMPRESSION_PARTITIONS)
    days = (0, 25, 30, 45)  # March 10, April 4, April 9, April 24
    insert_entries([make_entry(f"day {day}", served_at=SPRING + timedelta(days=day)) for day in days])
    insert_entries([make_entry("default", served_at=datetime(2019, 1, 1, tzinfo=UTC))])
    dropped, deleted = purge_impressions(before=SPRING + timedelta(days=30))
    assert ("serving_impression_2031_03" in dropped, deleted) == (True, 2)
    assert set(Impression.objects.values_list("recommendation_id", flat=True)) == {"day 30", "day 45"}
    assert list_months() == ["serving_impression_2031_04", "serving_impression_2031_05"]


def test_old_run_records_are_deleted_except_the_latest_successful_one() -> None:
    for model, extra in ((PerformanceRun, {}), (PositionBiasRun, {"since": SPRING, "until": SPRING})):
        for day, status in ((0, "done"), (1, "done"), (2, "failed"), (9, "failed")):
            model.objects.create(started_at=SPRING + timedelta(days=day), status=status, **extra)
    assert purge_runs(before=SPRING + timedelta(days=5)) == 4
    assert [run.started_at.day for run in PerformanceRun.objects.all()] == [19, 11]


def test_an_ended_experiment_forgets_its_visitors_and_keeps_its_result() -> None:
    customer = make_customer()
    make_identifier(customer, "ada", created_at=SPRING)
    make_order(customer, placed_at=SPRING + timedelta(days=1))
    ended, running = (make_experiment(key, subject=key) for key in ("ended", "running"))
    for experiment in (ended, running):
        control = experiment.variants.get(is_control=True)
        for unit in ("user_id:ada", "anonymous_id:device", "anonymous_id:tablet"):
            ExperimentExposure.objects.create(experiment=experiment, variant=control, unit_key=unit, exposed_at=SPRING)
        experiment.started_at = SPRING
        experiment.save()
    ended.status, ended.stopped_at = Experiment.Status.STOPPED, SPRING + timedelta(days=9)
    ended.save()
    as_of = SPRING + timedelta(days=500)
    before = measure_experiment(ended, as_of=as_of)
    assert [(variant.units, variant.buyers) for variant in before.variants] == [(3, 1), (0, 0)]
    assert forget_experiment_units(before=SPRING + timedelta(days=8)) == 0
    assert forget_experiment_units(before=SPRING + timedelta(days=10)) == 3
    assert forget_experiment_units(before=SPRING + timedelta(days=10)) == 0
    assert not ended.exposures.exclude(unit_key__startswith="ended:").exists()
    assert ended.exposures.get(customer=customer).exposed_at == SPRING
    assert not running.exposures.filter(unit_key__startswith="ended:").exists()
    assert measure_experiment(ended, as_of=as_of) == before
