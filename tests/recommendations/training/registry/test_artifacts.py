import json
from pathlib import Path

import numpy as np
import pytest

from recommendations.training.registry.artifacts import Artifact, DamagedArtifactError, open_artifact, save_artifact

ARRAYS = {
    "model/weights": np.arange(6, dtype=np.float32).reshape(2, 3),
    "items/text": np.empty(0, np.uint8),
    "flag": np.array([True]),
}
SAVED = {"as_of": 12.5, "name": "混合"}


def test_an_artifact_is_read_as_it_was_saved_with_mapped_arrays(tmp_path: Path) -> None:
    checksum = save_artifact(folder=tmp_path / "model", artifact=Artifact(ARRAYS, SAVED))
    artifact = open_artifact(folder=tmp_path / "model", checksum=checksum, verify_arrays=True)
    assert artifact.saved == SAVED
    assert artifact.arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(artifact.arrays[name], array)
        assert artifact.arrays[name].dtype == array.dtype
    assert not artifact.arrays["model/weights"].flags.writeable
    assert artifact.get_part("model").keys() == {"weights"}


def test_saving_leaves_no_draft_and_replaces_the_folder_of_a_killed_training(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "half.npy").write_bytes(b"half")
    save_artifact(folder=tmp_path / "model", artifact=Artifact(ARRAYS, SAVED))
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert not (tmp_path / "model" / "half.npy").exists()


def test_a_changed_manifest_raises_an_error(tmp_path: Path) -> None:
    checksum = save_artifact(folder=tmp_path / "model", artifact=Artifact(ARRAYS, SAVED))
    manifest = tmp_path / "model" / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"saved": {"as_of": 1}}))
    with pytest.raises(DamagedArtifactError, match="wrong checksum"):
        open_artifact(folder=tmp_path / "model", checksum=checksum)


def test_a_changed_array_is_found_when_arrays_are_verified(tmp_path: Path) -> None:
    checksum = save_artifact(folder=tmp_path / "model", artifact=Artifact(ARRAYS, SAVED))
    file = max((tmp_path / "model").glob("*.npy"), key=lambda path: path.stat().st_size)
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(DamagedArtifactError, match=file.name):
        open_artifact(folder=tmp_path / "model", checksum=checksum, verify_arrays=True)


def test_the_error_of_a_missing_folder_contains_its_name(tmp_path: Path) -> None:
    with pytest.raises(DamagedArtifactError, match="nowhere"):
        open_artifact(folder=tmp_path / "nowhere", checksum="0" * 64)


def test_an_array_of_objects_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        save_artifact(folder=tmp_path / "model", artifact=Artifact({"a": np.array([{}], dtype=object)}, {}))
    assert list(tmp_path.iterdir()) == []
