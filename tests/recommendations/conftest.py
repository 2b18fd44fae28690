"""Fixtures; what needs loaded apps is imported inside, because this file is read before Django is set up."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis


@pytest.fixture
def folders(settings: Any, tmp_path: Path) -> Path:
    """Warehouse and models of this test alone, and trainings of a few seconds."""
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

    make_tea_and_coffee_shop()
    export_warehouse(started_at=NOON)


@pytest.fixture
def trained(shop: None) -> Any:
    """The first ModelVersion of the shop."""
    from recommendations.training.train import train
    from tests.makers import NOON

    return train(as_of=NOON, started_at=NOON)


@pytest.fixture
def loader() -> Iterator[Any]:
    """A Loader as a fresh worker has it."""
    from recommendations.serving.loading import Loader

    fresh = Loader()
    yield fresh
    fresh.valkey.close()
