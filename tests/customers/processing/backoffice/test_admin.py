"""The list and the page of processing runs."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from customers.processing.models import ProcessingRun
from tests.customers.processing.event_makers import order, process, product, send, track

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def root(settings: Any, tmp_path: Path) -> None:
    settings.WAREHOUSE_URL = str(tmp_path / "warehouse")


def test_list_of_runs_shows_the_lag_and_the_runs(admin_client: Client) -> None:
    address = reverse("admin:processing_processingrun_changelist")
    assert "No events are waiting" in admin_client.get(address).content.decode()
    send(track("Product Viewed"), track("Product Viewed"))
    assert "2 events are waiting to be processed" in admin_client.get(address).content.decode()
    process()
    page = admin_client.get(address).content.decode()
    assert "No events are waiting" in page
    assert "done" in page


def test_run_page_shows_the_results_of_its_events(admin_client: Client) -> None:
    send(order(products=[product()]))
    process()
    address = reverse("admin:processing_processingrun_change", args=[ProcessingRun.objects.get().pk])
    page = admin_client.get(address).content.decode()
    assert "new orders: 1" in page
    assert "identities: 0" in page
    assert admin_client.post(address, {"events": 5}).status_code == 403
    chinese = admin_client.get(address, headers={"accept-language": "zh-hans"}).content.decode()
    assert "新订单：1" in chinese
    assert "各阶段用时（秒）" in chinese


def test_runs_are_visible_to_operators_only() -> None:
    address = reverse("admin:processing_processingrun_changelist")
    for role, status in (("Operator", 200), ("Marketer", 403)):
        user = User.objects.create_user(role, is_staff=True)
        user.groups.add(Group.objects.get(name=role))
        client = Client()
        client.force_login(user)
        assert client.get(address).status_code == status
