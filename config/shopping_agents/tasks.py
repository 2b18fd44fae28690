"""Background tasks of the catalog for shopping agents."""

from celery import shared_task
from django.utils import timezone

from config.shopping_agents.feed.building import build_feed


@shared_task(exclusive=True, quiet=True)
def build_agent_feed() -> int:
    """Publish a new product feed if the catalog has changed."""
    return build_feed(now=timezone.now()).products
