"""Rules by false alarms in the database: measuring, replacing those of an earlier release, missing data, and one story per customer."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from math import log
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.translation import override

from customers.identity.models import Customer
from customers.lifecycle.backoffice.labels.stage_labels import describe_gaps, describe_guard, round_odds
from customers.lifecycle.models import CustomerProfile, LifecycleRun, StageRules, StageTransition
from customers.lifecycle.portrait.customer_profile import build_customer_profile
from customers.lifecycle.portrait.gap_summaries import summarize_customer_gaps
from customers.lifecycle.refresh.nightly import refresh_due_stages, refresh_profiles, refresh_stages
from customers.lifecycle.scoring.stages.gap_summary import GapSummary
from customers.lifecycle.stages.freshness import find_missing_data_since
from customers.lifecycle.stages.preview import preview_rules
from customers.lifecycle.stages.rules import activate_rules, get_active_rules
from customers.orders.models import Order
from tests.customers.lifecycle.sample_shop import make_sample_shop, share_rows
from tests.makers import NOON, make_customer, make_order, make_product, make_source

ORDERS_OF_HOUSEHOLD = 674


def days_ago(number: float) -> datetime:
    return NOON - timedelta(days=number)


def refresh(as_of: datetime = NOON, **more: Any) -> LifecycleRun:
    return refresh_profiles(as_of=as_of, started_at=as_of, **more)


def make_household(customer: Customer, *, last: float, days: float = 340.0) -> None:
    """Make 674 orders, one every half day, of which the last is some days ago."""
    source = make_source()
    step = days / ORDERS_OF_HOUSEHOLD
    Order.objects.bulk_create(
        Order(
            source=source,
            order_id=f"household-{number}",
            customer=customer,
            placed_at=days_ago(last + step * number),
            currency="EUR",
            subtotal=40,
            total=40,
        )
        for number in range(ORDERS_OF_HOUSEHOLD)
    )


@pytest.fixture(scope="module")
def shop(django_db_setup: None, django_db_blocker: Any) -> Iterator[Customer]:
    """A shop of 120 customers and a household with 674 orders, refreshed at noon."""
    with share_rows(django_db_blocker):
        make_sample_shop()
        household = make_customer("household-900")
        make_household(household, last=3)
        refresh()
        yield household


@pytest.mark.django_db
def test_the_first_refresh_measures_rules_by_false_alarms(shop: Customer) -> None:
    rules = StageRules.objects.get()
    assert (rules.method, rules.effective_from) == (StageRules.Method.FALSE_ALARMS, None)
    assert set(rules.gap_distribution) == {"mean", "within", "between", "tail_variance", "category_means"}
    assert rules.order_gap_days == pytest.approx(2.567, abs=0.01)
    assert rules.purchase_model["model"] == "mbg_nbd"


@pytest.mark.django_db
def test_a_household_with_674_orders_tells_one_story(admin_client: Client, shop: Customer) -> None:
    """By quantiles of its own gaps it had churned after two days without an order."""
    profile = build_customer_profile(customer_id=shop.pk, as_of=NOON)
    assert profile is not None
    assert profile["counters"]["orders"] == ORDERS_OF_HOUSEHOLD
    assert profile["stage"]["key"] == "loyal"
    assert profile["value"]["p_alive"] > 0.9
    assert (profile["rfm"]["f"], profile["rfm"]["m"]) == (5, 5)
    assert profile["stage"]["explanation"].startswith("Usually orders every day; 3 days since the last order. ")
    changes = StageTransition.objects.filter(customer=shop).order_by("at").values_list("to_stage", flat=True)
    assert list(changes) == ["new", "active", "loyal"]
    page = admin_client.get(reverse("admin:lifecycle_customer", args=[shop.pk]))
    assert "Usually orders every day; " in page.content.decode()


@pytest.mark.django_db
def test_no_customer_who_is_surely_active_is_dormant_or_churned(shop: Customer) -> None:
    absent = CustomerProfile.objects.filter(stage__in=["dormant", "churned"])
    assert absent.exists()
    assert not absent.filter(p_alive__gte=0.9, churn__lte=0.1).exists()


@pytest.mark.django_db
def test_the_preview_shows_what_fewer_alarms_would_change(shop: Customer) -> None:
    rules = get_active_rules()
    assert rules is not None
    fields = {field.name: getattr(rules, field.name) for field in StageRules._meta.fields if field.name != "id"}
    patient = fields | {"at_risk_days": 100.0, "dormant_days": 200.0, "churned_days": 400.0, "effective_from": None}
    preview = preview_rules(values=patient, as_of=NOON)
    changes = {(row["from_stage"], row["to_stage"]) for row in preview.count_changes()}
    assert changes
    assert not any(after == "churned" for _before, after in changes)
    assert len(preview_rules(values=fields, as_of=NOON).customer) == 0


@pytest.mark.django_db
def test_a_new_version_without_a_time_replays_the_history(shop: Customer) -> None:
    rules = get_active_rules()
    assert rules is not None
    assert StageTransition.objects.filter(to_stage="churned").exists()
    names = [field.name for field in StageRules._meta.fields]
    kept = {name: getattr(rules, name) for name in names if name not in ("id", "version", "is_active", "created_at")}
    activate_rules(**kept | {"churned_days": 500.0, "measured_at": None, "effective_from": None})
    refresh()
    assert not StageTransition.objects.filter(to_stage="churned").exists()
    assert set(StageTransition.objects.values_list("rules__version", flat=True)) == {2}


@pytest.mark.django_db
def test_time_waits_while_the_shop_has_no_orders(admin_client: Client, shop: Customer) -> None:
    before = list(CustomerProfile.objects.order_by("pk").values_list("pk", "stage", "next_stage_change_at"))
    later = NOON + timedelta(days=90)
    latest = Order.objects.latest("placed_at").placed_at
    missing_since = latest + timedelta(days=get_active_rules().order_gap_days)  # type: ignore[union-attr,arg-type]
    assert find_missing_data_since(as_of=missing_since) is None
    assert find_missing_data_since(as_of=later) == missing_since
    refresh_due_stages(as_of=later)
    assert refresh_due_stages(as_of=later) == 0
    moved = CustomerProfile.objects.filter(stage_since__gt=missing_since)
    assert not moved.exists()
    refresh_stages(customer_ids=[row[0] for row in before], as_of=later)
    assert not moved.exists(), "a derivation for another reason does not let time count either"
    explanation = build_customer_profile(customer_id=shop.pk, as_of=later)["stage"]["explanation"]  # type: ignore[index]
    assert "Orders for the whole shop have been overdue since" in explanation
    make_order(make_customer("first-after"), placed_at=later - timedelta(hours=1))
    assert find_missing_data_since(as_of=later) is None
    assert refresh_due_stages(as_of=later) > 0
    assert CustomerProfile.objects.get(customer=shop).stage == "churned"


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["own rhythm", "floors", "quantiles"])
def test_overdue_orders_are_explained_with_every_kind_of_rule(shop: Customer, kind: str) -> None:
    rules = get_active_rules()
    assert rules is not None
    names = [field.name for field in StageRules._meta.fields]
    kept = {name: getattr(rules, name) for name in names if name not in ("id", "version", "is_active", "created_at")}
    changed = {
        "own rhythm": {},
        "floors": {"at_risk_days": 100.0, "dormant_days": 200.0, "churned_days": 400.0},
        "quantiles": {"method": StageRules.Method.QUANTILES},
    }[kind]
    activate_rules(**kept | changed | {"measured_at": None})
    later = NOON + timedelta(days=90)
    profile = build_customer_profile(customer_id=shop.pk, as_of=later)
    assert profile is not None
    assert profile["orders_missing_since"] is not None
    assert profile["stage"]["explanation"].count("Orders for the whole shop have been overdue since") == 1
    assert "days since the last order" in profile["stage"]["explanation"]
    assert ("no customer is at risk before 100 days" in profile["stage"]["explanation"]) == (kind == "floors")
    assert ("nine of ten" in profile["stage"]["explanation"]) == (kind == "quantiles")
    make_order(make_customer("first-after"), placed_at=later - timedelta(hours=1))
    assert "overdue" not in build_customer_profile(customer_id=shop.pk, as_of=later)["stage"]["explanation"]  # type: ignore[index]


@pytest.mark.django_db
def test_the_reason_uses_the_usual_gap_of_the_main_category_as_the_stage_does() -> None:
    """Gaps last 20 days in the median, 150 in furniture: 140 days after an order of a sofa are within the usual gap."""
    activate_rules(
        method=StageRules.Method.FALSE_ALARMS,
        gap_distribution={
            "mean": log(20),
            "within": 0.6,
            "between": 0.5,
            "tail_variance": 0.6,
            "category_means": {"Furniture": log(150)},
        },
        second_gap_days=20,
        median_gap_days=20,
        active_gap_days=60,
        dormant_gap_days=120,
    )
    customers = {}
    for category in ("Furniture", "Coffee"):
        customers[category] = make_customer(category)
        product = make_product(category, category=f"{category} > Leaf", price=Decimal(10))
        make_order(customers[category], placed_at=days_ago(140), products=[product])
    refresh()
    summaries = summarize_customer_gaps(customer_ids=[customer.pk for customer in customers.values()], as_of=NOON)
    furniture, coffee = (summaries[customers[category].pk] for category in ("Furniture", "Coffee"))
    assert furniture.usual_days == pytest.approx(150)
    assert furniture.longer_share == pytest.approx(0.526, abs=0.001)
    assert coffee.usual_days == pytest.approx(20)
    assert coffee.longer_share == pytest.approx(0.032, abs=0.001)
    stages = {profile.customer_id: profile.stage for profile in CustomerProfile.objects.all()}
    assert stages[customers["Furniture"].pk] == "active"
    assert stages[customers["Coffee"].pk] == "churned"
    profile = build_customer_profile(customer_id=customers["Furniture"].pk, as_of=NOON)
    assert profile is not None
    assert "do so after 150 days" in profile["stage"]["explanation"]
    assert "That is within the usual gap." in profile["stage"]["explanation"]


SUMMARY = GapSummary(usual_days=6.2, days=23.4, own_gaps=59, longer_share=0.005, p_alive=0.97, churn=0.04, guarded=True)


def test_the_reason_is_in_the_words_of_a_marketer() -> None:
    assert describe_gaps(SUMMARY) == (
        "Usually orders every 6 days; 23 days since the last order. Only about 1 in 200 of their gaps is that long."
    )
    assert "97%" in describe_guard(SUMMARY)
    assert "4%" in describe_guard(SUMMARY)
    newcomer = GapSummary(30.0, 1.2, 0, 0.95, None, None, False)
    assert describe_gaps(newcomer) == (
        "Has ordered on one day; customers who order again usually do so after 30 days; 1 day since the last order. "
        "That is within the usual gap."
    )
    assert describe_guard(newcomer) == ""


def test_the_reason_is_translated() -> None:
    with override("zh-hans"):
        text = describe_gaps(SUMMARY)
        assert "6" in text
        assert "23" in text
        assert "200" in text
        assert "order" not in text
        assert "dormant" not in describe_guard(SUMMARY)


@pytest.mark.parametrize(("share", "expected"), [(0.35, 3), (0.083, 12), (0.02, 50), (0.005, 200), (1e-9, 1000)])
def test_odds_are_round_numbers(share: float, expected: int) -> None:
    assert round_odds(share) == expected
