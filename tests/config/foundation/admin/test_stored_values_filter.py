"""Filters of large lists offer the stored values without reading all rows."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from config.foundation.admin.stored_values_filter import list_stored_values
from customers.identity.models import Customer
from tests.makers import make_customer, make_profile

pytestmark = pytest.mark.django_db


def test_values_are_listed_once_in_order() -> None:
    for country in ("DE", "CN", "DE", "", "FR"):
        make_customer(country=country)
    assert list_stored_values(Customer, Customer._meta.get_field("country")) == ["", "CN", "DE", "FR"]  # type: ignore[arg-type]


def test_lists_of_customers_and_profiles_filter_without_a_query_of_all_values(admin_client: Client) -> None:
    german, chinese = make_customer(country="DE"), make_customer(country="CN")
    make_profile(german, r=5, f=4, m=3)
    make_profile(chinese)
    customers, profiles = (
        reverse(f"admin:{name}_changelist") for name in ("identity_customer", "lifecycle_customerprofile")
    )
    with CaptureQueriesContext(connection) as queries:
        page = admin_client.get(customers).content.decode()
        assert "?country=DE" in page
        assert "?r=5" in admin_client.get(profiles).content.decode()
    assert not [query["sql"] for query in queries if "DISTINCT" in query["sql"] and "UNION" not in query["sql"]]
    for url, pk in ((f"{customers}?country=DE", german.pk), (f"{profiles}?r=5&f=4&m=3", german.pk)):
        shown = admin_client.get(url).context["cl"].result_list
        assert [row.pk for row in shown] == [pk]
    assert [row.pk for row in admin_client.get(f"{profiles}?r__isnull=True").context["cl"].result_list] == [chinese.pk]
