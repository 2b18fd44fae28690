import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from recommendations.training import train as training
from recommendations.training.backoffice.labels.step_labels import get_step_label
from recommendations.training.models import EvaluationRun, ModelVersion
from recommendations.training.registry.promotion import get_artifact_folder
from recommendations.training.runs import TrainingCanceledError, record_training_run, request_cancellation
from recommendations.training.tasks import refresh_model, train_nightly
from recommendations.training.train import train
from tests.makers import NOON
from tests.recommendations.trainings import train_reproducibly

Status = EvaluationRun.Status


def test_a_cancelled_training_is_recorded_and_leaves_the_active_version(
    trained: ModelVersion, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extract = training.extract_training_data

    def extract_and_cancel(**kwargs):  # type: ignore[no-untyped-def]
        run = EvaluationRun.objects.get(status=Status.RUNNING)
        assert request_cancellation(run_id=run.pk, at=NOON)
        assert not request_cancellation(run_id=run.pk, at=NOON), "already requested"
        return extract(**kwargs)

    monkeypatch.setattr(training, "extract_training_data", extract_and_cancel)
    with pytest.raises(TrainingCanceledError):
        train(as_of=NOON, started_at=NOON + timedelta(hours=1))
    run = EvaluationRun.objects.latest("started_at")
    assert (run.status, run.error, run.model_version) == (Status.CANCELLED, "", None)
    assert run.finished_at is not None
    assert ModelVersion.objects.get().status == ModelVersion.Status.ACTIVE
    assert {path.name for path in (folders / "models").iterdir()} == {trained.artifact}


@pytest.mark.django_db
@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt(), Status.CANCELLED), (SystemExit(1), Status.FAILED)])
def test_a_training_whose_process_is_stopped_does_not_stay_running(error: BaseException, status: str) -> None:
    with pytest.raises(type(error)), record_training_run(started_at=NOON):
        raise error
    run = EvaluationRun.objects.get()
    assert run.status == status
    assert run.finished_at is not None


def test_a_finished_training_cannot_be_cancelled(trained: ModelVersion) -> None:
    assert not request_cancellation(run_id=EvaluationRun.objects.get().pk, at=NOON)


def test_progress_is_reported_in_labeled_steps(
    shop: None, shortest_trainings: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    progress: list[tuple[str, int]] = []
    save = EvaluationRun.save

    def save_and_record(run: EvaluationRun, **kwargs) -> None:  # type: ignore[no-untyped-def]
        if kwargs.get("update_fields") == ["step", "percent"]:
            progress.append((run.step, run.percent))
        save(run, **kwargs)

    monkeypatch.setattr(EvaluationRun, "save", save_and_record)
    shares: list[int] = []
    train(as_of=NOON, started_at=NOON, progress=lambda done, total: shares.append(done))
    percents = [percent for _step, percent in progress]
    assert percents == sorted(percents)
    assert shares[-1] == 100
    assert {"reading the data", "repeat", "weights", "judging", "fitting on everything", "saving"} <= {
        step for step, _percent in progress
    }
    assert all(get_step_label(step) for step, _percent in progress)
    assert EvaluationRun.objects.get().percent == 100


def test_the_run_records_data_trials_segments_and_resources(trained: ModelVersion) -> None:
    run = EvaluationRun.objects.get()
    assert run.target == "purchase"
    assert run.interactions_by_kind["all"]["purchase"] == trained.interactions
    assert run.interactions_by_kind["before_cut"]["purchase"] < trained.interactions
    assert {row["algorithm"] for row in run.tried if row["chosen"]} >= {"popularity", "repeat", "blend"}
    assert {row["segment"] for row in run.segments} == {"new", "active", "loyal", "cold items"}
    assert run.resources["seconds"] > 0
    assert 0 < run.resources["median_ms"] <= run.resources["slow_ms"]
    assert trained.parameters["weighing"]["kinds"]["purchase"] == 1.0
    assert trained.reasons[0]["code"] == "first"


def test_a_worse_model_is_rejected_with_the_reason_and_the_active_one_stays(
    trained: ModelVersion, folders: Path
) -> None:
    # at the same moment, so that only the number tells which one is newer
    rejected = train_reproducibly(max_latency_ms=0.0)
    trained.refresh_from_db()
    assert (trained.status, rejected.status) == (ModelVersion.Status.ACTIVE, ModelVersion.Status.REJECTED)
    assert [reason["code"] for reason in rejected.reasons] == ["latency"]
    assert "the limit is 0.0000 ms" in rejected.explanation
    assert get_artifact_folder(rejected).exists(), "a person can still promote the newest version"


def test_the_tasks_train_and_refresh(shop: None, folders: Path, shortest_trainings: None) -> None:
    shutil.rmtree(folders / "warehouse")  # a new shop trains right after its import, before the nightly export
    version = ModelVersion.objects.get(version=train_nightly())
    assert version.status == ModelVersion.Status.ACTIVE
    assert refresh_model() == "", "there is no new activity"
