"""The tea and coffee shop with a warehouse and a model of now, for pages that show the last days."""

from datetime import datetime
from pathlib import Path
from typing import Any

from customers.warehouse.export import export_warehouse
from tests.recommendations.shop import make_tea_and_coffee_shop
from tests.recommendations.trainings import get_first_moment, restore_or_train, train_reproducibly, use_fixed_ids

NAME = "tea-and-coffee-now"


def make_trained_shop(settings: Any, folder: Path) -> datetime:
    """Make the shop and return the moment of its model; all tests of the run share the training."""
    settings.WAREHOUSE_URL, settings.MODELS_DIR = str(folder / "warehouse"), folder / "models"
    settings.TRAINING_SECONDS = 2
    now = get_first_moment(NAME)
    with use_fixed_ids():
        make_tea_and_coffee_shop(until=now)
        export_warehouse(started_at=now)
        restore_or_train(NAME, lambda: train_reproducibly(as_of=now))
    return now
