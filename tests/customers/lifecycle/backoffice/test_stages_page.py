"""The Lifecycle page: stage changes, the customers of a cell, and the rules' preview."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils.timezone import localdate, now

from config.backoffice.home.page import build_flow
from config.foundation.backoffice.date_range import DayRange
from customers.lifecycle.backoffice import stages_page
from customers.lifecycle.backoffice.drilldowns import stages as stage_drilldowns
from customers.lifecycle.models import CustomerProfile, StageRules, StageTransition
from customers.lifecycle.refresh.nightly import refresh_profiles
from customers.lifecycle.stages.rules import get_active_rules
from tests.customers.lifecycle.linked_customers import count_linked_customers
from tests.makers import make_customer, make_order

pytestmark = pytest.mark.django_db

PAGE, CUSTOMERS_PAGE = (
    "/admin/lifecycle/customerprofile/lifecycle/stages/",
    "/admin/lifecycle/customerprofile/customers/",
)
PREVIEW = "/admin/lifecycle/stagerules/preview/"


@pytest.fixture
def today() -> datetime:
    return now()


@pytest.fixture
def three_customers(today: datetime) -> dict[str, int]:
    """Three customers under rules of 30, 60 and 120 days.

    ann has churned, bob became at risk 10 days ago, eve is new.
    """
    ids = {}
    for name, ago in {"ann": 400, "bob": 70, "eve": 10}.items():
        customer = make_customer(name)
        ids[name] = customer.pk
        make_order(customer, placed_at=today - timedelta(days=ago))
    refresh_profiles(as_of=today, started_at=today)
    return ids


def test_every_flow_links_to_its_customers(admin_client: Client, three_customers: dict[str, int]) -> None:
    page = admin_client.get(PAGE)
    assert page.status_code == 200
    assert (page.context["matrix"]["moved"], page.context["matrix"]["total"]) == (2, 3)
    flows = page.context["sankey"]["traces"][0]["link"]
    assert flows["value"] == [1, 1]
    listed: list[str] = []
    for link in flows["customdata"]:
        customers_page = admin_client.get(link)
        listed += [row["name"] for row in customers_page.context["customers"]]
    assert sorted(listed) == ["bob", "eve"]
    for total in page.context["matrix"]["totals"]:
        assert count_linked_customers(admin_client, total["url"]) == total["customers"] > 0
    for row in page.context["matrix"]["rows"]:
        assert count_linked_customers(admin_client, row["url"]) == row["total"] > 0
    cells = [cell for row in page.context["matrix"]["rows"] for cell in row["cells"]]
    assert sum(cell["customers"] for cell in cells) == 3
    assert all(bool(cell["url"]) == (cell["customers"] > 0) for cell in cells)


def test_the_days_can_be_chosen_and_invalid_ones_are_reported(
    admin_client: Client, three_customers: dict[str, int]
) -> None:
    day = localdate()
    past = admin_client.get(PAGE, {"since": day - timedelta(days=60), "until": day - timedelta(days=35)})
    assert {row["name"]: row["after"] for row in past.context["stage_counts"]} == {
        "new": 0,
        "active": 1,
        "churned": 1,
    }
    backwards = admin_client.get(PAGE, {"since": day, "until": day - timedelta(days=1)})
    assert "The end date is before the start date." in backwards.content.decode()
    assert "stage_counts" not in backwards.context
    for far in ("9999-12-31", "0001-01-01"):
        page = admin_client.get(PAGE, {"since": far, "until": far})
        assert page.status_code == 200
        assert "Enter a year between 1901 and 2199." in page.content.decode()
        assert (
            admin_client.get(
                CUSTOMERS_PAGE, {"figure": "stage-flow", "from": "new", "to": "active", "until": far}
            ).status_code
            == 200
        )
    assert "“from” is not a valid date: yesterday." in admin_client.get(PAGE, {"since": "yesterday"}).content.decode()


def test_the_last_month_on_the_last_day_of_a_month_is_the_month_before(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (stages_page, stage_drilldowns):
        monkeypatch.setattr(module, "localdate", lambda: date(2026, 11, 30))
    page = admin_client.get(PAGE, {"range": "last_month"})
    assert page.context["dates"].range == DayRange(date(2026, 10, 1), date(2026, 10, 31))
    parameters = {"from": "new", "to": "active", "range": "last_month"}
    assert stage_drilldowns.parse_stage_flow(parameters).note == "Oct 1, 2026 – Oct 31, 2026"


def test_who_entered_a_stage_is_listed_with_the_reason(admin_client: Client, three_customers: dict[str, int]) -> None:
    flow = build_flow(now())["stages"]
    at_risk = next(row for row in flow if row["name"] == "At risk")
    assert (at_risk["entered"], at_risk["left"]) == ("1", "0")
    page = admin_client.get(at_risk["entered_url"])
    assert [row["name"] for row in page.context["customers"]] == ["bob"]
    assert "since the last order" in page.context["customers"][0]["why"]
    assert "Entered “at risk”" in page.text
    assert admin_client.get(at_risk["left_url"]).context["customers"] == []


def test_the_day_of_the_stage_is_that_of_the_shop(
    admin_client: Client, three_customers: dict[str, int], settings: Any
) -> None:
    settings.TIME_ZONE = "Asia/Shanghai"
    CustomerProfile.objects.update(stage_since=datetime(2026, 1, 1, 18, tzinfo=UTC))
    link = admin_client.get(PAGE).context["sankey"]["traces"][0]["link"]["customdata"][0]
    assert [row["since"] for row in admin_client.get(link).context["customers"]] == ["Jan 2, 2026"]


def test_before_the_first_refresh_the_page_explains_what_to_do(admin_client: Client) -> None:
    assert "No customer has a profile yet" in admin_client.get(PAGE).text


@pytest.mark.parametrize("stages", [{}, {"from": "new"}, {"from": "'; --", "to": "active"}, {"from": "new", "to": ""}])
def test_a_url_without_two_stages_is_reported(admin_client: Client, stages: dict[str, str]) -> None:
    page = admin_client.get(CUSTOMERS_PAGE, {"figure": "stage-flow", **stages})
    assert page.status_code == 200
    assert "has no valid stages" in page.content.decode()


def test_customers_are_listed_fifty_per_page(admin_client: Client, today: datetime) -> None:
    for number in range(60):
        make_order(make_customer(f"customer-{number:02}"), placed_at=today - timedelta(days=3, minutes=number))
    refresh_profiles(as_of=today, started_at=today)
    first = admin_client.get(CUSTOMERS_PAGE, {"figure": "stage-flow", "from": "unknown", "to": "new"})
    second = admin_client.get(CUSTOMERS_PAGE, {"figure": "stage-flow", "from": "unknown", "to": "new", "page": 2})
    assert (
        len(first.context["customers"]),
        len(second.context["customers"]),
        first.context["pages"].paginator.count,
    ) == (
        50,
        10,
        60,
    )
    names = [row["name"] for page in (first, second) for row in page.context["customers"]]
    assert len(set(names)) == 60


def test_only_users_with_the_permission_see_the_page(client: Client) -> None:
    client.force_login(User.objects.create_user("guest", password="x", is_staff=True))
    assert client.get(PAGE).status_code == 403
    assert client.get(CUSTOMERS_PAGE).status_code == 403
    assert client.post(PREVIEW, {}).status_code == 403


def make_form_values(rules: StageRules, **changed: Any) -> dict[str, Any]:
    names = (
        "method",
        "at_risk_alarms",
        "at_risk_share",
        "at_risk_days",
        "dormant_alarms",
        "dormant_share",
        "dormant_days",
        "churned_alarms",
        "churned_share",
        "churned_days",
        "guard_alive",
        "guard_churn",
        "second_gap_days",
        "median_gap_days",
        "active_gap_days",
        "dormant_gap_days",
        "churned_multiple",
        "min_p_alive",
        "own_gaps_from_orders",
        "loyal_orders",
        "loyal_revenue_quantile",
    )
    blank = {"loyal_revenue": rules.loyal_revenue or "", "order_gap_days": rules.order_gap_days or ""}
    return {**{name: getattr(rules, name) for name in names}, **blank, **changed}


def test_the_preview_shows_the_stage_changes_and_saves_nothing(
    admin_client: Client, three_customers: dict[str, int]
) -> None:
    rules = get_active_rules()
    assert rules is not None
    before = list(CustomerProfile.objects.order_by("pk").values_list("pk", "stage", "stage_since"))
    page = admin_client.post(PREVIEW, make_form_values(rules, at_risk_days=90, dormant_days=100, churned_days=150))
    assert page.context["problems"] == []
    assert (page.context["moved"], page.context["customers"]) == (1, 3)
    assert page.context["cells"] == [{"from": "at risk", "to": "active", "customers": 1}]
    assert [row["name"] for row in page.context["changed_customers"]] == ["bob"]
    assert {row["name"]: row["change"] for row in page.context["stage_counts"] if row["change"]} == {
        "at risk": -1,
        "active": 1,
    }
    html = page.content.decode()
    assert "<td>−1</td>" in html, "a minus, not a hyphen"
    assert "<td>+1</td>" in html
    assert list(CustomerProfile.objects.order_by("pk").values_list("pk", "stage", "stage_since")) == before
    assert StageRules.objects.count() == 1
    assert not StageTransition.objects.filter(rules__version=2).exists()
    same = admin_client.post(PREVIEW, make_form_values(rules))
    assert same.context["moved"] == 0


def test_measured_values_have_two_digits_and_keep_all_of_theirs_when_another_is_changed(
    admin_client: Client, three_customers: dict[str, int]
) -> None:
    StageRules.objects.update(second_gap_days=30.456789, churned_alarms=0.0254321, effective_from=None)
    rules = get_active_rules()
    assert rules is not None
    url = reverse("admin:lifecycle_stagerules_change", args=[rules.pk])
    initial = admin_client.get(url).context["adminform"].form.initial
    assert (initial["second_gap_days"], initial["churned_alarms"]) == (30.46, 0.025)
    shown = {name: initial[name] for name in make_form_values(rules) if initial.get(name) is not None}
    admin_client.post(url, shown | {"loyal_orders": 7})
    new = get_active_rules()
    assert new is not None
    assert (new.version, new.loyal_orders) == (2, 7)
    assert (new.second_gap_days, new.churned_alarms) == (30.456789, 0.0254321)
    old = admin_client.get(url).text
    assert "30.46" in old
    assert "30.456789" not in old


def test_a_column_total_of_an_earlier_day_offers_a_dynamic_segment_of_today(
    admin_client: Client, three_customers: dict[str, int]
) -> None:
    day = localdate() - timedelta(days=35)
    page = admin_client.get(PAGE, {"since": day - timedelta(days=25), "until": day})
    customers = admin_client.get(page.context["matrix"]["totals"][0]["url"])
    drilldown = customers.context["drilldown"]
    assert drilldown.condition is None
    assert drilldown.now["figure"] == "stage"
    assert f"?{drilldown.query_now.replace('&', '&amp;')}" in customers.text
    assert "Create a dynamic segment of today" in customers.text


def test_the_preview_reports_form_errors(admin_client: Client, three_customers: dict[str, int]) -> None:
    rules = get_active_rules()
    assert rules is not None
    page = admin_client.post(PREVIEW, make_form_values(rules, dormant_gap_days=1, loyal_orders="many"))
    text = page.content.decode()
    assert "Dormant gap in days: Enter a value that is at least the active gap." in text
    assert "Orders to be loyal: Enter a whole number." in text
    assert admin_client.get(PREVIEW).status_code == 405


def test_a_low_p_alive_makes_a_customer_churned(admin_client: Client, today: datetime) -> None:
    """Six orders in a month and then none for 130 days: dormant by the gaps.

    The gaps end after 120 and 240 days.
    """
    eager = make_customer("eager")
    for ago in (160, 155, 150, 144, 139, 130):
        make_order(eager, placed_at=today - timedelta(days=ago))
    refresh_profiles(as_of=today, started_at=today)
    rules = get_active_rules()
    assert rules is not None
    rules.method, rules.own_gaps_from_orders = StageRules.Method.QUANTILES, 100
    rules.measured_at = None  # a refresh replaces measured quantiles
    rules.purchase_model = {"model": "bg_nbd", "r": 0.243, "alpha": 30.9, "a": 0.793, "b": 2.426}
    rules.save()
    refresh_profiles(as_of=today, started_at=today)
    assert CustomerProfile.objects.get(pk=eager.pk).stage == "churned"
    newest = StageTransition.objects.filter(customer=eager).first()
    assert newest is not None
    assert newest.reason == "alive_low"
    page = admin_client.post(PREVIEW, make_form_values(rules, min_p_alive=0))
    assert page.context["cells"] == [{"from": "churned", "to": "dormant", "customers": 1}]
