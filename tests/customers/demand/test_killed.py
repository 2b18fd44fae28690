"""A forecast whose process is killed at any step leaves the earlier one, and the next run replaces it as a whole."""

from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from customers.demand.models import DemandForecast, DemandRun, RestockItem
from customers.demand.refresh import find_running, refresh_demand
from customers.warehouse.export import export_warehouse
from tests.child_processes import kill_after_output, start_child
from tests.customers.demand.test_refresh import AS_OF, MODELS, make_sales

PROGRAM = """
import sys
from datetime import UTC, datetime
from customers.demand import refresh

def wait(*arguments, **options):
    print("there", flush=True)
    sys.stdin.read()  # until the process is killed

step = {step!r}
if step == "write":
    refresh.RestockItem.objects.bulk_create = wait  # the old rows are deleted and the new forecasts written, not committed
else:
    refresh.forecast_shop = lambda *arguments, report, **options: (report(1, 2), wait())
refresh.refresh_demand(as_of=datetime(2026, 6, 1, 4, tzinfo=UTC), models={models!r})
"""


@pytest.fixture(autouse=True)
def own_warehouse(settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the tests that other workers run out of the warehouse of this test and its processes."""
    settings.WAREHOUSE_URL = str(tmp_path / "warehouse")
    monkeypatch.setenv("WAREHOUSE_URL", settings.WAREHOUSE_URL)


@pytest.mark.acceptance
@pytest.mark.django_db(transaction=True)
def test_a_killed_forecast_loses_and_doubles_nothing(admin_client: Client) -> None:
    make_sales()
    export_warehouse(started_at=AS_OF)
    refresh_demand(as_of=AS_OF, models=MODELS)
    forecasts, items = set(DemandForecast.objects.values_list("pk", flat=True)), RestockItem.objects.count()
    assert items == 2
    for number, step in enumerate(("compute", "write"), start=1):
        child = start_child(PROGRAM.format(step=step, models=MODELS))
        kill_after_output(child, "there")
        assert set(DemandForecast.objects.values_list("pk", flat=True)) == forecasts
        assert RestockItem.objects.count() == items
        assert find_running() is None
        assert "The last forecast did not finish" in admin_client.get(reverse("demand:restock")).text
        assert DemandRun.objects.exclude(status=DemandRun.Status.DONE).count() == number
    refresh_demand(as_of=AS_OF, models=MODELS)
    assert DemandForecast.objects.count() == len(forecasts)
    assert not DemandForecast.objects.filter(pk__in=forecasts).exists()
    assert RestockItem.objects.count() == items
    assert not DemandRun.objects.filter(status=DemandRun.Status.RUNNING).exists()
    assert "did not finish" not in admin_client.get(reverse("demand:restock")).text
