"""What an operator sees of the processing: the list of runs, the home page, /metrics."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from customers.processing.lag import measure_lag
from customers.processing.models import ProcessingRun
from tests.customers.processing.support import NOW, order, process, product, send, track

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def root(settings: Any, tmp_path: Path) -> None:
    settings.WAREHOUSE_URL = str(tmp_path / "warehouse")


@pytest.fixture
def admin() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


def metrics(client: Client) -> dict[str, float]:
    text = client.get("/metrics").content.decode()
    return {
        sample.name + "".join(f":{value}" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        if family.name.startswith(("perennial_outbox", "perennial_processed"))
        for sample in family.samples
    }


def test_the_lag_is_what_waits_and_since_when() -> None:
    assert (measure_lag(at=NOW).waiting, measure_lag(at=NOW).oldest_seconds) == (0, 0.0)
    send(track("Product Viewed"), at=NOW - timedelta(seconds=90))
    send(track("Product Viewed"))
    lag = measure_lag(at=NOW)
    assert (lag.waiting, lag.oldest_seconds) == (2, 90.0)
    assert measure_lag(at=NOW - timedelta(days=1)).oldest_seconds == 0.0


def test_metrics_tell_the_lag_and_what_was_done() -> None:
    client = Client()
    assert metrics(client) == {
        "perennial_outbox_events": 0,
        "perennial_outbox_oldest_seconds": 0,
        "perennial_processed_total:events": 0,
    }
    now = timezone.now()
    send(track("Product Viewed", product()), order(products=[product()]), at=now - timedelta(seconds=50))
    waiting = metrics(client)
    assert waiting["perennial_outbox_events"] == 2
    assert 50 <= waiting["perennial_outbox_oldest_seconds"] < 80
    process(now)
    done = metrics(client)
    assert (done["perennial_outbox_events"], done["perennial_outbox_oldest_seconds"]) == (0, 0)
    assert (done["perennial_processed_total:events"], done["perennial_processed_total:orders_created"]) == (2, 1)


def test_the_list_of_runs_shows_the_lag_and_the_runs(admin: Client) -> None:
    address = reverse("admin:processing_processingrun_changelist")
    assert "Nothing waits" in admin.get(address).content.decode()
    send(track("Product Viewed"), track("Product Viewed"))
    assert "2 events wait to be processed" in admin.get(address).content.decode()
    process()
    page = admin.get(address).content.decode()
    assert "Nothing waits" in page
    assert "done" in page


def test_a_run_shows_what_its_events_became(admin: Client) -> None:
    send(order(products=[product()]))
    process()
    address = reverse("admin:processing_processingrun_change", args=[ProcessingRun.objects.get().pk])
    page = admin.get(address).content.decode()
    assert "new orders: 1" in page
    assert "identities: 0" in page
    assert admin.post(address, {"events": 5}).status_code == 403
    chinese = admin.get(address, headers={"accept-language": "zh-hans"}).content.decode()
    assert "事件产生的结果" in chinese


def test_runs_can_be_read_by_operators_only() -> None:
    address = reverse("admin:processing_processingrun_changelist")
    for role, status in (("Operator", 200), ("Marketer", 403)):
        user = User.objects.create_user(role, is_staff=True)
        user.groups.add(Group.objects.get(name=role))
        client = Client()
        client.force_login(user)
        assert client.get(address).status_code == status


@pytest.mark.parametrize(("age", "warns"), [(20, False), (120, True)])
def test_the_home_page_says_what_waits_and_warns_when_it_is_late(admin: Client, age: int, warns: bool) -> None:
    send(track("Product Viewed"), at=timezone.now() - timedelta(seconds=age))
    (found,) = [
        sign
        for sign in admin.get(reverse("admin:index")).context["health"]["signs"]
        if sign["name"] == "Events waiting"
    ]
    assert found["text"].startswith("1, the oldest for ")
    assert found["warns"] is warns
