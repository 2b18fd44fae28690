"""Which version serves: promote one, or go back to the one before; workers notice within two seconds."""

import logging
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import redis
from django.conf import settings
from django.db import transaction

from recommendations.training.models import ModelVersion
from recommendations.training.registry.artifacts import open_artifact

ACTIVE_MODELS_KEY = "active-models"
Status = ModelVersion.Status
logger = logging.getLogger(__name__)


class NothingToRollBackError(Exception):
    """There is no earlier version to return to."""

    def __init__(self, scenario: str) -> None:
        super().__init__(f"No earlier version of {scenario} was ever active: train and promote another one first.")


def artifact_folder(version: ModelVersion) -> Path:
    return settings.MODELS_DIR / version.artifact


def serving_name(version: ModelVersion) -> str:
    """What workers compare: the version, or its newest refresh."""
    return version.refresh or version.version


def promote(
    *, version: ModelVersion, at: datetime, reasons: Sequence[dict[str, Any]] = (), why: str = ""
) -> ModelVersion:
    """Makes ``version`` the active one of its scenario and retires the one before.

    reasons: codes and numbers, of a training; why: what a person said. Whichever is given takes the place of both.

    Raises:
        DamagedArtifactError: its folder is not what was saved; the active version stays.
    """
    open_artifact(folder=artifact_folder(version), checksum=version.checksum, verify_arrays=True)
    with transaction.atomic():
        scenario = ModelVersion.objects.select_for_update().filter(scenario=version.scenario)
        for active in scenario.filter(status=Status.ACTIVE).exclude(pk=version.pk):
            active.status = Status.RETIRED
            active.save(update_fields=["status"])
        version.status = Status.ACTIVE
        version.reasons, version.why = list(reasons), why
        version.activated_at = at
        version.save(update_fields=["status", "reasons", "why", "activated_at"])
        transaction.on_commit(lambda: announce(scenario=version.scenario, version=serving_name(version)))
    return version


def roll_back(*, scenario: str, at: datetime, reasons: Sequence[dict[str, Any]] = (), why: str = "") -> ModelVersion:
    """Returns to the version that was active before the present one, which is marked as rejected.

    Raises:
        NothingToRollBackError: no retired version was ever active.
    """
    versions = ModelVersion.objects.filter(scenario=scenario)
    earlier = versions.filter(status=Status.RETIRED).exclude(activated_at=None).order_by("-activated_at").first()
    if earlier is None:
        raise NothingToRollBackError(scenario)
    with transaction.atomic():
        given_up = versions.filter(status=Status.ACTIVE).first()
        promote(version=earlier, reasons=reasons, why=why, at=at)
        if given_up is not None:
            given_up.status, given_up.reasons, given_up.why = Status.REJECTED, list(reasons), why
            given_up.save(update_fields=["status", "reasons", "why"])
    return earlier


def announce(*, scenario: str, version: str) -> None:
    """Tells the workers the `serving_name`. Without Valkey they find out from the database all the same."""
    try:
        with redis.Redis.from_url(settings.VALKEY_URL, socket_timeout=2, socket_connect_timeout=2) as valkey:
            valkey.hset(ACTIVE_MODELS_KEY, scenario, version)
    except redis.RedisError as error:
        logger.warning("Valkey did not take the new active version of %s: %s", scenario, error)
