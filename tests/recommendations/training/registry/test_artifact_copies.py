"""Two machines with folders of their own, and a store between them."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from config.foundation.database.advisory_locks import AlreadyRunningError, exclusive_lock
from config.foundation.files.shared_store import SharedStore, SharedStoreError, get_shared_store
from config.foundation.personal_data.person import Person
from recommendations.training.models import ModelVersion
from recommendations.training.registry.artifact_copies import (
    has_copy,
    open_published_artifact,
    publish_artifact,
    publish_copies,
    remove_unused_copies,
)
from recommendations.training.registry.artifacts import MANIFEST, Artifact, DamagedArtifactError
from recommendations.training.registry.promotion import copy_active_artifacts
from recommendations.training.runs import UPDATE_LOCK
from recommendations.training.stored_data import personal_data_stores
from recommendations.training.stored_data.personal_data_stores import ModelFiles
from recommendations.training.tasks import remove_model_copies

ARRAYS = {"model/weights": np.arange(6, dtype=np.float32), "items/text": np.frombuffer(b"teacoffee", np.uint8)}
# two visitors of a model: mei and tom
VISITORS = {
    "users/text": np.frombuffer(b"user_id:meiuser_id:tom", np.uint8),
    "users/offsets": np.array([0, 11, 22], np.int64),
}
NOW = datetime(2026, 11, 1, tzinfo=UTC)
MEI = Person(customer_id=7, identifiers=(("user_id", "mei"),))


class Machines:
    """Changes MODELS_DIR, as another machine would have another one."""

    def __init__(self, settings: Any, folder: Path) -> None:
        self.settings, self.folder = settings, folder
        settings.FILE_STORE = f"file://{folder / 'store'}"

    def use(self, name: str) -> Path:
        self.settings.MODELS_DIR = self.folder / name / "models"
        return self.settings.MODELS_DIR


@pytest.fixture
def machines(settings: Any, tmp_path: Path) -> Machines:
    return Machines(settings, tmp_path)


def test_an_artifact_of_one_machine_is_opened_on_another(machines: Machines) -> None:
    machines.use("worker")
    checksum = publish_artifact(name="blend-1", artifact=Artifact(ARRAYS, {"as_of": 1.0}))
    web = machines.use("web")
    artifact = open_published_artifact(name="blend-1", checksum=checksum, verify_arrays=True)
    np.testing.assert_array_equal(artifact.arrays["model/weights"], ARRAYS["model/weights"])
    assert has_copy(name="blend-1", checksum=checksum)
    assert sorted(path.name for path in web.iterdir()) == [".copying", "blend-1"], "no draft is left"


def test_an_artifact_that_the_store_changed_is_not_used_and_the_present_copy_stays(machines: Machines) -> None:
    machines.use("worker")
    checksum = publish_artifact(name="blend-1", artifact=Artifact(ARRAYS, {}))
    store = machines.folder / "store" / "models" / "blend-1"
    (store / "0001.npy").write_bytes(b"something else")
    web = machines.use("web")
    with pytest.raises(DamagedArtifactError, match=r"blend-1/0001\.npy in FILE_STORE differs"):
        open_published_artifact(name="blend-1", checksum=checksum)
    assert [path.name for path in web.iterdir()] == [".copying"]
    (store / MANIFEST).unlink()
    with pytest.raises(DamagedArtifactError, match=r"cannot be copied from FILE_STORE: models/blend-1/manifest\.json"):
        open_published_artifact(name="blend-1", checksum=checksum)


def test_a_changed_artifact_replaces_the_copy_and_equal_files_are_not_copied_again(machines: Machines) -> None:
    machines.use("worker")
    first = publish_artifact(name="blend-1", artifact=Artifact(ARRAYS, {}))
    web = machines.use("web")
    open_published_artifact(name="blend-1", checksum=first)
    inode = (web / "blend-1" / "0001.npy").stat().st_ino
    machines.use("worker")
    erased = ARRAYS | {"items/text": np.frombuffer(b"***coffee", np.uint8)}
    second = publish_artifact(name="blend-1", artifact=Artifact(erased, {}))
    machines.use("web")
    artifact = open_published_artifact(name="blend-1", checksum=second, verify_arrays=True)
    assert artifact.arrays["items/text"].tobytes() == b"***coffee"
    assert (web / "blend-1" / "0001.npy").stat().st_ino == inode
    assert sorted(path.name for path in web.iterdir()) == [".copying", "blend-1"]


def test_copies_are_removed_unless_they_are_used_or_not_in_the_store(machines: Machines) -> None:
    worker = machines.use("worker")
    used = publish_artifact(name="blend-2", artifact=Artifact(ARRAYS, {}))
    publish_artifact(name="blend-1", artifact=Artifact(ARRAYS, {}))
    publish_artifact(name="blend-3", artifact=Artifact(ARRAYS, {}))
    store = get_shared_store()
    assert store is not None
    store.remove("models/blend-3")
    assert remove_unused_copies({"blend-2": used}) == ["blend-1"]
    assert sorted(path.name for path in worker.iterdir()) == ["blend-2", "blend-3"]
    assert store.list_folders("models") == ["blend-1", "blend-2"]
    assert remove_unused_copies({"blend-2": "0" * 64}) == ["blend-2"], "an erasure has changed it"


def test_without_a_store_nothing_is_removed(machines: Machines) -> None:
    machines.settings.FILE_STORE = ""
    worker = machines.use("worker")
    publish_artifact(name="blend-1", artifact=Artifact(ARRAYS, {}))
    assert remove_unused_copies({}) == []
    assert (worker / "blend-1" / MANIFEST).is_file()


def publish_active(name: str = "blend-1") -> ModelVersion:
    """Publish a model that knows two visitors, and let the database name it as the active one."""
    checksum = publish_artifact(name=name, artifact=Artifact(ARRAYS | VISITORS, {}))
    return ModelVersion.objects.create(
        version=name,
        artifact=name,
        checksum=checksum,
        algorithm="blend",
        as_of=NOW,
        created_at=NOW,
        status=ModelVersion.Status.ACTIVE,
    )


def read_visitors(version: ModelVersion) -> bytes:
    """Return the visitors of the model that the database names, as this machine serves it."""
    version.refresh_from_db()
    artifact = open_published_artifact(name=version.artifact, checksum=version.checksum, verify_arrays=True)
    return artifact.arrays["users/text"].tobytes()


@pytest.mark.django_db
def test_an_erasure_reaches_the_store_and_the_copies_of_all_machines(machines: Machines) -> None:
    machines.use("worker-1")
    version = publish_active()
    web = machines.use("web")
    assert read_visitors(version) == b"user_id:meiuser_id:tom"
    machines.use("worker-2")  # has no copy
    assert [finding.count for finding in ModelFiles().find([MEI])] == [1]
    assert ModelFiles().erase([MEI]) == 1
    assert ModelFiles().find([MEI]) == []
    machines.use("web")
    assert [finding.count for finding in ModelFiles().find([MEI])] == [1], "until it looks at the database"
    assert read_visitors(version) == b"***********user_id:tom"
    assert ModelFiles().find([MEI]) == []
    assert not any(b"mei" in path.read_bytes() for path in web.rglob("*") if path.is_file())
    worker = machines.use("worker-1")
    assert remove_model_copies(None, kept={version.artifact: version.checksum}) == [version.artifact]
    assert not (worker / version.artifact).exists()


@pytest.mark.django_db
def test_an_erasure_waits_for_a_running_update_which_may_have_read_the_person(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    machines.use("worker-1")
    publish_active()
    monkeypatch.setattr(personal_data_stores, "UPDATE_SECONDS", 0.3)
    with exclusive_lock(UPDATE_LOCK), pytest.raises(AlreadyRunningError):
        ModelFiles().erase([MEI])
    assert [finding.count for finding in ModelFiles().find([MEI])] == [1]
    assert ModelFiles().erase([MEI]) == 1


@pytest.mark.django_db
@pytest.mark.parametrize("failing", ["0003.npy", MANIFEST])
def test_an_interrupted_erasure_from_the_store_is_completed_by_the_next(
    machines: Machines, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    machines.use("worker-1")
    version = publish_active()
    machines.use("worker-2")
    put = SharedStore.put

    def fail(store: SharedStore, name: str, path: Path) -> None:
        if name.endswith(failing):
            raise SharedStoreError("The connection was lost.")
        put(store, name, path)

    with monkeypatch.context() as patched:
        patched.setattr(SharedStore, "put", fail)
        with pytest.raises(SharedStoreError):
            ModelFiles().erase([MEI])
    ModelFiles().erase([MEI])
    assert read_visitors(version) == b"***********user_id:tom"
    assert ModelFiles().find([MEI]) == []


@pytest.mark.django_db
def test_a_backup_takes_active_models_from_the_store_and_a_restore_fills_a_new_store(
    machines: Machines, tmp_path: Path
) -> None:
    machines.use("worker-1")
    version = publish_active()
    publish_artifact(name="blend-0", artifact=Artifact(ARRAYS, {}))
    folder = machines.use("worker-2")
    copy_active_artifacts()  # what a backup begins with
    assert [path.name for path in folder.iterdir() if path.is_dir()] == ["blend-1"]
    machines.settings.FILE_STORE = f"file://{tmp_path / 'new-store'}"
    publish_copies()  # what a restore ends with
    machines.use("web")
    assert read_visitors(version) == b"user_id:meiuser_id:tom"
