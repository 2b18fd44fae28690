"""Celery tasks: the nightly training and the incremental update of the active model."""

import logging
from typing import Any

from celery import shared_task
from celery.worker.control import control_command
from django.conf import settings
from django.utils import timezone

from customers.warehouse.export import export_warehouse
from recommendations.training.data.extract import NoTrainingDataError
from recommendations.training.models import ModelVersion
from recommendations.training.registry.artifact_copies import remove_unused_copies
from recommendations.training.registry.incremental_update import NothingToRefreshError, refresh_active_version
from recommendations.training.runs import TrainingCanceledError
from recommendations.training.train import train

logger = logging.getLogger(__name__)


@shared_task(exclusive=True)
def train_nightly() -> str:
    """Train a new version.

    A cancelled training is not an error: its run records the cancellation. The first training exports the warehouse first: a new
    shop trains right after its import, not after the next nightly export. It is shorter, because someone is waiting for it.
    """
    now, seconds = timezone.now(), None
    if not ModelVersion.objects.exists():
        export_warehouse(started_at=now)
        seconds = float(min(settings.FIRST_TRAINING_SECONDS, settings.TRAINING_SECONDS))
    try:
        return train(as_of=now, started_at=now, seconds=seconds).version
    except TrainingCanceledError as cancelled:
        logger.info("%s", cancelled)
        return ""


@shared_task(exclusive=True, quiet=True)
def refresh_model() -> str:
    """Add the latest activity to the active model, every 15 minutes."""
    try:
        return refresh_active_version(as_of=timezone.now()).refresh
    except (NothingToRefreshError, NoTrainingDataError) as nothing:
        logger.info("%s", nothing)
        return ""


@control_command(args=[("kept", dict)])
def remove_model_copies(_state: Any, kept: dict[str, str]) -> list[str]:
    """Delete the copies of models on the machine of a worker that differ from the store, after an erasure."""
    return remove_unused_copies(kept)
