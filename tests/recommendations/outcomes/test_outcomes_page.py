"""The page Outcomes and its endpoint: four measures, their people and files, and the incremental lift of marketing."""

import re
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from config.access.keys import create_api_key
from config.access.models import ApiKey
from customers.analytics.backoffice.results.view import ResultContext
from customers.analytics.models import AnalyticsResult, ResultStatus
from customers.analytics.outcomes.decomposition import RevenueChange
from customers.analytics.outcomes.growth import GrowthGroup, GrowthPeriod, GrowthResult
from customers.analytics.outcomes.registry import MEASURES
from customers.analytics.results import compute_result
from customers.feedback.models import Review, SurveyAnswer
from customers.identity.models import Customer
from customers.segments.models import Segment
from customers.warehouse.export import export_warehouse
from customers.warehouse.models import ExportRun
from recommendations.measurement.assignment import compute_bucket
from recommendations.outcomes.backoffice.growth import list_growth_rows
from recommendations.outcomes.incremental_lift import build_marketing_lift
from recommendations.sending.global_holdout.measuring import measure_months
from recommendations.sending.global_holdout.report import load_report
from recommendations.sending.models import GlobalHoldoutChange
from tests.customers.events.makers import make_event
from tests.makers import make_consent, make_customer, make_order, make_product, make_profile, make_segment, make_source

pytestmark = pytest.mark.django_db
PAGE, API = "/admin/analytics/outcomes/", "/api/v1/outcomes/"
SALT = "outcomes"


def start_month(months_ago: int) -> datetime:
    zone = ZoneInfo("Europe/Berlin")
    today = timezone.now().astimezone(zone)
    number = today.year * 12 + today.month - 1 - months_ago
    return datetime(number // 12, number % 12 + 1, 1, tzinfo=zone)


@pytest.fixture
def shop(settings: Any, tmp_path: Any) -> None:
    """Three customers of the month before the last one; two of them order again in the last month."""
    settings.WAREHOUSE_URL, settings.TIME_ZONE = str(tmp_path / "warehouse"), "Europe/Berlin"
    settings.SHOP_CURRENCY = "EUR"
    first, last = start_month(2), start_month(1)
    tea, source = make_product("tea", price=Decimal(10)), make_source()
    for number, name in enumerate(("ada", "bo", "cy")):
        customer = make_customer(name)
        make_profile(customer)
        make_order(customer, products=[tea], placed_at=first + timedelta(hours=number))
        if number < 2:
            at = last + timedelta(days=number)
            make_order(customer, products=[tea] * (number + 1), placed_at=at + timedelta(minutes=10))
            make_event(source, at=at, user_id=name, name="Product Viewed")
    Review.objects.create(
        review_id="r1", product=tea, customer=Customer.objects.first(), rating=2, written_at=last + timedelta(days=1)
    )
    SurveyAnswer.objects.create(kind="nps", score=10, answered_at=last + timedelta(days=1))
    export_warehouse(started_at=timezone.now())


def compute_all() -> None:
    for row in AnalyticsResult.objects.filter(status=ResultStatus.QUEUED):
        compute_result(result_id=row.pk, now=timezone.now())
    assert not AnalyticsResult.objects.exclude(status=ResultStatus.DONE).exists()


def find_links(text: str, part: str) -> list[str]:
    links = [link.split('"')[0].replace("&amp;", "&") for link in text.split('href="')[1:]]
    return [link for link in links if part in link]


@pytest.mark.usefixtures("shop")
def test_the_page_computes_in_the_background_and_opens_people_and_files(admin_client: Client) -> None:
    first = admin_client.get(PAGE)
    assert "The result is being computed" in first.text
    assert "The incremental lift of marketing has not been measured yet" in first.text
    assert admin_client.get(f"{PAGE}growth.csv").status_code == 409
    compute_all()
    page = admin_client.get(PAGE).text
    assert "66.7% of the 3 customers who ordered in" in page
    assert "100.0% of 2 sessions in" in page
    assert "average rating 2.00★" in page
    # the first link is of the month that is not over
    url = [link for link in find_links(page, "outcome-retention/people") if "is_lost" in link][1]
    people = admin_client.get(url)
    assert "Ordered in" in people.text
    assert "cy" in people.text
    saved = admin_client.post(url, {"name": "Lost", "kind": "static"})
    assert saved.status_code == 302
    assert Segment.objects.get(name="Lost").size == 1
    for key in MEASURES:
        content = admin_client.get(f"{PAGE}{key}.csv?unit=quarter&split=channel")
        assert content.status_code in (200, 409)
        assert admin_client.get(f"{PAGE}{key}.csv").text.startswith("\ufeffgroup,period,is_complete")
    assert admin_client.get(f"{PAGE}incremental_lift.csv").status_code == 200
    ExportRun.objects.all().delete()
    for key in MEASURES:
        refused = admin_client.get(f"{PAGE}{key}.csv")
        assert (refused.status_code, "has not run yet" in refused.text) == (409, True), key
    assert admin_client.get(f"{PAGE}incremental_lift.csv").status_code == 200, "it does not use the export"
    assert admin_client.get(f"{PAGE}nothing.csv").status_code == 404


@pytest.mark.usefixtures("shop")
def test_revenue_is_in_the_currency_of_the_orders_and_not_in_that_of_the_settings(
    admin_client: Client, settings: Any
) -> None:
    settings.SHOP_CURRENCY = "USD"
    admin_client.get(PAGE)
    compute_all()
    page = admin_client.get(PAGE).text
    assert "€30 of revenue" in page
    assert "$" not in re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)


