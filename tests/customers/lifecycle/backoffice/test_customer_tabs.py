"""The tabs of the customer page: each computes only its own content, for users who may view it."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from customers.identity.consent.restrictions import restrict_processing
from customers.identity.models import Customer
from customers.lifecycle.refresh.nightly import refresh_profiles
from tests.customers.lifecycle.customer_page import TABS, get_tab
from tests.makers import NOON, make_consent, make_customer, make_order

pytestmark = pytest.mark.django_db
OWN_CONTEXT = {
    "overview": "stage_changes",
    "timeline": "timeline",
    "profile": "customer_portrait",
    "predictions": "predictions",
}


@pytest.fixture
def anna() -> Customer:
    anna = make_customer("anna", name="Anna Karenina")
    for days in (200, 190, 3):
        make_order(anna, placed_at=NOON - timedelta(days=days))
    refresh_profiles(as_of=NOON, started_at=NOON)
    return anna


def log_in_as(role: str) -> Client:
    user = User.objects.create_user(role, password="x", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)
    return client


def list_tab_keys(page: Any) -> list[str]:
    return [tab.url.removeprefix("?tab=") for tab in page.context["tabs"]]


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_each_tab_computes_only_its_own_content(admin_client: Client, anna: Customer, language: str) -> None:
    for tab in TABS:
        page = get_tab(admin_client, anna.pk, tab, headers={"accept-language": language})
        assert page.status_code == 200
        assert page.context["tab"].key == tab
        assert [link.url for link in page.context["tabs"] if link.is_current] == [f"?tab={tab}"]
        computed = [key for key, name in OWN_CONTEXT.items() if name in page.context]
        assert computed == ([tab] if tab in OWN_CONTEXT else [])
        assert page.content.decode().count("data-sentence") == len(page.context["sentences"]) == 3


def test_tabs_without_permission_are_hidden_and_show_the_overview(anna: Customer) -> None:
    make_consent(anna, "sms")
    page = get_tab(log_in_as("Merchandiser"), anna.pk, "privacy")
    assert page.context["tab"].key == "overview"
    assert "privacy" not in list_tab_keys(page)
    assert "SMS" not in page.content.decode()
    assert get_tab(log_in_as("Privacy officer"), anna.pk, "messages").context["tab"].key == "overview"


def test_requests_are_opened_and_restrictions_lifted_on_the_privacy_tab(admin_user: User, anna: Customer) -> None:
    restriction = restrict_processing(customer=anna, scope="marketing", at=NOON, source="test")
    officer = Client(enforce_csrf_checks=True)
    officer.force_login(admin_user)
    page = get_tab(officer, anna.pk, "privacy").content.decode()
    for kind, label in (("access", "Export…"), ("erasure", "Erase…")):
        [link] = re.findall(rf'href="([^"]+)"[^>]*>{label}</a>', page)
        assert f"kind={kind}" in link
        form = officer.get(link.replace("&amp;", "&")).content.decode()
        assert f'value="#{anna.pk}"' in form
    [(action, token)] = re.findall(
        r'action="([^"]+/lift/)"><input[^>]+name="csrfmiddlewaretoken" value="([^"]+)"', page
    )
    assert officer.post(action, {"csrfmiddlewaretoken": token}).status_code == 302
    restriction.refresh_from_db()
    assert restriction.lifted_at is not None


def test_the_privacy_tab_has_no_buttons_for_users_who_may_only_view_requests(anna: Customer) -> None:
    restrict_processing(customer=anna, scope="marketing", at=NOON, source="test")
    client = log_in_as("Analyst")
    User.objects.get().user_permissions.add(Permission.objects.get(codename="view_privacyrequest"))
    page = get_tab(client, anna.pk, "privacy").content.decode()
    assert "Restricted since" in page
    assert [label for label in ("Export…", "Erase…", "/lift/") if label in page] == []


def test_an_unknown_tab_shows_the_overview(admin_client: Client, anna: Customer) -> None:
    page = get_tab(admin_client, anna.pk, "nonsense")
    assert page.context["tab"].key == "overview"
    assert list_tab_keys(page) == list(TABS)


def test_the_name_is_masked_without_the_permission(admin_client: Client, anna: Customer) -> None:
    assert get_tab(admin_client, anna.pk, "timeline").context["title"] == "Anna Karenina"
    assert get_tab(log_in_as("Analyst"), anna.pk, "timeline").context["title"] == "Customer anna"


def test_the_number_of_queries_of_a_tab_does_not_grow_with_orders(admin_client: Client, anna: Customer) -> None:
    tabs = ("overview", "timeline", "messages")

    def count_queries(tab: str) -> int:
        get_tab(admin_client, anna.pk, tab)
        with CaptureQueriesContext(connection) as captured:
            get_tab(admin_client, anna.pk, tab)
        return len(captured)

    before = [count_queries(tab) for tab in tabs]
    for day in range(20, 40):
        make_order(anna, placed_at=NOON - timedelta(days=day))
    refresh_profiles(as_of=NOON, started_at=NOON)
    assert [count_queries(tab) for tab in tabs] == before
    assert max(before) <= 30
