from datetime import timedelta
from pathlib import Path

import pytest
import redis
from django.core.management import call_command

from catalog.models import Product
from config.foundation.database.advisory_locks import is_locked
from customers.warehouse.export import export_warehouse
from recommendations.training.data.extract import NoTrainingDataError, extract_training_data
from recommendations.training.models import EvaluationRun, ModelVersion
from recommendations.training.registry.artifacts import DamagedArtifactError
from recommendations.training.registry.promotion import (
    NothingToRollBackError,
    get_artifact_folder,
    promote_version,
    roll_back_version,
)
from recommendations.training.runs import TRAINING_LOCK
from recommendations.training.train import train
from tests.child_processes import start_child
from tests.makers import NOON, make_customer, make_order, make_product
from tests.recommendations.shop import N_CUSTOMERS, get_customer
from tests.recommendations.trainings import train_reproducibly, train_series
from tests.waiting import wait_until

Status = ModelVersion.Status


def test_training_evaluates_every_algorithm_and_promotes_the_best(trained: ModelVersion) -> None:
    run = EvaluationRun.objects.get()
    assert run.status == EvaluationRun.Status.DONE
    assert run.test_users == N_CUSTOMERS
    assert run.cut_at == NOON - timedelta(days=TEST_DAYS)
    values = {name: figures["ndcg@10"]["value"] for name, figures in run.figures.items()}
    assert {"popularity", "repeat", "item-knn", "content", "co-purchase", trained.algorithm} <= set(values)
    assert values[trained.algorithm] > values["popularity"]
    assert trained.status == Status.ACTIVE
    assert trained.metrics["ndcg@10"] == run.figures[trained.algorithm]["ndcg@10"]
    for figures in run.figures.values():
        assert figures["ndcg@10"]["low"] <= figures["ndcg@10"]["value"] <= figures["ndcg@10"]["high"]


TEST_DAYS = 26 * 7 / 7  # a seventh of 26 weeks


def test_a_second_training_on_the_same_data_has_the_same_figures_and_is_promoted(shop: None) -> None:
    first, again = train_series("shop", 2)
    assert again.data_fingerprint == first.data_fingerprint
    assert again.metrics["ndcg@10"]["value"] == pytest.approx(first.metrics["ndcg@10"]["value"])
    assert again.version != first.version
    assert (again.status, first.status) == (Status.ACTIVE, Status.RETIRED)
    assert [reason["code"] for reason in again.reasons] == ["as_good"]
    assert ModelVersion.objects.filter(status=Status.ACTIVE).count() == 1


def test_a_training_succeeds_if_nothing_is_left_that_the_active_version_can_learn_from(trained: ModelVersion) -> None:
    # the shop has only purchases: as if all interactions had been undone that this version learns from
    trained.parameters["weighing"] = {**trained.parameters["weighing"], "kinds": {"purchase": 0.0}}
    trained.save(update_fields=["parameters"])
    newer = train_reproducibly(started_at=NOON + timedelta(hours=1))
    assert "active" not in EvaluationRun.objects.get(model_version=newer).figures
    assert [reason["code"] for reason in newer.reasons] == ["not_compared"]
    assert "cannot be compared" in newer.explanation
    trained.refresh_from_db()
    assert (newer.status, trained.status) == (Status.ACTIVE, Status.RETIRED)


def test_events_after_as_of_are_not_in_the_training_data(trained: ModelVersion) -> None:
    before = extract_training_data(as_of=NOON).fingerprint
    make_order(
        get_customer("user-0"),
        placed_at=NOON + timedelta(minutes=1),
        products=list(Product.objects.filter(product_id="coffee-0")),
    )
    export_warehouse(started_at=NOON + timedelta(hours=1))
    assert extract_training_data(as_of=NOON).fingerprint == before
    assert extract_training_data(as_of=NOON + timedelta(hours=1)).fingerprint != before


