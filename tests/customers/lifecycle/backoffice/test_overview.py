"""The Lifecycle overview: customers per stage now, and the sentence of each page."""

from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils.timezone import now

from customers.lifecycle.backoffice.navigation import LIFECYCLE_PAGES
from customers.lifecycle.models import StageTransition
from customers.lifecycle.refresh.nightly import refresh_profiles
from tests.customers.lifecycle.linked_customers import count_linked_customers
from tests.makers import make_customer, make_order

pytestmark = pytest.mark.django_db

OVERVIEW = "/admin/lifecycle/customerprofile/lifecycle/"
PAGES = [OVERVIEW, *(f"{OVERVIEW}{name}/" for name in LIFECYCLE_PAGES if name != "overview")]


@pytest.fixture
def three_customers() -> datetime:
    """ann has churned, bob became at risk 10 days ago, eve is new."""
    today = now()
    for name, ago in {"ann": 400, "bob": 70, "eve": 10}.items():
        make_order(make_customer(name), placed_at=today - timedelta(days=ago))
    refresh_profiles(as_of=today, started_at=today)
    return today


def test_each_stage_opens_its_customers_and_the_verdict_counts_them(
    admin_client: Client, three_customers: datetime
) -> None:
    page = admin_client.get(OVERVIEW)
    bars = page.context["stages"].bars
    assert [(bar.label, bar.text) for bar in bars] == [("New", "1"), ("At risk", "1"), ("Churned", "1")]
    assert [count_linked_customers(admin_client, bar.url) for bar in bars] == [1, 1, 1]
    assert page.context["verdict"].startswith(
        "33% of 3 customers with orders are new, active, loyal or won back; since"
    )
    assert page.context["verdict"].endswith("1 became at risk, dormant or churned and 0 came back.")


def test_each_answer_is_the_sentence_of_the_page_that_it_links_to(
    admin_client: Client, three_customers: datetime
) -> None:
    answers = admin_client.get(OVERVIEW).context["answers"]
    assert [answer["title"] for answer in answers][:2] == ["Stages", "RFM"]
    for answer in answers:
        assert admin_client.get(answer["url"]).context["verdict"] == answer["text"]


def test_the_days_are_those_that_the_page_stages_shows_first(admin_client: Client, three_customers: datetime) -> None:
    """Bob became at risk 28 days ago, on the day before the 28 days that end today."""
    StageTransition.objects.filter(to_stage="at_risk").update(at=three_customers - timedelta(days=28))
    overview, stages = admin_client.get(OVERVIEW), admin_client.get(f"{OVERVIEW}stages/")
    assert "0 became at risk" in overview.context["verdict"]
    assert overview.context["answers"][0]["text"] == stages.context["verdict"]


def test_only_pages_with_charts_load_the_script_of_charts(admin_client: Client, three_customers: datetime) -> None:
    loads = {path: "plotly" in admin_client.get(path).content.decode() for path in PAGES}
    assert loads == {path: path != OVERVIEW for path in PAGES}


@pytest.mark.parametrize("path", PAGES)
def test_before_the_first_refresh_a_page_explains_what_to_do(admin_client: Client, path: str) -> None:
    assert "No customer has a profile yet" in admin_client.get(path).text


@pytest.mark.parametrize("path", PAGES)
def test_only_users_with_the_permission_see_a_page(client: Client, path: str) -> None:
    client.force_login(User.objects.create_user("guest", password="x", is_staff=True))
    assert client.get(path).status_code == 403
