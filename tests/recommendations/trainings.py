"""Trainings for tests: a shop that is the same in every test is trained once per test run, because it takes as long as ten tests."""

import fcntl
import os
import pickle
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from unittest.mock import patch

from django.conf import settings
from django.db import connection
from django.test import override_settings

from catalog.models import Category, Product
from customers.identity.models import Customer, Identifier
from customers.orders.models import Order, OrderLine
from recommendations.engine.data.event_weights import DEFAULT_EVENT_WEIGHTS
from recommendations.engine.exploration import count_people
from recommendations.training.budget import TrainingBudget
from recommendations.training.data.extract import extract_training_data
from recommendations.training.models import EvaluationRun, ModelVersion
from recommendations.training.registry.artifact_copies import publish_artifact
from recommendations.training.registry.promotion import (
    announce_active_version,
    get_serving_name,
    promote_version,
)
from recommendations.training.train import (
    TrainingOutcome,
    build_artifact,
    build_version,
    fit_for_serving,
    train,
)
from recommendations.training.tuning.model_choice import ModelChoice
from recommendations.training.tuning.search_space import CANDIDATES, describe_starts
from tests.makers import NOON

FIRST_ID, NEXT_ID = 1_000_000, 2_000_000
TABLES = (Category, Product, Customer, Identifier, Order, OrderLine, EvaluationRun, ModelVersion)


def restart_ids() -> None:
    """Let new rows have other ids than a shop that was made within `use_fixed_ids`."""
    restart_sequences(NEXT_ID)


def restart_sequences(first: int) -> None:
    """Let the ids of the tables of a shop and its training start at a number."""
    with connection.cursor() as cursor:
        for model in TABLES:
            cursor.execute(f"SELECT setval(pg_get_serial_sequence('{model._meta.db_table}', 'id'), {first}, false)")


@contextmanager
def use_fixed_ids(offset: int = 0) -> Iterator[None]:
    """Give the rows made inside the same ids in every test, and no other rows: a model knows customers by their ids.

    offset: number of the first ids that are in use already.
    """
    restart_sequences(FIRST_ID + offset)
    yield
    restart_ids()


def make_counted_budget(seconds: float, memory_mb: float) -> TrainingBudget:
    """Return a budget whose clock advances by 10 ms per reading, so that a training is the same on a busy machine."""
    readings = count()
    return TrainingBudget(seconds, memory_mb, clock=lambda: next(readings) / 100)


def train_reproducibly(
    *, as_of: datetime = NOON, started_at: datetime | None = None, max_latency_ms: float = 60_000.0
) -> ModelVersion:
    """Train as of this moment, started then or at `started_at`, with the same result on every machine.

    max_latency_ms: a model that needs longer for a recommendation is rejected; a busy machine must not reach the limit.
    """
    limit = override_settings(PROMOTION_LATENCY_MS=max_latency_ms)
    with patch("recommendations.training.train.TrainingBudget", make_counted_budget), limit:
        return train(as_of=as_of, started_at=started_at or as_of)


def promote_fitted_model(*names: str, as_of: datetime = NOON, weights: dict[str, float] | None = None) -> ModelVersion:
    """Fit these algorithms with their first parameters and promote them with these or equal weights, without tuning."""
    starts = describe_starts(CANDIDATES)
    components = {name: starts[name] for name in names}
    weights = weights or dict.fromkeys(names, round(1.0 / len(names), 4))
    choice = ModelChoice(DEFAULT_EVENT_WEIGHTS, components, weights, "max", float("nan"), {}, [], [])
    data, outcome = extract_training_data(as_of=as_of), TrainingOutcome(choice)
    weighted, blend = fit_for_serving(data=data, choice=choice)
    version = build_version(data=data, outcome=outcome, as_of=as_of, created_at=as_of)
    artifact = build_artifact(data=weighted, blend=blend, outcome=outcome, people=count_people(data.interactions))
    version.checksum = publish_artifact(name=version.artifact, artifact=artifact)
    version.save()
    promote_version(version=version, at=as_of)
    return version


def train_once(shop: str) -> ModelVersion:
    """Return the active version of a shop made within `use_fixed_ids`."""
    [version] = train_series(shop, 1)
    return version


def train_series(shop: str, n: int) -> list[ModelVersion]:
    """Return n versions of a shop made within `use_fixed_ids`, trained an hour apart; the last one is active."""

    def train_next() -> None:
        if n > 1:
            train_series(shop, n - 1)
        with use_fixed_ids(offset=n - 1):
            train_reproducibly(started_at=NOON + timedelta(hours=n - 1))

    restore_or_train(f"{shop}-{n}", train_next)
    return list(ModelVersion.objects.order_by("created_at"))


def restore_or_train(name: str, train_models: Callable[[], object]) -> None:
    """Train by the first call of all processes of the run; the others restore the records and the folder."""
    folder = make_folder() / name
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / "records").exists():
            restore_training(folder)
        else:
            train_models()
            save_training(folder)


def get_first_moment(name: str) -> datetime:
    """Return the moment of the first call of all processes of the run with this name."""
    with (make_folder() / f"{name}-moment").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        if text := file.read():
            return datetime.fromisoformat(text)
        now = datetime.now(UTC)
        file.write(now.isoformat())
    return now


def make_folder() -> Path:
    """Return the folder of the trainings of this run."""
    folder = Path(os.environ["PERENNIAL_VAR"]) / f"{os.environ['TEST_TEMPLATE_DATABASE']}-trainings"
    folder.mkdir(exist_ok=True)
    return folder


def save_training(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(settings.MODELS_DIR, folder / "models")
    (folder / "records").write_bytes(
        pickle.dumps([list(ModelVersion.objects.all()), list(EvaluationRun.objects.all())])
    )


def restore_training(folder: Path) -> None:
    shutil.copytree(folder / "models", settings.MODELS_DIR)
    versions, runs = pickle.loads((folder / "records").read_bytes())
    ModelVersion.objects.bulk_create(versions)
    EvaluationRun.objects.bulk_create(runs)
    version = ModelVersion.objects.get(status=ModelVersion.Status.ACTIVE)
    announce_active_version(scenario=version.scenario, version=get_serving_name(version))