@pytest.mark.usefixtures("shop")
def test_outcomes_ask_for_the_first_export_instead_of_calling_revenue_zero(admin_client: Client) -> None:
    ExportRun.objects.all().delete()
    admin_client.get(PAGE)
    compute_all()
    page = admin_client.get(PAGE).text
    assert "Reports use the data of the nightly export, which has not run yet." in page
    assert "There are no orders in these periods" not in page
    answer = admin_client.get(reverse("assistant:ask"), {"metric": "revenue"}).text
    assert "which has not run yet" in answer


def test_amounts_in_the_file_have_no_noise_of_binary_fractions() -> None:
    noisy = 19637.919999999984
    change = RevenueChange(
        before=1, change=noisy, relative=0.1, customers=noisy, orders_per_customer=noisy, order_value=noisy
    )
    period = GrowthPeriod(
        start=date(2026, 3, 1), is_complete=True, customers=3, orders=4, revenue=noisy, revenue_per_customer=noisy,
        orders_per_customer=4 / 3, order_value=noisy, previous=change, year=None,
    )  # fmt: skip
    groups = (GrowthGroup(group=None, periods=(period, replace(period, previous=None))),)
    result = GrowthResult(as_of=timezone.now(), began_on=None, groups=groups, guest_revenue=0)
    header, first, second = list_growth_rows(result, ResultContext("outcome-growth", None, {}, timezone.now()))
    assert (len(first), len(second)) == (len(header), len(header))
    rows = dict(zip(header, first, strict=True))
    assert [name for name, value in rows.items() if value == 19637.92] == [
        *("revenue", "order_value", "revenue_per_customer", "change", "from_customers", "from_orders_per_customer"),
        "from_order_value",
    ]
    assert rows["orders_per_customer"] == 4 / 3


def test_all_customers_are_one_choice_of_the_segment(admin_client: Client) -> None:
    make_segment("everyone", {"all": []}, name="All customers")
    make_segment("loyal", {"field": "stage", "op": "in", "value": ["loyal"]}, name="Loyal ones")
    make_segment("chosen", {"all": []}, name="Chosen by hand", kind=Segment.Kind.STATIC)
    for address in (PAGE, f"{reverse('assistant:ask')}?metric=revenue"):
        select = admin_client.get(address).text.split('name="segment"')[1].split("</select>")[0]
        assert re.findall("<option[^>]*>([^<]*)", select) == ["All customers", "Chosen by hand", "Loyal ones"], address
    groups = admin_client.get(reverse("admin:segments_segment_aipl"))
    assert groups.context["segments"] == [("chosen", "Chosen by hand"), ("loyal", "Loyal ones")]


def test_the_endpoint_rejects_an_unknown_segment(admin_client: Client) -> None:
    response = admin_client.get(f"{API}?segment=nope")
    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == ["segment"]
    assert not AnalyticsResult.objects.exists()


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("query", ["unit=day", "periods=0", "periods=x", "split=segment", "unit=week&periods=9999"])
def test_a_wrong_address_says_so_and_the_endpoint_rejects_it(admin_client: Client, query: str) -> None:
    page = admin_client.get(f"{PAGE}?{query}")
    assert page.status_code == 400
    assert "The URL is not valid" in page.text
    assert admin_client.get(f"{PAGE}growth.csv?{query}").status_code == 400
    assert admin_client.get(f"{API}?{query}").status_code == 400


