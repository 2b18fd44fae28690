"""Training on a schedule, and when somebody asks for it."""

import logging

from celery import shared_task
from django.utils import timezone

from recommendations.training.data.extract import NothingToTrainOnError
from recommendations.training.registry.incremental_update import NothingToRefreshError, refresh
from recommendations.training.runs import TrainingCancelledError
from recommendations.training.train import train

logger = logging.getLogger(__name__)


@shared_task(exclusive=True)
def train_nightly() -> str:
    """Everything anew. A cancelled training is nothing to report: its run says so."""
    now = timezone.now()
    try:
        return train(as_of=now, started_at=now).version
    except TrainingCancelledError as cancelled:
        logger.info("%s", cancelled)
        return ""


@shared_task(exclusive=True, quiet=True)
def refresh_model() -> str:
    """Every quarter of an hour: what has happened since, for the model that serves."""
    try:
        return refresh(as_of=timezone.now()).refresh
    except (NothingToRefreshError, NothingToTrainOnError) as nothing:
        logger.info("%s", nothing)
        return ""
