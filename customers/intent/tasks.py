"""Scheduled tasks of behavior prediction."""

from celery import shared_task
from django.utils import timezone

from customers.intent import training


@shared_task(exclusive=True)
def train_predictions() -> str:
    """Train the behavior predictions, every night; return why there is no model."""
    return training.train_predictions(as_of=timezone.now()).problem
