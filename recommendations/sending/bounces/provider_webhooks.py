"""Records reports of email providers, which django-anymail receives at /anymail/<provider>/tracking/ after checking their secret."""

from typing import Any

from django.utils import timezone

from recommendations.sending.bounces.feedback import Feedback, Kind, record_feedback

KINDS = {
    "delivered": Kind.DELIVERED,
    "bounced": Kind.HARD_BOUNCE,
    "rejected": Kind.HARD_BOUNCE,
    "deferred": Kind.SOFT_BOUNCE,
    "complained": Kind.COMPLAINT,
    "unsubscribed": Kind.UNSUBSCRIBE,
}
SOFT_REASONS = ("timed_out", "other", "blocked", "spam")


def receive_tracking_event(event: Any, **_kwargs: Any) -> None:
    """Record an event of anymail's signal `tracking`; opens and clicks are ignored, because we count them ourselves."""
    kind = KINDS.get(event.event_type)
    token = str((event.metadata or {}).get("delivery", ""))
    if kind is None or not token:
        return
    if event.event_type == "bounced" and event.reject_reason in SOFT_REASONS:
        kind = Kind.SOFT_BOUNCE
    record_feedback(
        Feedback(
            kind,
            token,
            event.recipient or "",
            min(event.timestamp or timezone.now(), timezone.now()),
            str(event.mta_response or event.description or event.reject_reason or ""),
            str(event.event_id or event.event_type)[:40],
        ),
        source=f"provider {event.esp_event.get('provider', '')}".strip()
        if isinstance(event.esp_event, dict)
        else "provider",
    )
