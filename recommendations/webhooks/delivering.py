"""Delivers notifications: signed, to checked addresses only, repeated with growing pauses, given up after ten attempts."""

import http.client
import json
import time
from datetime import datetime, timedelta
from functools import partial
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import F

from config.foundation.circuit_breakers.breaker import CircuitBreaker
from config.foundation.http.call_limit import limit_call
from config.foundation.http.public_connection import ForbiddenAddressError, connect
from config.foundation.progress import is_worker_stopping
from recommendations.sending.channels.webhook import sign_webhook
from recommendations.webhooks.models import WebhookNotification

Status = WebhookNotification.Status
# pauses after each failed attempt; the last one is followed by giving up
PAUSES = (5, 30, 120, 600, 1800, 3600, 6 * 3600, 12 * 3600, 24 * 3600)
TIMEOUT_SECONDS = 5.0  # of each wait
TOTAL_SECONDS = 10.0
OPEN_WAIT = timedelta(seconds=30)  # until an endpoint whose breaker is open, or whose budget is empty, is tried again
CHUNK = 200
OK_STATUSES = range(200, 300)


def deliver_due(*, now: datetime, limit: int = CHUNK) -> int:
    """Deliver the notifications that are due; return how many were accepted. A notification can arrive several times, so receivers check its ID.

    After a failure, the next notifications are read without those of the endpoint: however many of them wait, the others are delivered.
    """
    due = WebhookNotification.objects.filter(
        status=Status.PENDING, next_attempt_at__lte=now, endpoint__is_active=True
    ).select_related("endpoint")
    failed_endpoints: set[int] = set()
    left, delivered = limit, 0
    while left > 0:
        for notification in due.exclude(endpoint__in=failed_endpoints).order_by("next_attempt_at", "id")[:left]:
            left -= 1
            if not deliver(notification, now=now):
                failed_endpoints.add(notification.endpoint_id)
                break
            delivered += 1
        else:
            break
    return delivered


def deliver(notification: WebhookNotification, *, now: datetime) -> bool:
    """Try to deliver a notification, or postpone those of its endpoint if it may not be called now; return whether it was accepted."""
    breaker = CircuitBreaker(name_endpoint(notification.endpoint.url))
    if not may_post(breaker, is_retry=bool(notification.attempts)):
        postpone(notification, now=now)
        return False
    error = post(notification, now=now)
    record_outcome(breaker, error)
    record_attempt(notification, error=error, now=now)
    return not error


def deliver_until(*, now: datetime, seconds: float) -> int:
    """Deliver what is due for about ``seconds``; return how many notifications were accepted."""
    started, delivered = time.monotonic(), 0
    while not is_worker_stopping() and (elapsed := time.monotonic() - started) < seconds:
        accepted = deliver_due(now=now + timedelta(seconds=elapsed))
        delivered += accepted
        if not accepted:
            break
    return delivered


def post(notification: WebhookNotification, *, now: datetime) -> str:
    """Send one notification; return the error, or "" if the endpoint accepted it."""
    endpoint, identifier = notification.endpoint, f"evt_{notification.pk}"
    body = json.dumps(
        {
            "id": identifier,
            "type": notification.type,
            "created_at": notification.created_at.isoformat(),
            "data": notification.payload,
        },
        ensure_ascii=False,
    ).encode()
    timestamp = str(int(now.timestamp()))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Perennial",
        "webhook-id": identifier,
        "webhook-timestamp": timestamp,
        "webhook-signature": sign_webhook(endpoint.secret, identifier, timestamp, body),
    }
    parts = urlsplit(endpoint.url)
    try:
        link = connect(parts, private_hosts=frozenset(settings.WEBHOOK_PRIVATE_HOSTS), timeout=TIMEOUT_SECONDS)
        try:
            target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
            with limit_call(partial(getattr, link, "sock", None), seconds=TOTAL_SECONDS):
                link.request("POST", target, body=body, headers=headers)
                status = link.getresponse().status
        finally:
            link.close()
    except (ForbiddenAddressError, OSError, http.client.HTTPException, ValueError) as error:
        return str(error)[:300] or type(error).__name__
    return "" if status in OK_STATUSES else f"HTTP {status}"


def name_endpoint(url: str) -> str:
    """Return the name of an endpoint's breaker; endpoints of one server share it."""
    parts = urlsplit(url)
    return f"webhook:{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def may_post(breaker: CircuitBreaker, *, is_retry: bool) -> bool:
    """Return whether a notification may go out now; a retry takes from the budget, a first attempt fills it."""
    permission = breaker.find_permission()
    if permission == "no":
        return False
    if not is_retry:
        breaker.record_first_attempt()
        return True
    return permission == "probe" or breaker.may_retry()


def record_outcome(breaker: CircuitBreaker, error: str) -> None:
    """Count only failures of the server; one that refuses a notification (HTTP 4xx) has not failed."""
    if error and not error.startswith("HTTP 4"):
        breaker.record_failure(error)
    else:
        breaker.record_success()


def postpone(notification: WebhookNotification, *, now: datetime) -> None:
    """Postpone the due notifications of an endpoint, without counting an attempt."""
    WebhookNotification.objects.filter(
        endpoint=notification.endpoint_id, status=Status.PENDING, next_attempt_at__lt=now + OPEN_WAIT
    ).update(next_attempt_at=now + OPEN_WAIT)


def record_attempt(notification: WebhookNotification, *, error: str, now: datetime) -> None:
    notification.attempts += 1
    notification.error = error
    if not error:
        notification.status, notification.delivered_at = Status.DELIVERED, now
    elif notification.attempts > len(PAUSES):
        notification.status = Status.DEAD
    else:
        notification.next_attempt_at = now + timedelta(seconds=PAUSES[notification.attempts - 1])
    notification.save(update_fields=["attempts", "error", "status", "delivered_at", "next_attempt_at"])


def retry_dead(*, endpoint_id: int, now: datetime) -> int:
    """Give the notifications of an endpoint that were given up another series of attempts; return their number."""
    return WebhookNotification.objects.filter(endpoint=endpoint_id, status=Status.DEAD).update(
        status=Status.PENDING, attempts=0, next_attempt_at=now, error=F("error")
    )
