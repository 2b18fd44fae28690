"""A training takes as long as ten tests: of a shop that is made the same way every time it is done once by each process of the tests."""

import atexit
import copy
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path
from unittest.mock import patch

from django.conf import settings
from django.db import connection

from catalog.models import Category, Product
from customers.identity.models import Customer, Identifier
from customers.orders.models import Order, OrderLine
from recommendations.training.budget import TrainingBudget
from recommendations.training.models import EvaluationRun, ModelVersion
from recommendations.training.registry.promotion import announce_active_version, get_serving_name
from recommendations.training.train import train
from tests.makers import NOON

FIRST_ID, NEXT_ID = 1_000_000, 2_000_000
TABLES = (Category, Product, Customer, Identifier, Order, OrderLine, EvaluationRun, ModelVersion)


@dataclass(frozen=True)
class Training:
    folder: Path
    runs: list[EvaluationRun]
    versions: list[ModelVersion]


_done: dict[str, Training] = {}


def number_from(first: int) -> None:
    with connection.cursor() as cursor:
        for model in TABLES:
            cursor.execute(f"SELECT setval(pg_get_serial_sequence('{model._meta.db_table}', 'id'), {first}, false)")


@contextmanager
def same_ids() -> Iterator[None]:
    """Rows made inside have the same ids in every test, and no other rows have them: a model knows people by their ids."""
    number_from(FIRST_ID)
    yield
    number_from(NEXT_ID)


def counted_budget(seconds: float, memory_mb: float) -> TrainingBudget:
    """Each look at the clock is a hundredth of a second: a training gets as far on a busy machine as on a quiet one."""
    looks = count()
    return TrainingBudget(seconds, memory_mb, clock=lambda: next(looks) / 100)


def train_counted(*, started_at: datetime = NOON) -> ModelVersion:
    """`train` as of NOON that learns the same on every machine."""
    with patch("recommendations.training.train.TrainingBudget", counted_budget):
        return train(as_of=NOON, started_at=started_at)


def trained_once(shop: str) -> ModelVersion:
    """The active version of a shop made within `same_ids`, trained at the first call and put back into database and folder later."""
    if shop not in _done:
        with same_ids():
            version = train_counted()
        folder = Path(tempfile.mkdtemp(prefix="perennial-trained-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        shutil.copytree(settings.MODELS_DIR, folder / "models")
        _done[shop] = Training(folder / "models", list(EvaluationRun.objects.all()), list(ModelVersion.objects.all()))
        return version
    training = _done[shop]
    shutil.copytree(training.folder, settings.MODELS_DIR)
    ModelVersion.objects.bulk_create(copy.deepcopy(training.versions))
    EvaluationRun.objects.bulk_create(copy.deepcopy(training.runs))
    version = ModelVersion.objects.get(status=ModelVersion.Status.ACTIVE)
    announce_active_version(scenario=version.scenario, version=get_serving_name(version))
    return version
