"""The RFM panel of shops without orders, without recent orders, or with large numbers."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from customers.identity.models import Customer
from customers.lifecycle.models import CustomerProfile, LifecycleRun
from customers.lifecycle.refresh.nightly import refresh_profiles
from tests.makers import NOON, make_customer, make_order, make_profile

pytestmark = pytest.mark.django_db

STAGES_PAGE = "/admin/lifecycle/customerprofile/lifecycle/stages/"
PAGE, CUSTOMERS_PAGE = "/admin/lifecycle/customerprofile/lifecycle/rfm/", "/admin/lifecycle/customerprofile/customers/"


def refresh(as_of: datetime = NOON) -> None:
    refresh_profiles(as_of=as_of, started_at=as_of)


def get_panel(client: Client, **query: str) -> dict[str, Any]:
    page = client.get(PAGE, query)
    assert page.status_code == 200
    return dict(page.context["rfm"])


def test_without_orders_the_panel_explains_what_to_do(admin_client: Client) -> None:
    make_customer("prospect")
    refresh(NOON + timedelta(days=90))
    page = admin_client.get(PAGE)
    assert page.context["rfm"]["empty"]
    assert "No customer has RFM scores yet" in page.content.decode()


def test_without_orders_in_the_window_the_panel_says_so(admin_client: Client) -> None:
    make_order(make_customer("old"), placed_at=NOON - timedelta(days=1500))
    refresh()
    assert not get_panel(admin_client)["empty"]
    page = admin_client.get(PAGE, {"rfm": "window"})
    assert "No customer ordered in the last 365 days" in page.content.decode()


def test_profiles_of_an_older_version_show_all_time_until_the_next_refresh(admin_client: Client) -> None:
    make_profile(make_customer("ann"), r=5, f=5, m=5, rfm_group="champions", orders=3, revenue=30, last_order_at=NOON)
    LifecycleRun.objects.create(as_of=NOON, started_at=NOON, status=LifecycleRun.Status.DONE)
    page = admin_client.get(PAGE)
    assert page.context["rfm"]["customers"] == 1
    assert "are computed by the next refresh" in page.content.decode()


def test_a_shop_whose_orders_were_all_returned_has_no_revenue_shares(admin_client: Client) -> None:
    customer = make_customer("returner")
    make_order(customer, placed_at=NOON - timedelta(days=2), total=Decimal(10))
    make_order(customer, placed_at=NOON - timedelta(days=1), total=Decimal(30), kind="return")
    refresh()
    panel = get_panel(admin_client)
    assert {row["revenue_share"] for row in panel["groups"]} == {"–"}
    page = admin_client.get(PAGE)
    assert "nan" not in page.content.decode().lower().split("rfm-map")[1][:4000]


def test_numbers_in_sentences_are_grouped_in_english_and_chinese(admin_client: Client, settings: Any) -> None:
    settings.RFM_WINDOW_DAYS = 1500
    make_order(make_customer("ann"), placed_at=NOON - timedelta(days=3))
    visitors = Customer.objects.bulk_create([Customer() for _number in range(1100)])
    CustomerProfile.objects.bulk_create(
        CustomerProfile(customer=visitor, stage="visitor", events=number) for number, visitor in enumerate(visitors)
    )
    Customer.objects.update(created_at=NOON)  # they would be new on the day of the test run
    refresh(NOON + timedelta(days=90))
    stages = admin_client.get(STAGES_PAGE, {"since": "2026-10-01", "until": "2026-11-30"}).content.decode()
    assert "1,101 customers were new in this period." in stages
    text = admin_client.get(PAGE).content.decode()
    assert "the last 1,500 days" in text
    chosen = {"figure": "stage", "stage": "visitor"}
    customers_page = admin_client.get(CUSTOMERS_PAGE, chosen, follow=True).content.decode()
    assert "1,100 customers" in customers_page
    chinese = admin_client.get(PAGE, headers={"accept-language": "zh-hans"}).content.decode()
    assert "最近 1,500 天" in chinese
    assert "<h2>RFM 分组</h2>" in chinese
