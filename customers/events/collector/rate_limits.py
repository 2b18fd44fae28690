"""Limits what one address may send to the collector through a source that everyone can use."""

from collections.abc import Iterable

from django.conf import settings

from config.foundation.rate_limiter import RateLimiter, RateLimits
from customers.events.collector.envelope import CollectorError

limiter = RateLimiter()


def get_address_limits() -> RateLimits:
    """Return the limits per address and minute."""
    return RateLimits(
        requests=settings.COLLECTOR_REQUESTS_PER_MINUTE,
        bytes=settings.COLLECTOR_BYTES_PER_MINUTE,
        names=settings.COLLECTOR_VISITORS_PER_MINUTE,
    )


def limit_requests(address: str) -> None:
    """Count a request of an address. Errors: CollectorError with status 429 above the limits."""
    _raise_if_limited(limiter.count(address, get_address_limits()))


def limit_content(address: str, *, size: int, visitors: Iterable[str] = ()) -> None:
    """Count the body of a request and its visitors. Errors: CollectorError with status 429 above the limits."""
    _raise_if_limited(limiter.add(address, get_address_limits(), bytes=size, names=visitors))


def _raise_if_limited(seconds: int) -> None:
    if seconds:
        message = f"Too many events from this address; send them again in {seconds} s."
        raise CollectorError(429, "rate_limited", message, retry_after=seconds)