def test_an_empty_shop_has_an_error_with_the_next_step(db: None, folders: Path) -> None:
    with pytest.raises(NoTrainingDataError, match="import orders"):
        train(as_of=NOON, started_at=NOON)
    run = EvaluationRun.objects.get()
    assert run.status == EvaluationRun.Status.FAILED
    assert "import orders" in run.error


def test_a_shop_with_one_day_of_history_serves_equal_weights_with_a_reason(
    db: None, folders: Path, valkey: redis.Redis
) -> None:
    make_order(
        make_customer("only"), placed_at=NOON - timedelta(days=1), products=[make_product("a"), make_product("b")]
    )
    export_warehouse(started_at=NOON)
    version = train(as_of=NOON, started_at=NOON)
    assert version.status == Status.ACTIVE
    assert "too short" in version.explanation


def test_a_rollback_returns_to_the_previous_version_and_never_to_a_rejected_one(shop: None) -> None:
    first, second, third = train_series("shop", 3)
    assert roll_back_version(scenario="for-you", why="worse clicks", at=NOON + timedelta(hours=3)) == second
    assert roll_back_version(scenario="for-you", why="still worse", at=NOON + timedelta(hours=4)) == first
    third.refresh_from_db()
    assert (third.status, third.why) == (Status.REJECTED, "worse clicks")
    with pytest.raises(NothingToRollBackError):
        roll_back_version(scenario="for-you", why="once more", at=NOON + timedelta(hours=5))
    assert ModelVersion.objects.get(status=Status.ACTIVE) == first


def test_a_damaged_version_is_not_promoted_and_the_active_one_stays(shop: None) -> None:
    first, second = train_series("shop", 2)
    file = next(get_artifact_folder(first).glob("*.npy"))
    file.write_bytes(b"not an array")
    with pytest.raises(DamagedArtifactError):
        promote_version(version=first, why="by mistake", at=NOON)
    second.refresh_from_db()
    assert second.status == Status.ACTIVE


@pytest.mark.acceptance
@pytest.mark.django_db(transaction=True)
def test_a_training_killed_while_saving_leaves_the_active_version_and_the_next_training_succeeds(
    trained: ModelVersion, folders: Path
) -> None:
    script = f"""
import os, signal
from datetime import datetime, UTC
from pathlib import Path
from django.conf import settings
settings.WAREHOUSE_URL, settings.MODELS_DIR = {str(folders / "warehouse")!r}, Path({str(folders / "models")!r})
settings.TRAINING_SECONDS = 0.1
import recommendations.training.train as training
save = training.publish_artifact
def save_and_die(**kwargs):
    save(**kwargs)
    os.kill(os.getpid(), signal.SIGKILL)
training.publish_artifact = save_and_die
training.train(as_of=datetime(2026, 11, 24, 12, tzinfo=UTC), started_at=datetime.now(UTC))
"""
    child = start_child(script)
    _output, problems = child.communicate()
    assert child.returncode == -9, problems
    trained.refresh_from_db()
    assert trained.status == Status.ACTIVE
    assert EvaluationRun.objects.filter(status=EvaluationRun.Status.RUNNING).count() == 1
    wait_until(lambda: not is_locked(TRAINING_LOCK), what="the server to notice that the process is gone")
    second = train_reproducibly(started_at=NOON + timedelta(hours=1))
    assert second.status == Status.ACTIVE
    assert EvaluationRun.objects.filter(status=EvaluationRun.Status.RUNNING).count() == 0
    assert EvaluationRun.objects.filter(status=EvaluationRun.Status.FAILED).count() == 1
    kept = {path.name for path in (folders / "models").iterdir()}
    assert kept == set(ModelVersion.objects.values_list("artifact", flat=True))


def test_the_command_prints_the_version_and_its_status(
    shop: None, shortest_trainings: None, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("train", as_of=NOON)
    assert "active" in capsys.readouterr().out
