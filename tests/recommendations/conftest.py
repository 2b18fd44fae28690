"""Fixtures; what needs loaded apps is imported inside, because this file is read before Django is set up."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis


@pytest.fixture
def folders(settings: Any, tmp_path: Path) -> Path:
    """Warehouse and models of this test alone, trainings of a few seconds, and answers in time on a busy machine too."""
    settings.RECOMMEND_DEADLINE_MS = 10_000.0
    settings.TRAINING_SECONDS = 2
    settings.WAREHOUSE_URL = str(tmp_path / "warehouse")
    settings.MODELS_DIR = tmp_path / "models"
    return tmp_path


@pytest.fixture
def shop(db: None, folders: Path, valkey: redis.Redis) -> None:
    """The tea and coffee shop, exported to the warehouse."""
    from customers.warehouse.export import export_warehouse
    from tests.makers import NOON
    from tests.recommendations.shop import make_tea_and_coffee_shop
    from tests.recommendations.trainings import same_ids

    with same_ids():
        make_tea_and_coffee_shop()
    export_warehouse(started_at=NOON)


@pytest.fixture
def trained(shop: None) -> Any:
    """The first ModelVersion of the shop."""
    from tests.recommendations.trainings import trained_once

    return trained_once("shop")


@pytest.fixture
def loader() -> Iterator[Any]:
    """A Loader as a fresh worker has it."""
    from recommendations.serving.state.loader import StateLoader

    fresh = StateLoader()
    yield fresh
    fresh.valkey.close()


@pytest.fixture
def trained_with_tastes(db: None, folders: Path, valkey: redis.Redis, settings: Any) -> Any:
    """The shop trained with a trait that tells the taste, and two customers of known taste who have bought nothing."""
    from customers.identity.models import Customer
    from customers.warehouse.export import export_warehouse
    from tests.makers import NOON, make_customer
    from tests.recommendations.shop import make_tea_and_coffee_shop
    from tests.recommendations.trainings import same_ids, trained_once

    settings.COLD_START_TRAITS = ["taste"]
    with same_ids():
        make_tea_and_coffee_shop()
        customers = list(Customer.objects.order_by("identifiers__id"))
        newest = [make_customer(f"new-{taste}") for taste in ("tea", "coffee")]
    for person, customer in enumerate(customers):
        customer.traits = {"taste": ("tea", "coffee")[person % 2]}
    for customer, taste in zip(newest, ("tea", "coffee"), strict=True):
        customer.traits = {"taste": taste}
    Customer.objects.bulk_update([*customers, *newest], ["traits"])
    export_warehouse(started_at=NOON)
    return trained_once("tastes")
