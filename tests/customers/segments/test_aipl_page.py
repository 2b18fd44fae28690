"""The AIPL page: four groups of stages, their flows, the customers behind each number, and the filters."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils.timezone import localdate, now

from config.foundation.backoffice.date_range import DayRange
from customers.lifecycle.models import CustomerProfile, Stage, StageTransition
from customers.lifecycle.refresh.nightly import refresh_profiles
from customers.lifecycle.stages.aipl import STAGES_BY_GROUP, count_aipl_flows, count_aipl_history
from customers.segments.backoffice import aipl_page
from customers.segments.backoffice.aipl_filter import CHANNELS_KEY
from tests.customers.lifecycle.linked_customers import count_linked_customers
from tests.makers import make_customer, make_order, make_segment

pytestmark = pytest.mark.django_db
PAGE = "/admin/segments/segment/aipl/"


@pytest.fixture(autouse=True)
def _channels_read_again() -> None:
    cache.delete(CHANNELS_KEY)


@pytest.fixture
def shop() -> datetime:
    """Ann is lost, bob orders rarely and through an app, eve is new, and dan became loyal a week ago."""
    today = now()
    for name, ago in {"ann": 400, "bob": 70, "eve": 10, "dan": 100}.items():
        make_order(
            make_customer(name), placed_at=today - timedelta(days=ago), channel="app" if name == "bob" else "web"
        )
    refresh_profiles(as_of=today, started_at=today)
    dan = CustomerProfile.objects.get(customer__identifiers__value="dan")
    StageTransition.objects.create(
        customer_id=dan.pk, from_stage=dan.stage, to_stage=Stage.LOYAL, at=today - timedelta(days=7), reason="order",
        rules=StageTransition.objects.earliest("pk").rules,
    )  # fmt: skip
    CustomerProfile.objects.filter(pk=dan.pk).update(stage=Stage.LOYAL)
    return today


def test_every_stage_is_in_one_group() -> None:
    stages = [stage for group in STAGES_BY_GROUP.values() for stage in group]
    assert sorted(stages) == sorted(Stage)


def test_history_and_flows_agree(shop: datetime) -> None:
    moments = [shop - timedelta(days=days) for days in (90, 30, 0)]
    history = count_aipl_history(moments=moments)
    for since, until, counts in zip(moments, moments[1:], history[1:], strict=False):
        flows = count_aipl_flows(since=since, until=until)
        assert {group: sum(n for (_old, new), n in flows.items() if new == group) for group in counts} == counts
    assert history[-1]["loyalty"] == 1


def test_the_customers_behind_each_number_are_listed(admin_client: Client, shop: datetime) -> None:
    page = admin_client.get(PAGE)
    assert page.status_code == 200
    cards = {card["name"]: card for card in page.context["cards"]}
    assert (cards["Loyalty"]["customers"], cards["Loyalty"]["entered"], cards["Outside (churned)"]["share"]) == (
        1,
        1,
        "",
    )
    for card in cards.values():
        if card["customers"]:
            assert count_linked_customers(admin_client, card["url"]) == card["customers"]
    for row in page.context["matrix"]["rows"]:
        assert count_linked_customers(admin_client, row["url"]) == row["total"]
    became_loyal = next(
        link for link in page.context["sankey"]["traces"][0]["link"]["customdata"] if "to=loyalty" in link
    )
    assert [row["name"] for row in admin_client.get(became_loyal).context["customers"]] == ["dan"]


def test_the_last_month_on_the_last_day_of_a_month_is_the_month_before(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aipl_page, "localdate", lambda: date(2026, 11, 30))
    page = admin_client.get(PAGE, {"range": "last_month"})
    assert page.context["dates"].range == DayRange(date(2026, 10, 1), date(2026, 10, 31))
    flow = aipl_page.parse_aipl_flow({"from": "any", "to": "loyalty", "range": "last_month"})
    assert flow.period == {"since": "2026-10-01", "until": "2026-10-31"}


@pytest.mark.parametrize("parameters", [{"channel": "app"}, {"segment": "handpicked"}])
def test_a_channel_or_segment_narrows_the_page(
    admin_client: Client, shop: datetime, parameters: dict[str, str]
) -> None:
    make_segment(
        "handpicked",
        {
            "field": "stage",
            "op": "in",
            "value": [CustomerProfile.objects.get(customer__identifiers__value="bob").stage],
        },
    )
    page = admin_client.get(PAGE, {**parameters, "range": "28d"})
    assert sum(card["customers"] for card in page.context["cards"]) == 1
    [card] = [card for card in page.context["cards"] if card["customers"]]
    assert [row["name"] for row in admin_client.get(card["url"]).context["customers"]] == ["bob"]


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [({"segment": "none"}, "There is no segment"), ({"since": "yesterday"}, "is not a valid date")],
)
def test_a_wrong_address_says_what_is_wrong(
    admin_client: Client, shop: datetime, parameters: dict[str, Any], problem: str
) -> None:
    page = admin_client.get(PAGE, parameters)
    assert problem in page.text
    assert "cards" not in page.context
    day = localdate().isoformat()
    wrong = {"figure": "aipl-flow", "from": "rich", "to": "poor", "since": day, "until": day}
    assert "no valid groups" in admin_client.get("/admin/lifecycle/customerprofile/customers/", wrong).text


def test_the_members_of_a_segment_need_the_permission_to_view_segments(client: Client, shop: datetime) -> None:
    segment = make_segment("secret")
    user = get_user_model().objects.create_user("analyst", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_customerprofile"))
    client.force_login(user)
    flow = reverse("admin:lifecycle_drilldown"), {"figure": "aipl-flow", "from": "any", "to": "any"}
    for url, parameters in ((PAGE, {}), flow):
        assert client.get(url, parameters).status_code == 200
        assert client.get(url, {**parameters, "segment": segment.key}).status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="view_segment"))
    assert client.get(PAGE, {"segment": segment.key}).status_code == 200


def test_a_cancelled_order_is_not_an_order_through_its_channel(admin_client: Client, shop: datetime) -> None:
    eve = CustomerProfile.objects.get(customer__identifiers__value="eve").customer
    make_order(eve, placed_at=shop - timedelta(days=5), channel="app", status="cancelled")
    make_order(eve, placed_at=shop - timedelta(days=5), channel="phone", status="cancelled")
    page = admin_client.get(PAGE, {"channel": "app", "range": "28d"})
    assert sum(card["customers"] for card in page.context["cards"]) == 1
    assert "phone" not in page.context["channels"]
