"""The figures of the home page in cases worked out by hand, the menu by permission, and the lockout page."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import translation
from pytest_django import DjangoAssertNumQueries

from config.backoffice import home_queries
from config.foundation import number_formats
from customers.lifecycle.models import LifecycleRun, RfmGroup, ScoreModel, Stage, StageRules, StageTransition
from customers.orders.models import Order
from recommendations.training.models import EvaluationRun, ModelVersion
from tests.makers import make_customer, make_order, make_profile

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = timedelta(days=1)
PASSWORD = "a-long-password-for-tests"

pytestmark = pytest.mark.django_db


def make_home_order(customer: object, *, days_ago: float, total: str, **fields: object) -> Order:
    return make_order(customer, placed_at=NOON - days_ago * DAY, total=Decimal(total), **fields)  # type: ignore[arg-type]


def test_sales_are_summed_for_this_period_and_the_previous_one() -> None:
    ann, ben = make_customer(), make_customer()
    make_home_order(ann, days_ago=0.1, total="10")
    make_home_order(ann, days_ago=6, total="20", refunded=Decimal(5))
    make_home_order(ben, days_ago=8, total="40")
    make_home_order(ben, days_ago=15, total="50")
    make_home_order(None, days_ago=1, total="7")
    figures = home_queries.query_sales(as_of=NOON, weeks=1)
    [week] = figures["weeks"]
    assert (week["revenue"], week["revenue_before"]) == (Decimal(32), Decimal(40))
    assert (week["orders"], week["orders_before"]) == (3, 1)
    totals = {total["name"]: (total["now"], total["before"]) for total in figures["totals"]}
    assert totals["customers"] == (1, 1)
    assert totals["order_value"] == (Decimal(32) / 3, Decimal(40))


def test_sales_subtract_returns_and_exclude_cancelled_orders() -> None:
    ann = make_customer()
    make_home_order(ann, days_ago=1, total="30")
    make_home_order(ann, days_ago=1, total="-12", kind=Order.Kind.RETURN)
    make_home_order(ann, days_ago=1, total="99", status=Order.Status.CANCELLED)
    [week] = home_queries.query_sales(as_of=NOON, weeks=1)["weeks"]
    assert (week["revenue"], week["orders"]) == (Decimal(18), 1)


def test_sales_exclude_later_orders() -> None:
    make_home_order(make_customer(), days_ago=-0.2, total="30")
    assert home_queries.query_sales(as_of=NOON, weeks=1)["totals"][1]["now"] == 0


def test_orders_in_another_currency_are_counted_separately() -> None:
    ann = make_customer()
    make_home_order(ann, days_ago=1, total="30")
    make_home_order(ann, days_ago=2, total="30")
    make_home_order(ann, days_ago=2, total="500", currency="JPY")
    figures = home_queries.query_sales(as_of=NOON, weeks=1)
    assert (figures["currency"], figures["other_orders"], figures["weeks"][0]["revenue"]) == ("EUR", 1, Decimal(60))


def test_the_last_week_ends_on_the_day_of_the_figures() -> None:
    weeks = home_queries.query_sales(as_of=NOON, weeks=2)["weeks"]
    assert [week["to"].isoformat() for week in weeks] == ["2026-11-18", "2026-11-25"]


def test_stages_count_customers_entries_and_exits() -> None:
    rules = make_rules()
    for stage in (Stage.ACTIVE, Stage.ACTIVE, Stage.LOYAL):
        customer = make_customer()
        make_profile(customer, stage=stage)
        if stage == Stage.LOYAL:
            make_stage_change(customer, Stage.ACTIVE, Stage.LOYAL, days_ago=3, rules=rules)
            make_stage_change(customer, Stage.NEW, Stage.ACTIVE, days_ago=40, rules=rules)
    figures = home_queries.query_stages(as_of=NOON)
    counts = {row["stage"]: (row["customers"], row["entered"], row["left"]) for row in figures["stages"]}
    assert (counts["active"], counts["loyal"], counts["new"]) == ((2, 0, 1), (1, 1, 0), (0, 0, 0))
    assert (list(counts), figures["total"]) == (Stage.values, 3)


def make_rules() -> StageRules:
    gaps = {"second_gap_days": 40, "median_gap_days": 20, "active_gap_days": 30, "dormant_gap_days": 60}
    return StageRules.objects.create(version=999, measured_at=NOON, **gaps)


def make_stage_change(customer: object, before: str, after: str, *, days_ago: float, rules: StageRules) -> None:
    StageTransition.objects.create(
        customer=customer,
        from_stage=before,
        to_stage=after,
        at=NOON - days_ago * DAY,
        reason=StageTransition.Reason.ORDERED,
        rules=rules,
    )


def test_rfm_groups_are_sums_of_their_cells() -> None:
    for f in (4, 5):
        make_profile(make_customer(), r=5, f=f, m=5, rfm_group=RfmGroup.CHAMPIONS, revenue=Decimal(10))
    make_profile(make_customer(), r=1, f=1, m=1, rfm_group=RfmGroup.HIBERNATING, revenue=Decimal(1))
    make_profile(make_customer())
    figures = home_queries.query_rfm()
    assert len(figures["cells"]) == 3
    assert figures["groups"] == [
        {"group": "champions", "customers": 2, "revenue": Decimal(20)},
        {"group": "hibernating", "customers": 1, "revenue": Decimal(1)},
    ]


def test_model_accuracy_lists_the_best_first_and_marks_the_active_algorithm() -> None:
    version = ModelVersion.objects.create(
        version="v", algorithm="blend", as_of=NOON, created_at=NOON, status=ModelVersion.Status.ACTIVE
    )
    figures = {
        "popularity": {"ndcg@10": {"value": 0.1, "low": 0.09, "high": 0.11}},
        "blend": {"ndcg@10": {"value": 0.3, "low": 0.29, "high": 0.31}},
        "broken": {"ndcg@10": {"value": None, "low": None, "high": None}},
    }
    EvaluationRun.objects.create(
        model_version=version, started_at=NOON, status=EvaluationRun.Status.DONE, figures=figures
    )
    algorithms = home_queries.query_model_accuracy()["algorithms"]
    assert [(row["algorithm"], row["serves"]) for row in algorithms] == [("blend", True), ("popularity", False)]


def test_health_lists_jobs_that_failed_in_the_last_week() -> None:
    failed = {"status": EvaluationRun.Status.FAILED, "error": "no data"}
    EvaluationRun.objects.create(started_at=NOON - DAY, **failed)
    EvaluationRun.objects.create(started_at=NOON - 8 * DAY, **failed)
    figures = home_queries.query_health(as_of=NOON)
    assert figures["failed"] == [{"model": "training.evaluationrun", "runs": 1}]
    assert figures["last_order"] is None


def make_user(*permissions: str, superuser: bool = False) -> User:
    user = User.objects.create_user("person", password=PASSWORD, is_staff=True, is_superuser=superuser)
    for permission in permissions:
        label, codename = permission.split(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=label, codename=codename))
    return user


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_the_home_page_opens_without_data(client: Client, language: str) -> None:
    client.force_login(make_user(superuser=True))
    response = client.get(reverse("admin:index"), headers={"accept-language": language})
    assert response.status_code == 200
    assert "import_orders" in response.text


@pytest.mark.parametrize("demo", [True, False])
def test_the_home_page_links_to_the_demo_shop_only_in_demo_mode(client: Client, settings: Any, demo: bool) -> None:
    settings.DEMO = demo
    client.force_login(make_user(superuser=True))
    assert (f'href="{reverse("shop:home")}"' in client.get(reverse("admin:index")).text) is demo


def test_the_home_page_needs_a_fixed_number_of_queries(
    client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client.force_login(make_user(superuser=True))
    for _number in range(3):
        make_home_order(make_customer(), days_ago=1, total="30")
    with django_assert_max_num_queries(26):
        client.get(reverse("admin:index"))


def test_the_home_page_shows_only_permitted_sections(client: Client) -> None:
    client.force_login(make_user("training.view_modelversion"))
    context = client.get(reverse("admin:index")).context
    assert "quality" in context
    assert "sales" not in context
    assert "stages" not in context


def test_the_lockout_page_states_the_duration(client: Client, settings: object) -> None:
    make_user()
    for _number in range(settings.AXES_FAILURE_LIMIT):  # type: ignore[attr-defined]
        response = client.post(reverse("admin:login"), {"username": "person", "password": "wrong"})
    assert response.status_code == 429
    assert settings.AXES_COOLOFF_TIME == 0.25  # type: ignore[attr-defined]
    assert "15 minutes" in response.text
    second_response = client.post(reverse("admin:login"), {"username": "person", "password": PASSWORD})
    assert second_response.status_code == 429


def test_the_lockout_page_is_translated(client: Client, settings: object) -> None:
    for _number in range(settings.AXES_FAILURE_LIMIT):  # type: ignore[attr-defined]
        response = client.post(
            reverse("admin:login"), {"username": "x", "password": "y"}, headers={"accept-language": "zh-hans"}
        )
    assert "分钟" in response.text


def test_the_log_in_page_offers_both_languages(client: Client) -> None:
    text = client.get(reverse("admin:login")).text
    assert "简体中文" in text
    assert "English" in text


def test_numbers_follow_the_language() -> None:
    with translation.override("zh-hans"):
        assert number_formats.format_whole_money(Decimal("1234.5"), "USD") == "US$1,234"
        assert number_formats.format_day(NOON.date()) == "11月24日"
    with translation.override("en"):
        assert number_formats.format_whole_money(None, "USD") == "–"
        assert number_formats.format_change(-0.042) == "−4.2%"


def test_a_significantly_wrong_prediction_shows_an_alert_on_the_home_page(admin_client: Client) -> None:
    run = LifecycleRun.objects.create(as_of=NOON, started_at=NOON, status=LifecycleRun.Status.DONE)
    backtest = {
        "as_of": "2026-10-01T12:00:00+00:00",
        "days": 54.0,
        "ratio": 0.5,
        "low": 0.4,
        "high": 0.6,
        "customers": 500,
        "coverage": 0.8,
    }
    score_model = ScoreModel.objects.create(
        run=run, kind="purchase_model", algorithm="bg_nbd", figures={"backtests": [backtest]}
    )
    assert (
        "Actual orders are 50% of the orders predicted on Oct. 1, 2026." in admin_client.get("/admin/").content.decode()
    )
    score_model.figures = {"backtests": [{**backtest, "ratio": 0.9, "low": 0.7, "high": 1.1}]}
    score_model.save()
    assert "Actual orders are" not in admin_client.get("/admin/").content.decode()
