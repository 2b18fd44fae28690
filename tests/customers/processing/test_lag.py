"""The processing lag, and its line on the home page."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from customers.processing.lag import measure_lag
from tests.customers.processing.event_makers import NOW, send, track

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def root(settings: Any, tmp_path: Path) -> None:
    settings.WAREHOUSE_URL = str(tmp_path / "warehouse")


def test_lag_counts_waiting_events_and_the_age_of_the_oldest() -> None:
    assert (measure_lag(at=NOW).waiting, measure_lag(at=NOW).oldest_seconds) == (0, 0.0)
    send(track("Product Viewed"), at=NOW - timedelta(seconds=90))
    send(track("Product Viewed"))
    lag = measure_lag(at=NOW)
    assert (lag.waiting, lag.oldest_seconds) == (2, 90.0)
    assert measure_lag(at=NOW - timedelta(days=1)).oldest_seconds == 0.0


@pytest.mark.parametrize(("age", "warns"), [(20, False), (120, True)])
def test_home_page_warns_when_events_are_processed_late(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch, age: int, warns: bool
) -> None:
    now = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now)  # on a busy machine the event would have waited for longer
    send(track("Product Viewed"), at=now - timedelta(seconds=age))
    items = [item.text for item in admin_client.get(reverse("admin:index")).context["attention"]]
    assert any(text.startswith("Events are processed late: 1 event has been waiting for ") for text in items) is warns
