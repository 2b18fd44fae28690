"""The nightly training: from events in the database to the page."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from customers.intent import training
from customers.intent.models import IntentRun
from customers.intent.served_model import forget_served_model, load_served_model
from customers.intent.training import KEPT_RUNS, train_predictions
from customers.warehouse.export import export_warehouse
from tests.customers.intent.stored_sessions import store_model, store_simulated_sessions
from tests.makers import NOON, make_product

pytestmark = pytest.mark.django_db
URL = "intent:quality"


@pytest.fixture(autouse=True)
def fresh_model(settings: Any, tmp_path: Path) -> None:
    settings.WAREHOUSE_URL = str(tmp_path / "warehouse")
    forget_served_model()


def test_events_become_a_model_and_a_failure_keeps_it(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(9):
        make_product(f"p{number}", category=("Kitchen", "Garden", "Toys")[number // 3])
    as_of = store_simulated_sessions(1_300)
    export_warehouse(started_at=as_of)
    run = train_predictions(as_of=as_of)
    assert (run.status, run.problem, run.sessions) == (IntentRun.Status.DONE, "", 1_300)
    assert run.quality["order"]["auc"] > run.quality["order"]["last_auc"]
    assert set(run.quality["category"]) >= {"accuracy", "last"}
    model = load_served_model()
    assert model is not None
    assert sorted(model.categories) == ["Garden", "Kitchen", "Toys"]
    again = train_predictions(as_of=as_of)
    assert again.quality == run.quality, "the same data make the same model"
    monkeypatch.setattr(training, "train_intent", lambda *arguments, **options: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train_predictions(as_of=as_of)
    assert IntentRun.objects.filter(status=IntentRun.Status.FAILED).count() == 1
    forget_served_model()
    assert load_served_model() is not None
    page = admin_client.get(reverse(URL)).text
    assert "smaller than that of the better baseline" in page
    assert "Which category is next?" in page


def test_the_page_says_what_to_do_without_a_model(admin_client: Client, client: Client) -> None:
    assert "Run the job now" in admin_client.get(reverse(URL)).text
    assert train_predictions(as_of=NOON).problem == training.NO_EVENTS
    assert "Connect your shop first" in admin_client.get(reverse(URL)).text
    as_of = store_simulated_sessions(20)
    export_warehouse(started_at=as_of)
    assert train_predictions(as_of=as_of).problem == training.FEW_SESSIONS
    assert "training needs at least 300" in admin_client.get(reverse(URL)).text
    assert client.get(reverse(URL)).status_code == 302


def test_an_earlier_model_serves_and_old_runs_are_deleted(admin_client: Client) -> None:
    serving = store_model(as_of=NOON)
    IntentRun.objects.bulk_create(
        IntentRun(as_of=NOON, started_at=NOON + timedelta(days=day), status="done", problem=training.NO_EVENTS)
        for day in range(KEPT_RUNS)
    )
    train_predictions(as_of=NOON)
    assert IntentRun.objects.count() == KEPT_RUNS + 1
    assert IntentRun.objects.filter(pk=serving.pk).exists()
    page = admin_client.get(reverse(URL)).text
    assert "so an earlier model is used" in page
    assert "When one of two visitors ordered" in page
