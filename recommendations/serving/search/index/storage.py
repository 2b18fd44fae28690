"""The saved search index: a folder per version, and a pointer file to the latest."""

import json
import logging
import os
import time
from pathlib import Path

from django.conf import settings

from recommendations.engine.text_search.tokens import TERMS_VERSION
from recommendations.serving.search.index.product_texts import ProductTexts
from recommendations.training.registry.artifacts import Artifact, DamagedArtifactError, open_artifact, save_artifact

POINTER = "current.json"
logger = logging.getLogger(__name__)


def get_index_folder() -> Path:
    """Return the folder of all versions of the index."""
    return Path(settings.MODELS_DIR) / "search"


def read_pointer() -> dict[str, str] | None:
    """Return the name and checksum of the latest saved index, or None."""
    try:
        return json.loads((get_index_folder() / POINTER).read_text())
    except (OSError, ValueError):
        return None


def open_product_texts(saved: dict[str, str]) -> ProductTexts | None:
    """Return a saved index, mapped into memory; None if it is damaged or has a different version."""
    try:
        artifact = open_artifact(folder=get_index_folder() / saved["name"], checksum=saved["checksum"])
        if artifact.saved.get("terms_version") != TERMS_VERSION:
            logger.info("The saved search index has a different version and is built again")
            return None
        return ProductTexts.from_artifact(artifact)
    except (DamagedArtifactError, KeyError) as error:
        logger.error("The saved search index cannot be used and is built again: %s", error)
        return None


def save_product_texts(texts: ProductTexts) -> dict[str, str]:
    """Save the texts under a new name, point to it, and delete all but the last two."""
    name = f"texts-{time.time_ns()}"
    artifact: Artifact = texts.to_artifact()
    saved = {"name": name, "checksum": save_artifact(folder=get_index_folder() / name, artifact=artifact)}
    # renaming is atomic: another process reads the old pointer or the new one, never half of it
    draft = get_index_folder() / f".{POINTER}.{os.getpid()}"
    draft.write_text(json.dumps(saved))
    draft.replace(get_index_folder() / POINTER)
    for old in sorted(get_index_folder().glob("texts-*"))[:-2]:
        remove_folder(old)
    return saved


def remove_folder(old: Path) -> None:
    """Delete a folder that no process opens any more; processes that mapped it keep its pages."""
    for file in old.iterdir():
        file.unlink(missing_ok=True)
    old.rmdir()
