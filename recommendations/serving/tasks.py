"""Scheduled tasks of serving."""

from datetime import timedelta

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from config.foundation.database import partitions
from recommendations.serving.impressions import attribution, position_bias, retention, store
from recommendations.serving.search.order.learning import learn_search_order as learn_order
from recommendations.serving.search.queries.query_learning import learn_shop_queries

MAX_STORE_SECONDS = 20.0  # after this long a run frees its worker; the next run continues
RUN_RETENTION_DAYS = 60


@shared_task(exclusive=True, quiet=True)
def store_impressions() -> None:
    """Store waiting impressions.

    Scheduled every two seconds, and skipped silently while an earlier run is still working.
    """
    store.store_impressions(at=timezone.now(), seconds=MAX_STORE_SECONDS)


@shared_task(exclusive=True)
def count_performance() -> None:
    attribution.count_performance(at=timezone.now())


@shared_task(exclusive=True)
def learn_position_bias() -> None:
    position_bias.learn_position_bias(at=timezone.now())


@shared_task(exclusive=True)
def learn_search_queries() -> int:
    """Learn the queries that complete and correct what visitors type."""
    return learn_shop_queries(at=timezone.now())


@shared_task(exclusive=True)
def learn_search_order() -> bool:
    """Learn how much popularity and taste count among equal matches; return whether the result is served."""
    return learn_order(at=timezone.now()).is_served


@shared_task(exclusive=True)
def tidy_impressions() -> None:
    """Create coming partitions; delete impressions, product figures and run records beyond their retention.

    Identifiers of visitors in ended experiments are removed after the same time.
    """
    now = timezone.now()
    partitions.ensure_partitions(as_of=now, of=retention.IMPRESSION_PARTITIONS)
    retention.purge_impressions(before=now - timedelta(days=settings.IMPRESSION_RETENTION_DAYS))
    retention.forget_experiment_units(before=now - timedelta(days=settings.IMPRESSION_RETENTION_DAYS))
    retention.purge_product_performance(before=(now - timedelta(days=settings.IMPRESSION_RETENTION_DAYS)).date())
    retention.purge_runs(before=now - timedelta(days=RUN_RETENTION_DAYS))
