"""Incremental update: add recent activity to the histories and counts of the active model between two trainings.

Only activity after the training is read, plus all dismissals. Neighbors, vectors and weights stay as trained; what a
late import or a cancellation changes before that moment waits for the next training. The arrays are saved in their own
folder beside the version's, and serving loads them on top.
"""

import logging
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import ibis
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from django.conf import settings

from config.foundation.database.advisory_locks import exclusive_lock
from customers.warehouse.connection import open_warehouse
from recommendations.engine import IdMap, Interactions, restore
from recommendations.engine.algorithms.base import UpdatableAlgorithm
from recommendations.engine.algorithms.ensembles.weighted_ensemble import WeightedEnsemble
from recommendations.engine.data.event_weights import EventWeights
from recommendations.training.data.dismissals import Dismissals, read_dismissals
from recommendations.training.data.extract import build_interactions, index_identifiers, list_customer_ids
from recommendations.training.data.interaction_tables import build_purchases_table, read_interactions
from recommendations.training.models import ModelVersion
from recommendations.training.registry.artifacts import Artifact, open_artifact, save_artifact
from recommendations.training.registry.promotion import announce_active_version, get_artifact_folder, get_serving_name

logger = logging.getLogger(__name__)
Status = ModelVersion.Status
NO_IDENTIFIERS = pa.table(
    {"kind": pa.array([], pa.string()), "value": pa.array([], pa.string()), "customer_id": pa.array([], pa.int64())}
)


class NothingToRefreshError(Exception):
    """No model is active, or nothing has happened since it was trained."""


@dataclass(frozen=True, eq=False)
class ActivityUpdate:
    """Activity since the training. Customer rows are those of the version, followed by customers it does not know.

    dismissed: all current dismissals, including those before the training; new_products: number of products the version
    does not know.
    """

    interactions: Interactions
    identifiers: IdMap
    identifier_user: npt.NDArray[np.int32]
    dismissed: Dismissals
    new_products: int


def refresh_active_version(*, as_of: datetime, scenario: str = "for-you") -> ModelVersion:
    """Add activity before ``as_of`` to the active version.

    Raises:
        AlreadyRunningError: another update is running.
        NothingToRefreshError: there is nothing to add.
        DamagedArtifactError: the version's folder is not what was saved.
    """
    with exclusive_lock("training.refresh"):
        version = ModelVersion.objects.filter(scenario=scenario, status=Status.ACTIVE).first()
        if version is None:
            raise NothingToRefreshError("There is no active model; train one first.")
        base = open_artifact(folder=get_artifact_folder(version), checksum=version.checksum)
        if not base.get_part("customers"):
            raise NothingToRefreshError(
                f"{version.version} was trained by a release without incremental updates; train again."
            )
        event_weights = EventWeights(**version.parameters["weighing"])
        news = read_activity_update(base=base, event_weights=event_weights, as_of=as_of)
        if not len(news.interactions) and not have_dismissals_changed(news, base):
            raise NothingToRefreshError(f"There is no new activity since {version.version} was trained.")
        folder = f"{version.artifact}@{as_of.astimezone(UTC):%Y-%m-%dT%H%M%S}"
        checksum = save_artifact(folder=settings.MODELS_DIR / folder, artifact=build_overlay(base=base, news=news))
        if news.new_products:
            logger.info(
                "%d products are newer than model %s, which cannot rank them", news.new_products, version.version
            )
        return activate_refresh(version=version, folder=folder, checksum=checksum, as_of=as_of)


def read_activity_update(*, base: Artifact, event_weights: EventWeights, as_of: datetime) -> ActivityUpdate:
    """Read activity since the training and all dismissals from the warehouse."""
    since = datetime.fromtimestamp(base.saved["as_of"], UTC)
    with open_warehouse() as tables:
        interaction_rows = read_interactions(tables, since=since, as_of=max(as_of, since))
        dismissal_rows = read_dismissals(tables, purchases=build_purchases_table(tables), as_of=max(as_of, since))
        customer_ids = list_customer_ids(interaction_rows, dismissal_rows)
        products = tables["products"]
        active = products.filter(products.is_active).select("product_id").to_pyarrow()["product_id"].to_pylist()
        identifiers = tables["identifiers"]
        if len(customer_ids):
            identifiers = identifiers.semi_join(ibis.memtable(pa.table({"customer_id": customer_ids})), "customer_id")
        identifier_rows = (
            identifiers.select("kind", "value", "customer_id").to_pyarrow() if len(customer_ids) else NO_IDENTIFIERS
        )
    customers = IdMap.from_arrays(base.get_part("customers")).extend(customer_ids)
    items = IdMap.from_arrays(base.get_part("items"))
    interactions = build_interactions(interaction_rows, customers=customers, items=items, as_of=as_of)
    names, rows = index_identifiers(identifier_rows, customers)
    dismissed = Dismissals.from_table(dismissal_rows, customers=customers, items=items)
    return ActivityUpdate(
        event_weights.of(interactions), names, rows, dismissed, int((items.get_rows(active) < 0).sum())
    )


def build_overlay(*, base: Artifact, news: ActivityUpdate) -> Artifact:
    """Return the arrays that differ from the version's, and those it does not have."""
    history = news.interactions.build_histories()
    parts = {
        "news": {name: getattr(history, name) for name in ("indptr", "item", "order", "weight", "kind")},
        "news-identifiers": news.identifiers.to_arrays(),
        "dismissed": news.dismissed.to_arrays(),
        "model": update_counts(news, base),
    }
    saved = {"as_of": news.interactions.as_of, "new_products": news.new_products}
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
    return version
