"""Scheduled tasks of experiments."""

from datetime import UTC, datetime

from celery import shared_task

from recommendations.experiments.methods.bandit import update_allocations


@shared_task(exclusive=True)
def update_bandits() -> None:
    """Choose the shares of running bandits from what was ordered so far."""
    update_allocations(at=datetime.now(UTC))
