"""A fitted model as a folder of plain arrays and one JSON file: nothing in it can run, and workers map it into memory.

A folder is complete or it is not there: it is written beside its name and renamed.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FORMAT = 1
MANIFEST = "manifest.json"


class DamagedArtifactError(Exception):
    """A model folder that is missing, incomplete or not what was saved."""


@dataclass(frozen=True)
class Artifact:
    """Arrays by name (memory-mapped when read from disk) and what JSON can hold."""

    arrays: Mapping[str, npt.NDArray[Any]]
    saved: Mapping[str, Any]

    def part(self, prefix: str) -> dict[str, npt.NDArray[Any]]:
        """The arrays below ``prefix/``, by the rest of their names."""
        start = f"{prefix}/"
        return {name.removeprefix(start): array for name, array in self.arrays.items() if name.startswith(start)}

    def with_parts(self, other: "Artifact") -> "Artifact":
        """Both; what has the same name is taken from the other."""
        return Artifact({**self.arrays, **other.arrays}, {**self.saved, **other.saved})


def save_artifact(*, folder: Path, artifact: Artifact) -> str:
    """Writes the folder and returns the checksum of its manifest, which holds the checksum of every array."""
    draft = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        draft.mkdir(parents=True)
        described = {}
        for place, (name, array) in enumerate(sorted(artifact.arrays.items())):
            file = f"{place:04d}.npy"
            np.save(draft / file, np.ascontiguousarray(array), allow_pickle=False)
            described[name] = {"file": file, "sha256": file_checksum(draft / file)}
        manifest = json.dumps({"format": FORMAT, "arrays": described, "saved": artifact.saved}, sort_keys=True).encode()
        (draft / MANIFEST).write_bytes(manifest)
        shutil.rmtree(folder, ignore_errors=True)  # left by a training that was killed before it recorded its version
        os.replace(draft, folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return hashlib.sha256(manifest).hexdigest()


def open_artifact(*, folder: Path, checksum: str, verify_arrays: bool = False) -> Artifact:
    """The artifact, its arrays memory-mapped read-only.

    The manifest is always compared with ``checksum``; with ``verify_arrays`` every array is read and compared too.

    Raises:
        DamagedArtifactError: something is missing or differs.
    """
    try:
        manifest = (folder / MANIFEST).read_bytes()
    except OSError as error:
        raise DamagedArtifactError(
            f"{folder} holds no readable {MANIFEST}: train again, or restore the folder."
        ) from error
    if hashlib.sha256(manifest).hexdigest() != checksum:
        raise DamagedArtifactError(f"{folder / MANIFEST} is not what was saved (checksum differs): train again.")
    content = json.loads(manifest)
    if content["format"] != FORMAT:
        raise DamagedArtifactError(
            f"{folder} is of format {content['format']}, this version reads {FORMAT}: train again."
        )
    arrays = {}
    for name, described in content["arrays"].items():
        file = folder / described["file"]
        if verify_arrays and file_checksum(file) != described["sha256"]:
            raise DamagedArtifactError(f"{file} ({name}) is not what was saved (checksum differs): train again.")
        try:
            arrays[name] = read_array(file)
        except (OSError, ValueError) as error:
            raise DamagedArtifactError(f"{file} ({name}) cannot be read: {error}. Train again.") from error
    return Artifact(arrays, content["saved"])


def read_array(file: Path) -> npt.NDArray[Any]:
    """One array, memory-mapped unless it is empty, which cannot be mapped."""
    if file.stat().st_size <= 128:
        return np.load(file, allow_pickle=False)
    mapped = np.load(file, mmap_mode="r", allow_pickle=False)
    return mapped.view(np.ndarray) if isinstance(mapped, np.memmap) else mapped


def file_checksum(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise DamagedArtifactError(f"{file} cannot be read: {error}. Train again.") from error
