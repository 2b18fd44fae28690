"""Fixtures; modules that need loaded apps are imported inside, because this file is read before Django is set up."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis


@pytest.fixture(autouse=True)
def sending_without_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let runs of the sender take no time: on a busy machine, messages would be postponed by other seconds, or the run would end early."""
    sender = sys.modules.get("recommendations.sending.sender")
    if sender is not None:
        monkeypatch.setattr(sender, "time", SimpleNamespace(monotonic=lambda: 0.0))


@pytest.fixture
def folders(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the test its own warehouse and models, short trainings that are the same on every machine, and time limits that a busy one meets."""
    from tests.recommendations.trainings import make_counted_budget

    monkeypatch.setattr("recommendations.training.train.TrainingBudget", make_counted_budget)
    settings.RECOMMEND_DEADLINE_MS = 600_000.0
    settings.PROMOTION_LATENCY_MS = 60_000.0
    settings.TRAINING_SECONDS = 2
    settings.WAREHOUSE_URL = str(tmp_path / "warehouse")
    settings.MODELS_DIR = tmp_path / "models"
    return tmp_path


@pytest.fixture
def shortest_trainings(folders: Path, settings: Any) -> None:
    """Limit trainings to the first trial of every search, for tests that do not depend on the tuned values."""
    settings.TRAINING_SECONDS = 0.1


@pytest.fixture(scope="session")
def tea_and_coffee_snapshot(django_db_setup: None, django_db_blocker: Any) -> Path:
    """Return the folder with the rows of the tea and coffee shop and its warehouse."""
    from tests.recommendations.shop import make_tea_and_coffee_shop
    from tests.recommendations.trainings import make_folder, use_fixed_ids
    from tests.row_snapshots import make_snapshot

    def make(files: Path) -> None:
        with use_fixed_ids():
            make_tea_and_coffee_shop()
        export_to(files)

    folder = make_folder() / "tea-and-coffee"
    with django_db_blocker.unblock():
        make_snapshot(folder, make)
    return folder


@pytest.fixture(scope="session")
def tastes_snapshot(django_db_setup: None, django_db_blocker: Any) -> Path:
    """Return the folder with the shop whose customers have a trait for the taste, as two more without purchases have."""
    from customers.identity.models import Customer
    from tests.makers import make_customer
    from tests.recommendations.shop import make_tea_and_coffee_shop
    from tests.recommendations.trainings import make_folder, use_fixed_ids
    from tests.row_snapshots import make_snapshot

    def make(files: Path) -> None:
        with use_fixed_ids():
            make_tea_and_coffee_shop()
            customers = list(Customer.objects.order_by("identifiers__id"))
            newest = [make_customer(f"new-{taste}") for taste in ("tea", "coffee")]
        for number, customer in enumerate(customers):
            customer.traits = {"taste": ("tea", "coffee")[number % 2]}
        for customer, taste in zip(newest, ("tea", "coffee"), strict=True):
            customer.traits = {"taste": taste}
        Customer.objects.bulk_update([*customers, *newest], ["traits"])
        export_to(files)

    folder = make_folder() / "tastes"
    with django_db_blocker.unblock():
        make_snapshot(folder, make)
    return folder


def export_to(folder: Path) -> None:
    from django.test import override_settings

    from customers.warehouse.export import export_warehouse
    from tests.makers import NOON

    with override_settings(WAREHOUSE_URL=str(folder)):
        export_warehouse(started_at=NOON)


def restore_shop(snapshot: Path, folders: Path) -> None:
    """Restore a shop whose customers have bought all products of their taste, so that for-you may show them without limit."""
    from recommendations.serving.models import PlacementSettings
    from tests.recommendations.trainings import restart_ids
    from tests.row_snapshots import restore_snapshot

    restore_snapshot(snapshot, folders / "warehouse")
    restart_ids()
    PlacementSettings.objects.filter(placement="for-you").update(max_purchased_share=1.0)


@pytest.fixture
def shop(tea_and_coffee_snapshot: Path, db: None, folders: Path, valkey: redis.Redis) -> None:
    """Make the tea and coffee shop and its warehouse."""
    restore_shop(tea_and_coffee_snapshot, folders)


@pytest.fixture
def trained(shop: None) -> Any:
    """Return the active ModelVersion of the shop."""
    from tests.recommendations.trainings import train_once

    return train_once("shop")


@pytest.fixture
def loader(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return the loader of a new worker, which refreshes its state only when a test sets ``refreshed_at`` or the interval."""
    from recommendations.serving.state import loader as loader_module

    if loader_module.REFRESH_INTERVAL_SECONDS > 0:  # otherwise a fixture lets every request refresh it
        monkeypatch.setattr(loader_module, "REFRESH_INTERVAL_SECONDS", 3600.0)  # not after a second on a slow machine
    fresh = loader_module.StateLoader()
    yield fresh
    fresh.valkey.close()


@pytest.fixture
def trained_with_tastes(tastes_snapshot: Path, db: None, folders: Path, valkey: redis.Redis, settings: Any) -> Any:
    """Return a version trained with a trait for the taste, in a shop with two customers with that trait and without purchases."""
    from tests.recommendations.trainings import train_once

    settings.COLD_START_TRAITS = ["taste"]
    restore_shop(tastes_snapshot, folders)
    return train_once("tastes")
