"""Fitted models of recommendations: the identifiers in their files are overwritten, so that nobody is recognized any more."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
from celery import current_app
from django.conf import settings
from django.utils.translation import gettext_lazy as _
from kombu.exceptions import OperationalError
from redis import RedisError

from config.foundation.database.advisory_locks import wait_until_released
from config.foundation.files.private_files import make_private_folder
from config.foundation.files.shared_store import SharedStore, SharedStoreError, get_shared_store
from config.foundation.personal_data.locations import files, table
from config.foundation.personal_data.person import Finding, Person
from config.foundation.personal_data.registry import register_impersonal, register_stores
from config.foundation.personal_data.stores import ErasurePhase, PersonalDataStore
from config.foundation.personal_data.text_stores import MatchingTexts, TextAction
from config.foundation.personal_data.trained_models import register_trained_models
from recommendations.training.models import ModelVersion
from recommendations.training.registry.artifact_copies import STORE_FOLDER, remove_unused_copies
from recommendations.training.registry.artifacts import MANIFEST, compute_file_checksum
from recommendations.training.runs import UPDATE_LOCK, get_running_training

UPDATE_SECONDS = 60.0  # to wait for an incremental update; if it takes longer, the erasure is resumed later
NEXT_MANIFEST = "manifest.next.json"  # complete before its checksum is in the database, renamed afterwards
MASK, ZERO = ord("*"), ord("0")


class ModelFiles(PersonalDataStore):
    """Artifacts. The numbers in them stay, but no identifier leads to them; the next training leaves the person out.

    Workers map the files, so they see the change immediately. An identifier is overwritten in place, by as many asterisks.
    """

    key = "training.artifacts"
    label = _("models of recommendations")
    locations = tuple(files("models/*"))
    kept = _("The fitted parameters, until the next training. They cannot be traced to any person.")
    phase = ErasurePhase.DERIVED

    def erase(self, people: Sequence[Person]) -> int:
        # An update that has read the activity before the people became unrecognizable would write their identifiers afterwards.
        wait_until_released(UPDATE_LOCK, seconds=UPDATE_SECONDS)
        names = list_names(people)
        erased = sum(erase_from_artifact(folder, names) for folder in list_artifact_folders())
        store = get_shared_store()
        if store is None:
            return erased
        stored = sum(erase_from_store(store, name, names) for name in store.list_folders(STORE_FOLDER))
        discard_copies()
        return max(erased, stored)

    def has_writer_since_before(self, at: datetime) -> bool:
        training = get_running_training()
        return training is not None and training.started_at < at

    def find(self, people: Sequence[Person]) -> list[Finding]:
        names = list_names(people)
        counts = {
            folder.name: sum(len(rows) for _file, _t, _o, rows in find_rows(folder, names))
            for folder in list_artifact_folders()
        }
        store = get_shared_store()
        if store is not None:
            for name in store.list_folders(STORE_FOLDER):
                counts[name] = max(counts.get(name, 0), count_in_store(store, name, names))
        return [
            self.make_finding(f"file models/{name}", count, "identifier") for name, count in counts.items() if count
        ]


def list_names(people: Sequence[Person]) -> set[bytes]:
    """Return what identifies people in models: identifiers with and without their kind, and customer IDs."""
    pairs = {pair for person in people for pair in person.identifiers}
    numbers = {str(number) for person in people for number in person.customer_ids}
    texts = {f"{kind}:{value}" for kind, value in pairs} | {value for _kind, value in pairs}
    return {text.encode() for text in texts | {f"customer:{number}" for number in numbers}} | {
        f"\0{number}".encode() for number in numbers
    }


def list_artifact_folders() -> Iterator[Path]:
    """Yield the folders of artifacts, including drafts left by a killed training."""
    root = Path(settings.MODELS_DIR)
    if root.is_dir():
        yield from sorted(path.parent for path in root.glob(f"*/{MANIFEST}"))


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of an artifact."""
    content: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
    return content


def find_rows(
    folder: Path, names: set[bytes]
) -> Iterator[tuple[Path, npt.NDArray[np.uint8], npt.NDArray[np.int64], list[int]]]:
    """Yield file, text, offsets and the rows to overwrite of each map of ids in an artifact."""
    arrays = read_manifest(folder)["arrays"]
    for name, entry in arrays.items():
        for separator in ("/", "."):
            offsets_name = f"{name.removesuffix('text')}offsets"
            if not name.endswith(f"{separator}text") or offsets_name not in arrays:
                continue
            text = np.load(folder / entry["file"], allow_pickle=False)
            offsets = np.load(folder / arrays[offsets_name]["file"], allow_pickle=False)
            whole, ends = text.tobytes(), offsets.tolist()
            # only the map of customers contains bare customer IDs; in other maps, a number is a product ID
            prefix = b"\0" if name.startswith("customers") else b""
            rows = [
                row
                for row in range(len(ends) - 1)
                if (own := whole[ends[row] : ends[row + 1]]) in names or (prefix and prefix + own in names)
            ]
            yield folder / entry["file"], text, offsets, rows


def erase_from_artifact(folder: Path, names: set[bytes]) -> int:
    """Overwrite the identifiers in an artifact; return how many.

    If it is killed halfway, it can be repeated, because the database gets the checksum of a complete next manifest.
    """
    finish_replacement(folder)
    erased, changed = 0, []
    for file, text, offsets, rows in find_rows(folder, names):
        if rows:
            overwrite_rows(file, offsets, rows)
            erased += len(rows)
            changed.append(file.name)
            del text
    if changed:
        replace_manifest(folder, changed)
    return erased


