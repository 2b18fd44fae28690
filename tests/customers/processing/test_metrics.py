"""The metrics of event processing at /metrics."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from tests.customers.processing.event_makers import order, process, product, send, track

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def root(settings: Any, tmp_path: Path) -> None:
    settings.WAREHOUSE_URL = str(tmp_path / "warehouse")


def metrics(client: Client) -> dict[str, float]:
    text = client.get("/metrics").content.decode()
    return {
        sample.name + "".join(f":{value}" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        if family.name.startswith(("perennial_outbox", "perennial_processed"))
        for sample in family.samples
    }


def test_metrics_show_the_lag_and_the_totals() -> None:
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
    assert 50 <= waiting["perennial_outbox_oldest_seconds"] <= 50 + (timezone.now() - now).total_seconds()
    process(now)
    done = metrics(client)
    assert (done["perennial_outbox_events"], done["perennial_outbox_oldest_seconds"]) == (0, 0)
    assert (done["perennial_processed_total:events"], done["perennial_processed_total:orders_created"]) == (2, 1)
