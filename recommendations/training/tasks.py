"""Training on a schedule."""

from celery import shared_task
from django.utils import timezone

from recommendations.training.train import train


@shared_task(exclusive=True)
def train_nightly() -> str:
    now = timezone.now()
    return train(as_of=now, started_at=now).version
