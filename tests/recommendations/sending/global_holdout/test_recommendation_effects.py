"""Incremental lift of recommendations: months of a holdout experiment, counted by hand."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.test import Client
from rest_framework.test import APIClient

from config.access.grants import Grant
from recommendations.experiments.methods.registry import measure_experiment
from recommendations.experiments.models import Experiment, ExperimentExposure
from recommendations.measurement.outcomes.columns import OutcomeColumn
from recommendations.sending.global_holdout.measuring import measure_months, read_group
from recommendations.sending.global_holdout.report import load_recommendation_report
from recommendations.sending.models import GlobalHoldoutResult
from tests.makers import make_customer, make_order, make_product
from tests.recommendations.experiments.makers import make_experiment

pytestmark = pytest.mark.django_db
JULY, AUGUST, SEPTEMBER = (datetime(2026, month, 1, tzinfo=UTC) for month in (7, 8, 9))
DAY = timedelta(days=1)


def make_holdout(key: str, *, started_at: datetime, stopped_at: datetime | None = None) -> Experiment:
    experiment = make_experiment(
        key,
        kind="holdout",
        subject="",
        shares=("0.5", "0.5"),
        configs=({}, {"recommendations": True}),
        status="stopped",
    )
    experiment.started_at, experiment.stopped_at = started_at, stopped_at
    experiment.save()
    return experiment


def expose(experiment: Experiment, at: datetime, *, is_held_out: bool, orders: tuple[datetime, ...] = ()) -> None:
    customer = make_customer()
    ExperimentExposure.objects.create(
        experiment=experiment,
        variant=experiment.variants.get(is_control=is_held_out),
        unit_key=f"user_id:{customer.pk}",
        customer=customer,
        exposed_at=at,
    )
    product = make_product(price=Decimal(50))
    for placed_at in orders:
        make_order(customer, placed_at=placed_at, products=[product])


def read_months(column: OutcomeColumn) -> list[tuple[str, int, int, int, float, float]]:
    """Return month, first day, and people and sum of both groups, oldest first."""
    rows = []
    for result in GlobalHoldoutResult.objects.filter(subject="recommendations", month__isnull=False).order_by("since"):
        groups = [read_group(result.groups[name]).moments for name in ("recommendations", "holdout")]
        sums = [float(group.sums[column]) for group in groups]
        rows.append((f"{result.month:%b}", result.since.day, *(group.n for group in groups), *sums))
    return rows


@pytest.fixture
def holdouts(settings) -> tuple[Experiment, Experiment]:  # type: ignore[no-untyped-def]
    settings.TIME_ZONE = "UTC"
    first = make_holdout("first", started_at=JULY + 9 * DAY, stopped_at=AUGUST + 14 * DAY)
    second = make_holdout("second", started_at=AUGUST + 19 * DAY)
    return first, second


def test_people_count_from_their_first_exposure_in_the_days_of_the_experiment(
    holdouts: tuple[Experiment, Experiment],
) -> None:
    first, second = holdouts
    expose(
        first,
        JULY + 10 * DAY,
        is_held_out=False,
        orders=(JULY, JULY + 11 * DAY, AUGUST + DAY, AUGUST + 14 * DAY, AUGUST + 16 * DAY),
    )
    expose(first, AUGUST + 2 * DAY, is_held_out=False, orders=(AUGUST + DAY, AUGUST + 3 * DAY))
    expose(first, JULY + 12 * DAY, is_held_out=True, orders=(JULY + 11 * DAY, JULY + 13 * DAY))
    expose(second, SEPTEMBER + DAY, is_held_out=True, orders=(AUGUST + 25 * DAY, SEPTEMBER + 2 * DAY))
    expose(second, AUGUST + 20 * DAY, is_held_out=False, orders=(AUGUST + 25 * DAY,))
    assert measure_months(as_of=SEPTEMBER + 4 * DAY) == 4
    assert read_months(OutcomeColumn.ORDERS) == [
        ("Jul", 10, 1, 1, 1, 1),
        ("Aug", 1, 2, 1, 2, 0),
        ("Aug", 20, 1, 0, 1, 0),
        ("Sep", 1, 1, 1, 0, 1),
    ]
    # what was bought before the exposure, also of the second month
    assert [row[-2:] for row in read_months(OutcomeColumn.EARLIER_ORDERS)] == [(1, 1), (2, 1), (0, 0), (0, 1)]
    report = load_recommendation_report()
    assert report.experiment == second
    assert [(effect.month, effect.is_part, effect.is_running) for effect in report.months] == [
        (date(2026, 9, 1), False, True),
        (date(2026, 8, 1), True, False),
        (date(2026, 8, 1), True, False),
        (date(2026, 7, 1), True, False),
    ]
    # August of the second experiment, which is not final yet, and September
    assert measure_months(as_of=SEPTEMBER + 30 * DAY) == 2
    Experiment.objects.all().delete()
    measure_months(as_of=SEPTEMBER + 30 * DAY)
    assert not GlobalHoldoutResult.objects.exists()


def test_the_total_is_that_of_the_page_of_the_experiment(admin_client: Client, holdouts: object) -> None:
    experiment = holdouts[1]  # type: ignore[index]
    for number in range(40):
        at = AUGUST + 20 * DAY + timedelta(hours=number)
        expose(experiment, at, is_held_out=number % 2 == 0, orders=(at + DAY,) * (1 + number % 2 + number % 3))
    as_of = SEPTEMBER + 4 * DAY
    measure_months(as_of=as_of)
    total = load_recommendation_report().total
    assert total is not None
    assert total.comparison.revenue is not None
    metric = measure_experiment(experiment, as_of=as_of).variants[1].get_metric("revenue")
    assert metric is not None
    assert metric.effect is not None
    assert total.comparison.revenue.effect.low == pytest.approx(metric.effect.low)
    assert total.comparison.revenue.effect.high == pytest.approx(metric.effect.high)
    page = admin_client.get("/admin/campaigns/marketing-effect/").content.decode()
    assert "Recommendations have generated" in page
    assert "Sep 2026 so far" in page
    assert "Aug 2026, Aug 20 to Aug 31" in page
    client = APIClient()
    client.force_authenticate(token=Grant(caller="test", name="key", scopes=frozenset(["experiments:read"])))  # type: ignore[arg-type]
    body = client.get("/api/v1/recommendation-holdout/").json()
    assert body["experiment"] == "second"
    assert body["total"]["revenue"]["effect"]["low"] == pytest.approx(metric.effect.low)
    assert [month["holdout"]["customers"] for month in body["months"]] == [20, 20, 0, 0]
