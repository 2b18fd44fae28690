"""A fitted model as a folder of plain arrays and one JSON file; workers map the arrays into memory.

Nothing in a folder can execute code. A folder is either complete or absent: it is written under a temporary name and
renamed.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

FORMAT = 1
MANIFEST = "manifest.json"
NPY_HEADER_BYTES = 128  # of an array with a short shape: the file of an empty array is not larger


class DamagedArtifactError(Exception):
    """A model folder is missing, incomplete or not what was saved."""


@dataclass(frozen=True)
class Artifact:
    """Arrays by name (memory-mapped when read from disk) and JSON values."""

    arrays: Mapping[str, npt.NDArray[Any]]
    saved: Mapping[str, Any]

    @classmethod
    def from_parts(cls, parts: Mapping[str, Mapping[str, npt.NDArray[Any]]], saved: Mapping[str, Any]) -> Self:
        """Return an artifact with the arrays of each part below its name, for `get_part`."""
        arrays = {f"{part}/{name}": array for part, own in parts.items() for name, array in own.items()}
        return cls(arrays, saved)

    def get_part(self, prefix: str) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays below ``prefix/``, by the rest of their names."""
        start = f"{prefix}/"
        return {name.removeprefix(start): array for name, array in self.arrays.items() if name.startswith(start)}

    def with_parts(self, other: "Artifact") -> "Artifact":
        """Return this artifact with the arrays and values of another.

        Where names are equal, those of the other take precedence.
        """
        return Artifact({**self.arrays, **other.arrays}, {**self.saved, **other.saved})


def save_artifact(*, folder: Path, artifact: Artifact) -> str:
    """Write the folder and return the checksum of its manifest.

    The manifest contains the checksum of every array.
    """
    # In the same directory, because a rename is atomic only within one file system.
    draft = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        draft.mkdir(parents=True)
        entries = {}
        for number, (name, array) in enumerate(sorted(artifact.arrays.items())):
            file = f"{number:04d}.npy"
            np.save(draft / file, np.ascontiguousarray(array), allow_pickle=False)
            entries[name] = {"file": file, "sha256": compute_file_checksum(draft / file)}
        manifest = json.dumps({"format": FORMAT, "arrays": entries, "saved": artifact.saved}, sort_keys=True).encode()
        (draft / MANIFEST).write_bytes(manifest)
        shutil.rmtree(folder, ignore_errors=True)  # left by a training that was killed before it saved its version
        os.replace(draft, folder)
    except BaseException:  # an interrupt too must not leave a draft
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return hashlib.sha256(manifest).hexdigest()


def open_artifact(*, folder: Path, checksum: str, verify_arrays: bool = False) -> Artifact:
    """Return the artifact with read-only, memory-mapped arrays.

    The manifest is always compared with ``checksum``; ``verify_arrays`` reads and compares every array too.

    Raises:
        DamagedArtifactError: a file is missing or differs.
    """
    try:
        manifest = (folder / MANIFEST).read_bytes()
    except OSError as error:
        raise DamagedArtifactError(
            f"{folder} has no readable {MANIFEST}; train again or restore the folder."
        ) from error
    if hashlib.sha256(manifest).hexdigest() != checksum:
        raise DamagedArtifactError(f"{folder / MANIFEST} differs from what was saved (wrong checksum); train again.")
    content = json.loads(manifest)
    if content["format"] != FORMAT:
        raise DamagedArtifactError(
            f"{folder} has format {content['format']}, but this release reads format {FORMAT}; train again."
        )
    arrays = {}
    for name, entry in content["arrays"].items():
        file = folder / entry["file"]
        if verify_arrays and compute_file_checksum(file) != entry["sha256"]:
            raise DamagedArtifactError(f"{file} ({name}) differs from what was saved (wrong checksum); train again.")
        try:
            arrays[name] = read_array(file)
        except (OSError, ValueError) as error:
            raise DamagedArtifactError(f"{file} ({name}) cannot be read: {error}; train again.") from error
    return Artifact(arrays, content["saved"])


def read_array(file: Path) -> npt.NDArray[Any]:
    """Return one array, memory-mapped unless it is empty (an empty file cannot be mapped)."""
    if file.stat().st_size <= NPY_HEADER_BYTES:
        return np.load(file, allow_pickle=False)
    mapped = np.load(file, mmap_mode="r", allow_pickle=False)
    # A plain view, because slicing a memmap is slower; the map stays open as the base of the view.
    return mapped.view(np.ndarray) if isinstance(mapped, np.memmap) else mapped


def compute_file_checksum(file: Path) -> str:
    """Return the SHA-256 of a file as hex. Raises DamagedArtifactError."""
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise DamagedArtifactError(f"{file} cannot be read: {error}; train again.") from error
