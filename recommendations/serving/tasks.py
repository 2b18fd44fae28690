"""Scheduled tasks of serving."""

from celery import shared_task
from django.utils import timezone

from config.foundation.database import partitions
from recommendations.serving import kernel_compilation
from recommendations.serving.impressions import attribution, position_bias, retention, store
from recommendations.serving.search.order.learning import learn_search_order as learn_order
from recommendations.serving.search.queries.query_learning import learn_shop_queries

MAX_STORE_SECONDS = 20.0  # after this long a run frees its worker; the next run continues


@shared_task(exclusive=True, quiet=True)
def store_impressions() -> None:
    """Store waiting impressions.

    Scheduled every two seconds, and skipped silently while an earlier run is still working.
    """
    store.store_impressions(at=timezone.now(), seconds=MAX_STORE_SECONDS)


@shared_task(exclusive=True)
def compile_kernels() -> None:
    """Compile the kernels of profiles, training and serving while a new shop is imported. Cached kernels are only loaded."""
    kernel_compilation.compile_kernels()


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
    """Learn how much popularity and the customer's taste count among equally good matches; return whether the result is served."""
    return learn_order(at=timezone.now()).is_served


@shared_task(exclusive=True)
def tidy_impressions() -> None:
    """Create the partitions of the coming months; old impressions are deleted with all other old data."""
    partitions.ensure_partitions(as_of=timezone.now(), of=retention.IMPRESSION_PARTITIONS)
