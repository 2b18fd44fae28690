"""What the schedule starts."""

from datetime import timedelta

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from config.foundation.database import partitions
from recommendations.serving.impressions import attribution, position_bias, retention, store

# a run gives the worker back after this long; the next tick goes on
SECONDS = 20.0
RUN_DAYS = 60


# while a run goes on, ticks find it at work: that is how it is meant
@shared_task(exclusive=True, quiet=True)
def store_impressions() -> None:
    """Every two seconds."""
    store.store_impressions(at=timezone.now(), seconds=SECONDS)


@shared_task(exclusive=True)
def count_performance() -> None:
    attribution.count_performance(at=timezone.now())


@shared_task(exclusive=True)
def learn_position_bias() -> None:
    position_bias.learn_position_bias(at=timezone.now())


@shared_task(exclusive=True)
def tidy_impressions() -> None:
    """The tables of the coming months, and the end of what is older than it may be."""
    now = timezone.now()
    partitions.ensure_partitions(as_of=now, of=retention.IMPRESSION_PARTITIONS)
    retention.purge_impressions(before=now - timedelta(days=settings.IMPRESSION_RETENTION_DAYS))
    retention.purge_runs(before=now - timedelta(days=RUN_DAYS))
