"""Incremental update: add recent activity to the histories and counts of the active model between two trainings.

Activity that the version does not contain is added, late events included; dismissals are replaced. Neighbors, vectors and
weights stay as trained; cancellations of orders that were trained on take effect with the next training. The arrays are saved
in their own folder next to the version's, and serving loads them on top.
"""

import logging
import shutil
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from django.conf import settings

from config.foundation.database.advisory_locks import exclusive_lock
from config.foundation.files.shared_store import get_shared_store
from recommendations.engine import restore
from recommendations.engine.algorithms.base import UpdatableAlgorithm
from recommendations.engine.algorithms.ensembles.weighted_ensemble import WeightedEnsemble
from recommendations.engine.data.event_weights import EventWeights
from recommendations.training.models import ModelVersion
from recommendations.training.registry.activity_update import ActivityUpdate, join_interactions, read_activity_update
from recommendations.training.registry.artifact_copies import STORE_FOLDER, open_published_artifact, publish_artifact
from recommendations.training.registry.artifacts import Artifact
from recommendations.training.registry.promotion import announce_active_version, get_serving_name
from recommendations.training.runs import UPDATE_LOCK

logger = logging.getLogger(__name__)
Status = ModelVersion.Status


class NothingToRefreshError(Exception):
    """No model is active, or nothing has happened since it was trained."""


def refresh_active_version(*, as_of: datetime, scenario: str = "for-you") -> ModelVersion:
    """Add activity before ``as_of`` to the active version.

    Raises:
        AlreadyRunningError: another update is running.
        NothingToRefreshError: there is nothing to add.
        DamagedArtifactError: the version's folder is not what was saved.
    """
    with exclusive_lock(UPDATE_LOCK):
        version = ModelVersion.objects.filter(scenario=scenario, status=Status.ACTIVE).first()
        if version is None:
            raise NothingToRefreshError("There is no active model; train one first.")
        base = open_published_artifact(name=version.artifact, checksum=version.checksum)
        if not base.get_part("customers"):
            raise NothingToRefreshError(
                f"{version.version} was trained by a release without incremental updates; train again."
            )
        event_weights = EventWeights(**version.parameters["weighing"])
        news = read_activity_update(base=base, event_weights=event_weights, as_of=as_of)
        if news.is_empty and not have_dismissals_changed(news, base) and not have_trials_changed(news, base):
            raise NothingToRefreshError(f"There is no new activity since {version.version} was trained.")
        folder = f"{version.artifact}@{as_of.astimezone(UTC):%Y-%m-%dT%H%M%S}"
        checksum = publish_artifact(name=folder, artifact=build_overlay(base=base, news=news))
        if news.new_products:
            logger.info(
                "%d products are newer than model %s, which cannot rank them", news.new_products, version.version
            )
        return activate_refresh(version=version, folder=folder, checksum=checksum, as_of=as_of)


def build_overlay(*, base: Artifact, news: ActivityUpdate) -> Artifact:
    """Return the arrays that differ from the version's, and those it does not have."""
    history = join_interactions(news.interactions, news.inherited).build_histories()
    parts = {
        "news": {name: getattr(history, name) for name in ("indptr", "item", "order", "weight", "kind")},
        "news-identifiers": news.identifiers.to_arrays(),
        "dismissed": news.dismissed.to_arrays(),
        "exploration": news.trials.to_arrays(),
        "model": update_counts(news, base),
    }
    saved = {
        "as_of": news.interactions.as_of,
        "known_until": news.position.known_until,
        "new_products": news.new_products,
    }
    identifier_user = Artifact({"news_identifier_user": news.identifier_user}, {})
    return Artifact.from_parts(parts, saved).with_parts(identifier_user)


def have_dismissals_changed(news: ActivityUpdate, base: Artifact) -> bool:
    """Return whether dismissals were added or ended since the training."""
    before = base.get_part("dismissed")
    if not before:  # trained by a release without dismissals
        return bool(len(news.dismissed.item))
    # Customers whom the version does not know come last and had no dismissals then: their ranges are empty.
    n_new = len(news.dismissed.indptr) - len(before["indptr"])
    indptr = np.append(before["indptr"], np.full(n_new, len(before["item"])))
    return not (np.array_equal(indptr, news.dismissed.indptr) and np.array_equal(before["item"], news.dismissed.item))


def have_trials_changed(news: ActivityUpdate, base: Artifact) -> bool:
    """Return whether new products were published or shown to more people since the training."""
    return not np.array_equal(base.get_part("exploration").get("shown", []), news.trials.shown)


def update_counts(news: ActivityUpdate, base: Artifact) -> dict[str, npt.NDArray[Any]]:
    """Return the updated arrays of the components that count: popularity and trending."""
    model = restore(base.get_part("model"), base.saved["model"])
    updated_arrays: dict[str, npt.NDArray[Any]] = {}
    for name, component in model.components_.items() if isinstance(model, WeightedEnsemble) else ():
        if isinstance(component, UpdatableAlgorithm):
            arrays, _saved = component.update(news.interactions, since=base.saved["as_of"]).to_arrays()
            updated_arrays |= {f"{name}/{key}": array for key, array in arrays.items()}
    return updated_arrays


def activate_refresh(*, version: ModelVersion, folder: str, checksum: str, as_of: datetime) -> ModelVersion:
    """Make the update active if its version still is.

    Delete all older updates except the previous one.
    """
    previous = version.refresh
    version.refresh, version.refresh_checksum, version.refreshed_at = folder, checksum, as_of
    version.save(update_fields=["refresh", "refresh_checksum", "refreshed_at"])
    # Another version may have been promoted meanwhile; announcing this one would take its place.
    if ModelVersion.objects.filter(pk=version.pk, status=Status.ACTIVE).exists():
        announce_active_version(scenario=version.scenario, version=get_serving_name(version))
    for old in settings.MODELS_DIR.glob(f"{version.artifact}@*"):
        if old.name not in (folder, previous):  # a worker may be opening the previous one right now
            shutil.rmtree(old, ignore_errors=True)
    store = get_shared_store()
    if store is not None:
        for name in store.list_folders(STORE_FOLDER):
            if name.startswith(f"{version.artifact}@") and name not in (folder, previous):
                store.remove(f"{STORE_FOLDER}/{name}")
    return version