def overwrite_rows(file: Path, offsets: npt.NDArray[np.int64], rows: Sequence[int]) -> None:
    """Overwrite rows of a map of ids in its file."""
    if not rows:
        return
    mapped = np.load(file, mmap_mode="r+", allow_pickle=False)
    for row in rows:
        own = mapped[offsets[row] : offsets[row + 1]]
        # a customer ID must remain a number
        own[:] = ZERO if bytes(own).isdigit() else MASK
    mapped.flush()


def replace_manifest(folder: Path, changed: Sequence[str]) -> None:
    """Write the new checksums of changed arrays, in the manifest and in the database."""
    write_checksums(folder, changed)
    finish_replacement(folder)


def write_checksums(folder: Path, changed: Sequence[str]) -> None:
    """Write the next manifest of an artifact, with the checksums that changed arrays have now."""
    content = read_manifest(folder)
    for entry in content["arrays"].values():
        if entry["file"] in changed:
            entry["sha256"] = compute_file_checksum(folder / entry["file"])
    manifest = json.dumps(content, sort_keys=True).encode()
    (folder / NEXT_MANIFEST).write_bytes(manifest)


def finish_replacement(folder: Path) -> None:
    """Put the complete next manifest in place, and its checksum into the database."""
    draft = folder / NEXT_MANIFEST
    if not draft.exists():
        return
    save_checksum(folder.name, draft.read_bytes())
    os.replace(draft, folder / MANIFEST)


def save_checksum(name: str, manifest: bytes) -> None:
    """Store the checksum of a manifest in the database, unless it is already there."""
    checksum = hashlib.sha256(manifest).hexdigest()
    ModelVersion.objects.filter(artifact=name).exclude(checksum=checksum).update(checksum=checksum)
    refreshed = ModelVersion.objects.filter(refresh=name).exclude(refresh_checksum=checksum)
    refreshed.update(refresh_checksum=checksum)


@contextmanager
def copy_texts(store: SharedStore, name: str) -> Iterator[Path | None]:
    """Copy the manifest of an artifact and the arrays that may identify people from the store to a folder; yield None without a manifest."""
    with TemporaryDirectory(prefix="perennial-erasure-", dir=make_scratch_folder()) as parent:
        folder = Path(parent) / name
        folder.mkdir()
        try:
            store.get(f"{STORE_FOLDER}/{name}/{MANIFEST}", folder / MANIFEST)
        except SharedStoreError:
            if store.read_fingerprint(f"{STORE_FOLDER}/{name}/{MANIFEST}"):
                raise
            yield None  # a training is publishing it, or was killed while publishing
            return
        for key, entry in read_manifest(folder)["arrays"].items():
            if key.endswith(("text", "offsets")):
                store.get(f"{STORE_FOLDER}/{name}/{entry['file']}", folder / entry["file"])
        yield folder


def count_in_store(store: SharedStore, name: str, names: set[bytes]) -> int:
    """Return how many identifiers an artifact of the store has."""
    with copy_texts(store, name) as folder:
        return sum(len(rows) for _file, _t, _o, rows in find_rows(folder, names)) if folder is not None else 0


def make_scratch_folder() -> Path:
    folder = Path(settings.VAR_DIR) / "tmp"
    make_private_folder(folder)
    return folder


def erase_from_store(store: SharedStore, name: str, names: set[bytes]) -> int:
    """Overwrite the identifiers in an artifact of the store; return how many.

    If it is killed halfway, it can be repeated: it corrects a manifest that differs from the arrays, and a checksum that differs from the manifest.
    """
    with copy_texts(store, name) as folder:
        if folder is None:
            return 0
        erased = 0
        for file, _text, offsets, rows in find_rows(folder, names):
            overwrite_rows(file, offsets, rows)
            erased += len(rows)
        arrays = read_manifest(folder)["arrays"].values()
        changed = [
            entry["file"]
            for entry in arrays
            if (folder / entry["file"]).exists() and compute_file_checksum(folder / entry["file"]) != entry["sha256"]
        ]
        for file_name in changed:
            store.put(f"{STORE_FOLDER}/{name}/{file_name}", folder / file_name)
        if changed:
            write_checksums(folder, changed)
            os.replace(folder / NEXT_MANIFEST, folder / MANIFEST)
            store.put(f"{STORE_FOLDER}/{name}/{MANIFEST}", folder / MANIFEST)
        save_checksum(name, (folder / MANIFEST).read_bytes())
        return erased


def discard_copies() -> None:
    """Have the workers of all machines delete the copies that differ from the store; web processes check every ten seconds."""
    active = ModelVersion.objects.filter(status=ModelVersion.Status.ACTIVE)
    rows = active.values_list("artifact", "checksum", "refresh", "refresh_checksum")
    kept = {row[0]: row[1] for row in rows} | {row[2]: row[3] for row in rows if row[2]}
    remove_unused_copies(kept)
    with suppress(OperationalError, OSError, RedisError):  # without workers there is nobody to reach
        current_app.control.broadcast("remove_model_copies", arguments={"kept": kept})


register_stores(
    ModelFiles(),
    MatchingTexts(
        "training.runs", _("errors in evaluation runs"), "training.EvaluationRun", "error", action=TextAction.MASK
    ),
)
register_trained_models(
    "training.ModelVersion", _("recommendations"), trained_at="as_of", in_use={"status": ModelVersion.Status.ACTIVE}
)
register_impersonal(
    table("training.ModelVersion"),
    table("training.EvaluationRun"),
    reason="Parameters, figures and checksums of models and evaluations.",
)
