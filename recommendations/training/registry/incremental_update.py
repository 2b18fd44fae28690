"""Between two trainings: what has happened since goes into the histories and the counts of the model that serves.

Only what came after the training is read, and all that was dismissed. Neighbours, vectors and weights stay as they were trained; what a
late import or a cancellation changes before that moment waits for the next training. The arrays lie in a folder of their own beside those
of the version, and serving puts them on top.
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

from config.foundation.database.advisory_locks import exclusive
from customers.warehouse.connection import warehouse
from recommendations.engine import IdMap, Interactions, restore
from recommendations.engine.algorithms.base import Updatable
from recommendations.engine.algorithms.ensembles.weighted_ensemble import Blend
from recommendations.engine.data.event_weights import EventWeights
from recommendations.training.data.dismissals import Dismissed, dismissals_table
from recommendations.training.data.extract import (
    identifiers_of,
    interactions_of,
    interactions_table,
    people_of,
    purchases,
)
from recommendations.training.models import ModelVersion
from recommendations.training.registry.artifacts import Artifact, open_artifact, save_artifact
from recommendations.training.registry.promotion import announce, artifact_folder, serving_name

logger = logging.getLogger(__name__)
Status = ModelVersion.Status
NOBODY = pa.table(
    {"kind": pa.array([], pa.string()), "value": pa.array([], pa.string()), "customer_id": pa.array([], pa.int64())}
)


class NothingToRefreshError(Exception):
    """There is no active model, or nothing has happened since it was trained."""


@dataclass(frozen=True, eq=False)
class News:
    """What happened since the training. Rows of people are those of the version, followed by people it has not seen.

    dismissed: all that is dismissed now, before the training too; new_products: how many products the version does not know.
    """

    interactions: Interactions
    identifiers: IdMap
    identifier_user: npt.NDArray[np.int32]
    dismissed: Dismissed
    new_products: int


def refresh(*, as_of: datetime, scenario: str = "for-you") -> ModelVersion:
    """The active version with what happened until ``as_of``.

    Raises:
        AlreadyRunningError: another refresh is under way.
        NothingToRefreshError: there is nothing to do.
        DamagedArtifactError: the version's folder is not what was saved.
    """
    with exclusive("training.refresh"):
        version = ModelVersion.objects.filter(scenario=scenario, status=Status.ACTIVE).first()
        if version is None:
            raise NothingToRefreshError("No model serves yet: train first.")
        base = open_artifact(folder=artifact_folder(version), checksum=version.checksum)
        if not base.part("customers"):
            raise NothingToRefreshError(f"{version.version} was trained before there were refreshes: train again.")
        news = read_news(base=base, weighing=EventWeights(**version.parameters["weighing"]), as_of=as_of)
        if not len(news.interactions) and not news_of_dismissals(news, base):
            raise NothingToRefreshError(f"Nothing has happened since {version.version} was trained.")
        folder = f"{version.artifact}@{as_of.astimezone(UTC):%Y-%m-%dT%H%M%S}"
        checksum = save_artifact(folder=settings.MODELS_DIR / folder, artifact=overlay(base=base, news=news))
        if news.new_products:
            logger.info("%d products are newer than %s, which cannot rank them", news.new_products, version.version)
        return put_in_place(version=version, folder=folder, checksum=checksum, as_of=as_of)


def read_news(*, base: Artifact, weighing: EventWeights, as_of: datetime) -> News:
    since = datetime.fromtimestamp(base.saved["as_of"], UTC)
    with warehouse() as tables:
        told = interactions_table(tables, since=since, as_of=max(as_of, since))
        unwanted = dismissals_table(tables, purchases=purchases(tables), as_of=max(as_of, since))
        people = people_of(told, unwanted)
        products = tables["products"]
        active = products.filter(products.is_active).select("product_id").to_pyarrow()["product_id"].to_pylist()
        identifiers = tables["identifiers"]
        if len(people):
            identifiers = identifiers.semi_join(ibis.memtable(pa.table({"customer_id": people})), "customer_id")
        named = identifiers.select("kind", "value", "customer_id").to_pyarrow() if len(people) else NOBODY
    customers = IdMap.from_arrays(base.part("customers")).extended(people)
    items = IdMap.from_arrays(base.part("items"))
    interactions = interactions_of(told, customers=customers, items=items, as_of=as_of)
    names, rows = identifiers_of(named, customers)
    dismissed = Dismissed.of_table(unwanted, customers=customers, items=items)
    return News(weighing.of(interactions), names, rows, dismissed, int((items.rows(active) < 0).sum()))


def overlay(*, base: Artifact, news: News) -> Artifact:
    """The arrays that differ from those of the version, and those that it does not have."""
    history = news.interactions.histories()
    parts = {
        "news": {name: getattr(history, name) for name in ("indptr", "item", "order", "weight", "kind")},
        "news-identifiers": news.identifiers.arrays(),
        "dismissed": news.dismissed.arrays(),
        "model": counts_with(news, base),
    }
    arrays = {f"{part}/{name}": array for part, inner in parts.items() for name, array in inner.items()}
    saved = {"as_of": news.interactions.as_of, "new_products": news.new_products}
    return Artifact(arrays | {"news_identifier_user": news.identifier_user}, saved)


def news_of_dismissals(news: News, base: Artifact) -> bool:
    """Whether somebody has dismissed something since the training, or no longer does."""
    before = base.part("dismissed")
    if not before:  # trained before there were any
        return bool(len(news.dismissed.item))
    people = len(news.dismissed.indptr)
    indptr = np.append(before["indptr"], np.full(people - len(before["indptr"]), len(before["item"])))
    return not (np.array_equal(indptr, news.dismissed.indptr) and np.array_equal(before["item"], news.dismissed.item))


def counts_with(news: News, base: Artifact) -> dict[str, npt.NDArray[Any]]:
    """The arrays of what counts, brought up to date: what is popular and what is trending."""
    blend = restore(base.part("model"), base.saved["model"])
    found: dict[str, npt.NDArray[Any]] = {}
    for name, component in blend.components_.items() if isinstance(blend, Blend) else ():
        if isinstance(component, Updatable):
            arrays, _saved = component.updated(news.interactions, since=base.saved["as_of"]).arrays()
            found |= {f"{name}/{key}": array for key, array in arrays.items()}
    return found


def put_in_place(*, version: ModelVersion, folder: str, checksum: str, as_of: datetime) -> ModelVersion:
    """Serves from now on, if the version is still the active one; the refresh before the last one goes."""
    before = version.refresh
    version.refresh, version.refresh_checksum, version.refreshed_at = folder, checksum, as_of
    version.save(update_fields=["refresh", "refresh_checksum", "refreshed_at"])
    if ModelVersion.objects.filter(pk=version.pk, status=Status.ACTIVE).exists():
        announce(scenario=version.scenario, version=serving_name(version))
    for old in settings.MODELS_DIR.glob(f"{version.artifact}@*"):
        if old.name not in (folder, before):  # a worker may be opening the one before at this moment
            shutil.rmtree(old, ignore_errors=True)
    return version
