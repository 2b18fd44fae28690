import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from django.conf import settings
from django.core.management import call_command

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
from recommendations.training.train import train
from tests.makers import NOON, make_order
from tests.recommendations.shop import PEOPLE, customer_of
from tests.recommendations.trainings import train_counted

Status = ModelVersion.Status


def test_training_judges_every_algorithm_and_promotes_the_best_of_them(trained: ModelVersion) -> None:
    run = EvaluationRun.objects.get()
    assert run.status == EvaluationRun.Status.DONE
    assert run.test_users == PEOPLE
    assert run.cut_at == NOON - timedelta(days=WEEKS_OF_TEST)
    values = {name: figures["ndcg@10"]["value"] for name, figures in run.figures.items()}
    assert {"popularity", "repeat", "item-knn", "content", "co-purchase", trained.algorithm} <= set(values)
    assert values[trained.algorithm] > values["popularity"]
    assert trained.status == Status.ACTIVE
    assert trained.metrics["ndcg@10"] == run.figures[trained.algorithm]["ndcg@10"]
    for figures in run.figures.values():
        assert figures["ndcg@10"]["low"] <= figures["ndcg@10"]["value"] <= figures["ndcg@10"]["high"]


WEEKS_OF_TEST = 26 * 7 / 7  # a seventh of 26 weeks, in days


def test_training_on_the_same_data_again_gives_the_same_figures_and_keeps_serving(trained: ModelVersion) -> None:
    first, again = trained, train_counted(started_at=NOON + timedelta(hours=1))
    first.refresh_from_db()
    assert again.data_fingerprint == first.data_fingerprint
    assert again.metrics["ndcg@10"]["value"] == pytest.approx(first.metrics["ndcg@10"]["value"])
    assert again.version != first.version
    assert (again.status, first.status) == (Status.ACTIVE, Status.RETIRED)
    assert [reason["code"] for reason in again.reasons] == ["as_good"]
    assert ModelVersion.objects.filter(status=Status.ACTIVE).count() == 1


def test_nothing_after_as_of_is_learnt(trained: ModelVersion) -> None:
    before = extract_training_data(as_of=NOON).fingerprint
    make_order(customer_of("user-0"), placed_at=NOON + timedelta(minutes=1), products=list(products_named("coffee-0")))
    export_warehouse(started_at=NOON + timedelta(hours=1))
    assert extract_training_data(as_of=NOON).fingerprint == before
    assert extract_training_data(as_of=NOON + timedelta(hours=1)).fingerprint != before


def products_named(*names: str):  # type: ignore[no-untyped-def]
    from catalog.models import Product

    return Product.objects.filter(product_id__in=names)


def test_an_empty_shop_says_what_to_do(db: None, folders: Path) -> None:
    with pytest.raises(NoTrainingDataError, match="import orders"):
        train(as_of=NOON, started_at=NOON)
    run = EvaluationRun.objects.get()
    assert run.status == EvaluationRun.Status.FAILED
    assert "import orders" in run.error


def test_a_shop_of_one_day_serves_equal_weights_and_says_why(db: None, folders: Path, valkey: redis.Redis) -> None:
    from tests.makers import make_customer, make_product

    make_order(
        make_customer("only"), placed_at=NOON - timedelta(days=1), products=[make_product("a"), make_product("b")]
    )
    export_warehouse(started_at=NOON)
    version = train(as_of=NOON, started_at=NOON)
    assert version.status == Status.ACTIVE
    assert "too short" in version.explanation


def test_rolling_back_returns_to_the_version_before_and_not_forward_again(trained: ModelVersion) -> None:
    second = train_counted(started_at=NOON + timedelta(hours=1))
    third = train_counted(started_at=NOON + timedelta(hours=2))
    assert roll_back_version(scenario="for-you", why="worse clicks", at=NOON + timedelta(hours=3)) == second
    assert roll_back_version(scenario="for-you", why="still worse", at=NOON + timedelta(hours=4)) == trained
    third.refresh_from_db()
    assert (third.status, third.why) == (Status.REJECTED, "worse clicks")
    with pytest.raises(NothingToRollBackError):
        roll_back_version(scenario="for-you", why="once more", at=NOON + timedelta(hours=5))
    assert ModelVersion.objects.get(status=Status.ACTIVE) == trained


def test_a_damaged_version_is_not_promoted_and_the_active_one_stays(trained: ModelVersion) -> None:
    second = train_counted(started_at=NOON + timedelta(hours=1))
    file = next(get_artifact_folder(trained).glob("*.npy"))
    file.write_bytes(b"not an array")
    with pytest.raises(DamagedArtifactError):
        promote_version(version=trained, why="by mistake", at=NOON)
    second.refresh_from_db()
    assert second.status == Status.ACTIVE


@pytest.mark.acceptance
@pytest.mark.django_db(transaction=True)
def test_a_training_killed_while_it_saves_leaves_the_active_version_and_the_next_one_goes_through(
    trained: ModelVersion, folders: Path
) -> None:
    program = f"""
import os, signal
import manage
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
import django
django.setup()
from datetime import datetime, UTC
from pathlib import Path
from django.conf import settings
settings.WAREHOUSE_URL, settings.MODELS_DIR = {str(folders / "warehouse")!r}, Path({str(folders / "models")!r})
settings.DATABASES["default"]["NAME"] = {settings.DATABASES["default"]["NAME"]!r}
import recommendations.training.train as training
save = training.save_artifact
def save_and_die(**given):
    save(**given)
    os.kill(os.getpid(), signal.SIGKILL)
training.save_artifact = save_and_die
training.train(as_of=datetime(2026, 11, 24, 12, tzinfo=UTC), started_at=datetime.now(UTC))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=settings.BASE_DIR, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == -9, done.stderr
    trained.refresh_from_db()
    assert trained.status == Status.ACTIVE
    assert EvaluationRun.objects.filter(status=EvaluationRun.Status.RUNNING).count() == 1
    second = train_counted(started_at=NOON + timedelta(hours=1))
    assert second.status == Status.ACTIVE
    assert EvaluationRun.objects.filter(status=EvaluationRun.Status.RUNNING).count() == 0
    assert EvaluationRun.objects.filter(status=EvaluationRun.Status.FAILED).count() == 1
    kept = {path.name for path in (folders / "models").iterdir()}
    assert kept == set(ModelVersion.objects.values_list("artifact", flat=True))


def test_the_command_prints_the_version_and_why_it_serves(shop: None, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("train", as_of=NOON)
    assert "active" in capsys.readouterr().out
