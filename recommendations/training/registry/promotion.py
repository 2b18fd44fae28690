"""The active version: promote one or roll back to the previous one; workers notice within two seconds."""

import logging
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import redis
from celery import current_app
from django.conf import settings
from django.db import transaction
from kombu.exceptions import OperationalError

from config.foundation.database.valkey_address import open_valkey
from recommendations.training.models import ModelVersion
from recommendations.training.registry.artifact_copies import open_published_artifact
from recommendations.training.registry.artifacts import DamagedArtifactError

ACTIVE_MODELS_KEY = "active-models"
REFRESH_TASK = "recommendations.training.tasks.refresh_model"
Status = ModelVersion.Status
logger = logging.getLogger(__name__)


class NothingToRollBackError(Exception):
    """There is no earlier version to return to."""

    def __init__(self, scenario: str) -> None:
        super().__init__(
            f"Scenario {scenario!r} has no earlier active version; train and promote another version first."
        )


def get_artifact_folder(version: ModelVersion) -> Path:
    """Return the folder of a version's artifact."""
    return settings.MODELS_DIR / version.artifact


def copy_active_artifacts() -> None:
    """Copy the artifacts of the active versions to MODELS_DIR, where a backup reads them. Raises DamagedArtifactError."""
    for version in ModelVersion.objects.filter(status=Status.ACTIVE):
        open_published_artifact(name=version.artifact, checksum=version.checksum)
        if version.refresh:
            open_published_artifact(name=version.refresh, checksum=version.refresh_checksum)


def get_serving_name(version: ModelVersion) -> str:
    """Return the name that workers compare: the version or its latest incremental update."""
    return version.refresh or version.version


def promote_version(
    *, version: ModelVersion, at: datetime, reasons: Sequence[dict[str, Any]] = (), why: str = ""
) -> ModelVersion:
    """Make ``version`` the active one of its scenario and retire the previous one.

    `reasons` are codes and values of a training, `why` is a user's comment; both are replaced. A version whose last incremental update was
    deleted while it was retired serves as it was trained.

    Raises:
        DamagedArtifactError: the folder is not what was saved; the active version stays.
    """
    # Before the transaction, because reading every array may take seconds and the rows would be locked meanwhile.
    open_published_artifact(name=version.artifact, checksum=version.checksum, verify_arrays=True)
    clear_missing_refresh(version)
    with transaction.atomic():
        # The old version is retired first: a constraint allows one active version per scenario.
        scenario = ModelVersion.objects.select_for_update().filter(scenario=version.scenario)
        for active in scenario.filter(status=Status.ACTIVE).exclude(pk=version.pk):
            active.status = Status.RETIRED
            active.save(update_fields=["status"])
        version.status = Status.ACTIVE
        version.reasons, version.why = list(reasons), why
        version.activated_at = at
        version.save(update_fields=["status", "reasons", "why", "activated_at"])
        # After the commit: workers read the version as soon as they see its name.
        transaction.on_commit(lambda: announce_promotion(version))
    return version


def clear_missing_refresh(version: ModelVersion) -> None:
    """Forget the incremental update of a version if its folder no longer exists: trainings keep only those of the active version."""
    if version.refresh:
        try:
            open_published_artifact(name=version.refresh, checksum=version.refresh_checksum)
        except DamagedArtifactError as error:
            logger.info("%s is promoted without its last incremental update: %s", version.version, error)
            version.refresh, version.refresh_checksum, version.refreshed_at = "", "", None
            version.save(update_fields=["refresh", "refresh_checksum", "refreshed_at"])


def announce_promotion(version: ModelVersion) -> None:
    """Publish the version to the workers, and queue a refresh that adds the events since its training or last refresh."""
    announce_active_version(scenario=version.scenario, version=get_serving_name(version))
    try:
        current_app.send_task(REFRESH_TASK, retry=False)
    except OperationalError as error:
        logger.warning("%s will be refreshed by the next scheduled job: %s", version.version, error)


def roll_back_version(
    *, scenario: str, at: datetime, reasons: Sequence[dict[str, Any]] = (), why: str = ""
) -> ModelVersion:
    """Return to the previously active version; the current one is marked as rejected.

    Raises:
        NothingToRollBackError: no retired version was ever active.
    """
    versions = ModelVersion.objects.filter(scenario=scenario)
    earlier = versions.filter(status=Status.RETIRED).exclude(activated_at=None).order_by("-activated_at").first()
    if earlier is None:
        raise NothingToRollBackError(scenario)
    with transaction.atomic():
        rolled_back = versions.filter(status=Status.ACTIVE).first()
        promote_version(version=earlier, reasons=reasons, why=why, at=at)
        if rolled_back is not None:
            rolled_back.status, rolled_back.reasons, rolled_back.why = Status.REJECTED, list(reasons), why
            rolled_back.save(update_fields=["status", "reasons", "why"])
    return earlier


def announce_active_version(*, scenario: str, version: str) -> None:
    """Publish the name from `get_serving_name` to the workers.

    Without Valkey, they read it from the database instead.
    """
    try:
        with open_valkey(settings.VALKEY_URL, socket_timeout=2, socket_connect_timeout=2) as valkey:
            valkey.hset(ACTIVE_MODELS_KEY, scenario, version)
    except redis.RedisError as error:
        logger.warning("The new active version of %s could not be published in Valkey: %s", scenario, error)