@pytest.mark.usefixtures("shop")
def test_the_endpoint_has_the_figures_of_the_page(client: Client, django_assert_max_num_queries: Any) -> None:
    _key, secret = create_api_key(
        name="outcomes", kind=ApiKey.Kind.SECRET, scopes=["analytics:read"], now=timezone.now()
    )
    headers = {"Authorization": f"Bearer {secret}"}
    waiting = client.get(API, headers=headers).json()
    assert waiting["growth"]["is_computing"]
    assert waiting["growth"]["groups"] == []
    compute_all()
    with django_assert_max_num_queries(30):
        found = client.get(API, headers=headers).json()
    assert found["incremental_lift"] is None  # without the scope campaigns:read
    last = found["growth"]["groups"][0]["periods"][-2]
    assert (last["customers"], last["orders"], last["revenue"]) == (2, 2, 30.0)
    assert last["previous"]["relative"] == 0.0
    assert found["retention"]["groups"][0]["periods"][-2]["returned"] == 2
    assert found["satisfaction"]["groups"][0]["periods"][-2]["nps"]["value"] == 100.0
    assert client.get(API).status_code == 401


def test_users_who_may_not_see_campaigns_see_no_incremental_lift(client: Client) -> None:
    user = User.objects.create_user("merchandiser", is_staff=True)
    client.force_login(user)
    assert client.get(PAGE).status_code == 403
    user.groups.add(Group.objects.get(name="Analyst"))
    page = client.get(PAGE)
    assert page.status_code == 200
    has_campaigns = User.objects.get(pk=user.pk).has_perm("campaigns.view_campaign")
    assert ("Incremental lift of marketing in these figures" in page.text) == has_campaigns


@pytest.fixture
def compared_shop(settings: Any) -> None:
    """Sixty customers in each group who ordered before; of those with marketing 45 order in the month, of those held out 30."""
    settings.TIME_ZONE = "Europe/Berlin"
    began = start_month(2)
    GlobalHoldoutChange.objects.create(changed_at=began - timedelta(days=1), share=Decimal("0.5"), salt=SALT)
    product, groups, number = make_product(price=Decimal(10)), {True: 0, False: 0}, 9_000
    while min(groups.values()) < 60:
        number += 1
        is_held_out = compute_bucket(salt=SALT, customer_id=number) < 5_000
        if groups[is_held_out] >= 60:
            continue
        groups[is_held_out] += 1
        customer = make_customer(pk=number, email=f"{number}@shop.example")
        Customer.objects.filter(pk=number).update(created_at=began - timedelta(days=200))
        make_consent(customer, recorded_at=began - timedelta(days=200))
        make_order(customer, products=[product], placed_at=began - timedelta(days=20))
        if groups[is_held_out] <= (30 if is_held_out else 45):
            make_order(customer, products=[product], placed_at=began + timedelta(days=3))
    measure_months(as_of=timezone.now())


@pytest.mark.usefixtures("compared_shop")
def test_incremental_lift_equals_a_computation_by_hand(admin_client: Client) -> None:
    lift = build_marketing_lift(load_report(), {start_month(2).date(): 1_000.0})
    month = lift.months[-1]
    assert (month.marketing_customers, month.holdout_customers) == (60, 60)
    assert month.conversion is not None
    assert month.conversion.value == pytest.approx(45 / 60 - 30 / 60)
    assert month.revenue is not None
    assert month.revenue.value == pytest.approx(60 * (450 / 60 - 300 / 60))
    assert month.share == pytest.approx(0.15)
    retention = month.retention
    assert retention is not None
    assert (retention.treated_customers, retention.treated, retention.holdout) == (60, 0.75, 0.5)
    # Newcombe's interval of 45/60 − 30/60 from Wilson's bounds .6277–.8422 and .3774–.6226
    assert retention.effect.low == pytest.approx(0.25 - ((0.75 - 0.6277) ** 2 + (0.6226 - 0.5) ** 2) ** 0.5, abs=1e-3)
    assert retention.effect.high == pytest.approx(0.25 + ((0.8422 - 0.75) ** 2 + (0.5 - 0.3774) ** 2) ** 0.5, abs=1e-3)
    page = admin_client.get(PAGE).text
    assert "Satisfaction cannot be compared:" in page
    assert "Months are estimated separately and need not add up to the total." in page
    assert "+25.0 (" in page
    assert reverse("holdout_report:show") in page
