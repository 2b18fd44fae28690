"""Drilldowns by score."""

import pytest
from django.test import Client
from django.urls import reverse

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "query", ["kind=churn", "kind=churn&low=x", "kind=age&low=0.1", "kind=churn&low=2", "kind=churn&low=nan"]
)
def test_a_url_without_a_valid_probability_is_reported(admin_client: Client, query: str) -> None:
    page = admin_client.get(f"{reverse('admin:lifecycle_drilldown')}?figure=probability&{query}")
    assert "has no valid probability" in page.content.decode()
