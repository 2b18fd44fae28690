"""The figures of the home page in cases worked out by hand, the menu by permission, and the lockout page."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import translation
from django_celery_beat.models import PeriodicTask
from pytest_django import DjangoAssertNumQueries

from catalog.models import FeedImport, Product
from config.backoffice.home.attention import list_attention_items
from config.backoffice.home.onboarding import list_missing_data, list_steps
from config.backoffice.home.page import build_flow
from config.backoffice.home.sales import SalesTotals, query_best_sellers, query_sales
from config.foundation import number_formats
from config.foundation.backoffice.date_range import DateChoice, parse_date_choice
from config.jobs.models import ScheduledRun
from config.schedule import sync_schedule
from customers.events.models import Source
from customers.lifecycle.models import LifecycleRun, ScoreModel, Stage, StageRules, StageTransition
from customers.orders.models import Order, OrderImport, OrderLine
from customers.segments.models import Segment
from recommendations.campaigns.models import Campaign
from recommendations.serving.impressions.models import Impression
from recommendations.training.models import EvaluationRun, ModelVersion
from tests.makers import make_customer, make_order, make_product, make_profile, make_source

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = timedelta(days=1)
PASSWORD = "a-long-password-for-tests"

pytestmark = pytest.mark.django_db


def make_home_order(customer: object, *, days_ago: float, total: str, **fields: object) -> Order:
    return make_order(customer, placed_at=NOON - days_ago * DAY, total=Decimal(total), **fields)  # type: ignore[arg-type]


def choose(days: int = 7, compare: str = "previous") -> DateChoice:
    """Return the last whole days before the day of NOON."""
    last = NOON.date() - DAY
    return parse_date_choice(
        {"since": str(last - (days - 1) * DAY), "until": str(last), "compare": compare}, today=NOON.date()
    )


def test_sales_are_summed_for_whole_days_and_the_same_number_of_days_before() -> None:
    ann, ben = make_customer(), make_customer()
    make_home_order(ann, days_ago=0, total="1000")  # today is not over
    make_home_order(ann, days_ago=1, total="10")
    make_home_order(ann, days_ago=6, total="20", refunded=Decimal(5))
    make_home_order(ben, days_ago=8, total="40")
    make_home_order(ben, days_ago=15, total="50")
    make_home_order(None, days_ago=1, total="7")
    totals = query_sales(choose())
    assert totals.now == SalesTotals(Decimal(32), 3, 1)
    assert totals.before == SalesTotals(Decimal(40), 1, 1)
    assert totals.now.order_value == Decimal(32) / 3
    assert query_sales(choose(compare="none")).before is None


def test_sales_subtract_returns_and_exclude_cancelled_orders() -> None:
    ann = make_customer()
    make_home_order(ann, days_ago=1, total="30")
    make_home_order(ann, days_ago=1, total="-12", kind=Order.Kind.RETURN)
    make_home_order(ann, days_ago=1, total="99", status=Order.Status.CANCELLED)
    assert query_sales(choose()).now == SalesTotals(Decimal(18), 1, 1)


def test_a_refund_is_subtracted_once_from_sales() -> None:
    ann = make_customer()
    make_home_order(ann, days_ago=1, total="500")
    refunds: tuple[dict[str, Any], ...] = (
        {"total": "-100", "kind": Order.Kind.RETURN, "status": Order.Status.REFUNDED, "refunded": Decimal(100)},
        {"total": "-100", "kind": Order.Kind.RETURN, "refunded": Decimal(30)},
        {"total": "100", "status": Order.Status.REFUNDED, "refunded": Decimal(50)},
        {"total": "100", "status": Order.Status.PARTLY_REFUNDED, "refunded": Decimal(40)},
    )
    for fields in refunds:
        make_home_order(ann, days_ago=1, **fields)
    assert query_sales(choose()).now == SalesTotals(Decimal(360), 3, 1)


def test_orders_in_another_currency_are_counted_separately() -> None:
    ann = make_customer()
    make_home_order(ann, days_ago=1, total="30")
    make_home_order(ann, days_ago=2, total="30")
    make_home_order(ann, days_ago=2, total="500", currency="JPY")
    totals = query_sales(choose())
    assert (totals.currency, totals.other_orders, totals.now.revenue) == ("EUR", 1, Decimal(60))


def test_the_best_sellers_are_the_products_with_the_highest_revenue() -> None:
    tea, jam = (
        Product.objects.create(product_id="tea", title="Tea"),
        Product.objects.create(product_id="jam", title="Jam"),
    )
    for days_ago, product, total in ((1, tea, 5), (2, tea, 4), (2, jam, 8), (9, tea, 6), (0, jam, 99)):
        order = make_home_order(make_customer(), days_ago=days_ago, total=str(total))
        OrderLine.objects.create(order=order, line_number=1, product=product, quantity=1, unit_price=total, total=total)
    rows = query_best_sellers(choose(), currency="EUR")
    assert [(row.title, row.orders, row.revenue, row.revenue_before) for row in rows] == [
        ("Tea", 2, Decimal(9), Decimal(6)),
        ("Jam", 1, Decimal(8), Decimal(0)),
    ]
    assert query_best_sellers(choose(), currency="USD") == []


def test_the_revenue_of_best_sellers_is_net_of_returns_and_refunds() -> None:
    tea, jam, pan = (make_product(name, price=Decimal(10)) for name in ("tea", "jam", "pan"))
    ann = make_customer()
    make_home_order(ann, days_ago=1, total="40", products=[tea], quantity=4)
    make_home_order(ann, days_ago=1, total="-30", products=[tea], quantity=-3, kind=Order.Kind.RETURN)
    make_home_order(ann, days_ago=2, total="50", products=[tea], quantity=5, status=Order.Status.REFUNDED)
    # shipping of 10 is in the total: a quarter of the order was refunded
    make_home_order(ann, days_ago=2, total="40", products=[jam], quantity=3, refunded=Decimal(10))
    make_home_order(ann, days_ago=8, total="20", products=[jam], quantity=2, status=Order.Status.REFUNDED)
    make_home_order(ann, days_ago=2, total="-10", products=[pan], quantity=-1, kind=Order.Kind.RETURN)
    rows = query_best_sellers(choose(), currency="EUR")
    assert [(row.product_id, row.orders, row.revenue, row.revenue_before) for row in rows] == [
        ("jam", 1, Decimal("22.5"), Decimal(0)),
        ("tea", 2, Decimal(10), Decimal(0)),
    ]


def test_the_flow_counts_customers_entries_and_exits_of_four_weeks() -> None:
    rules = make_rules()
    for stage in (Stage.ACTIVE, Stage.ACTIVE, Stage.LOYAL):
        customer = make_customer()
        make_profile(customer, stage=stage)
        if stage == Stage.LOYAL:
            make_stage_change(customer, Stage.ACTIVE, Stage.LOYAL, days_ago=3, rules=rules)
            make_stage_change(customer, Stage.NEW, Stage.ACTIVE, days_ago=40, rules=rules)
    flow = build_flow(NOON)
    counts = {row["name"]: (row["customers"], row["entered"], row["left"]) for row in flow["stages"]}
    assert (counts["Active"], counts["Loyal"]) == (("2", "0", "1"), ("1", "1", "0"))
    assert (len(counts), flow["total"]) == (len(Stage.values), 3)
    assert [(move["from"], move["to"], move["customers"]) for move in flow["moves"]] == [("Active", "loyal", "1")]


def test_entries_of_four_weeks_include_customers_who_have_moved_on(admin_client: Client) -> None:
    rules, ann, ben = make_rules(), make_customer("ann"), make_customer("ben")
    for customer, stage in ((ann, Stage.ACTIVE), (ben, Stage.AT_RISK)):
        make_profile(customer, stage=stage)
        make_stage_change(customer, Stage.ACTIVE, Stage.AT_RISK, days_ago=9, rules=rules)
    make_stage_change(ann, Stage.AT_RISK, Stage.ACTIVE, days_ago=6, rules=rules)
    make_stage_change(ann, Stage.ACTIVE, Stage.AT_RISK, days_ago=4, rules=rules)  # a customer counts once
    make_stage_change(ann, Stage.AT_RISK, Stage.ACTIVE, days_ago=3, rules=rules)
    flow = build_flow(NOON)
    assert flow["sentence"] == "2 customers became at risk at some point in the last four weeks."
    counts = {row["name"]: (row["entered"], row["left"]) for row in flow["stages"]}
    assert (counts["At risk"], counts["Active"], counts["Loyal"]) == (("2", "1"), ("1", "2"), ("0", "0"))
    for row in flow["stages"]:
        for side in ("entered", "left"):
            assert str(len(admin_client.get(row[f"{side}_url"]).context["customers"])) == row[side]
    assert [(move["from"], move["to"], move["customers"]) for move in flow["moves"]] == [("Active", "at risk", "1")]


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


def test_jobs_that_failed_in_the_last_week_need_attention() -> None:
    failed = {"status": EvaluationRun.Status.FAILED, "error": "no data"}
    EvaluationRun.objects.create(started_at=NOON - DAY, **failed)
    EvaluationRun.objects.create(started_at=NOON - 8 * DAY, **failed)
    trial: dict[str, Any] = {"file_name": "x.csv", "started_at": NOON - DAY, "error": "no ID", "dry_run": True}
    OrderImport.objects.create(source=make_source(), **trial)
    FeedImport.objects.create(**trial)
    items = list_attention_items(user=make_user(superuser=True), as_of=NOON)
    assert [item.text for item in items] == ["Training: 1 run failed in the last seven days."]
    assert list_attention_items(user=User.objects.create_user("guest"), as_of=NOON) == []


def test_an_old_model_needs_attention() -> None:
    ModelVersion.objects.create(
        version="v", algorithm="blend", as_of=NOON - 9 * DAY, created_at=NOON, status=ModelVersion.Status.ACTIVE
    )
    texts = [item.text for item in list_attention_items(user=make_user(superuser=True), as_of=NOON)]
    assert texts == ["The recommendation model was trained on data from 9 days ago. Train a new one."]


def test_the_first_steps_vanish_when_all_are_done() -> None:
    user = make_user(superuser=True)
    steps = list_steps(user)
    assert [status.is_next for status in steps] == [True] + [False] * (len(steps) - 1)
    Source.objects.create(key="web", name="Web", kind=Source.Kind.BROWSER)
    Product.objects.create(product_id="1", title="Tea")
    make_home_order(make_customer(), days_ago=1, total="3")
    statuses = list_steps(user)
    assert [status.is_done for status in statuses][:4] == [True, True, True, False]
    LifecycleRun.objects.create(as_of=NOON, started_at=NOON, status=LifecycleRun.Status.DONE)
    ModelVersion.objects.create(
        version="v", algorithm="blend", as_of=NOON, created_at=NOON, status=ModelVersion.Status.ACTIVE
    )
    Impression.objects.create(
        recommendation_id="r", scenario="for-you", model_version="v", strategy="blend", served_at=NOON
    )
    segment = Segment.objects.create(key="all", name="All", condition={"all": []})
    Campaign.objects.create(key="c", name="C", segment=segment)
    assert list_steps(user) == []


def test_a_user_who_may_run_jobs_starts_the_step_that_computes_from_home(client: Client) -> None:
    sync_schedule()
    client.force_login(make_user(superuser=True))
    Source.objects.create(key="web", name="Web", kind=Source.Kind.BROWSER)
    Product.objects.create(product_id="1", title="Tea")
    make_home_order(make_customer(), days_ago=1, total="3")
    job = PeriodicTask.objects.get(task="customers.lifecycle.tasks.refresh_profiles")
    assert f'action="{reverse("jobs:start", args=[job.pk])}"' in client.get(reverse("admin:index")).text
    assert {status.start_url for status in list_steps(make_visitor_of_runs())} == {""}
    ScheduledRun.objects.create(task=job.task, status=ScheduledRun.Status.RUNNING, started_at=NOON)
    page = client.get(reverse("admin:index")).text
    assert f'action="{reverse("jobs:start", args=[job.pk])}"' not in page
    running = f'<a href="{reverse("jobs:list")}">Running…</a>'
    assert running in page
    client.force_login(User.objects.get(username="reader"))
    page = client.get(reverse("admin:index")).text
    assert "Running…" in page
    assert running not in page, "a link to a page that the role may not open"


def make_visitor_of_runs() -> User:
    user = User.objects.create_user("reader", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_lifecyclerun"))
    return user


def test_missing_data_is_counted_for_each_prediction() -> None:
    for _number in range(3):
        customer = make_customer()
        make_home_order(customer, days_ago=1, total="3")
        make_home_order(customer, days_ago=2, total="3")
    first, second, third = list_missing_data()
    assert "Value predictions need 30 customers with two orders; you have 3." in first
    assert second.endswith("you have 3 customers with an order.")
    assert third == "Clusters need 30 customers with an order; you have 3."


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
    assert reverse("imports:new", args=["orders"]) in response.text


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
    with django_assert_max_num_queries(43):
        client.get(reverse("admin:index"))


def test_the_home_page_shows_only_permitted_sections(client: Client) -> None:
    client.force_login(make_user("training.view_modelversion"))
    context = client.get(reverse("admin:index")).context
    assert "sales" not in context
    assert "flow" not in context
    assert "suggestions" not in context


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
        "Actual orders are 50% of the orders predicted on Oct 1, 2026." in admin_client.get("/admin/").content.decode()
    )
    score_model.figures = {"backtests": [{**backtest, "ratio": 0.9, "low": 0.7, "high": 1.1}]}
    score_model.save()
    assert "Actual orders are" not in admin_client.get("/admin/").content.decode()
