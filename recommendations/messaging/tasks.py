"""Background tasks of messages."""

from celery import shared_task
from django.utils import timezone

from recommendations.messaging.coupons.redemptions import match_redemptions


@shared_task(exclusive=True, quiet=True)
def match_coupons() -> int:
    """Find the orders that redeemed coupon codes."""
    return match_redemptions(now=timezone.now())
