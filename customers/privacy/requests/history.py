"""Adds steps to the history of a request, with who did them."""

from datetime import datetime
from typing import Any

from config.foundation.audit_log.actors import find_actor
from customers.privacy.models import PrivacyRequest, PrivacyRequestEntry

Step = PrivacyRequestEntry.Step
CUSTOMER = "customer"


def record_step(
    request: PrivacyRequest, step: str, *, at: datetime, actor: str = "", details: dict[str, Any] | None = None
) -> PrivacyRequestEntry:
    """Add a step. actor: who did it, if it is not the caller of the current request. details: without personal data."""
    return PrivacyRequestEntry.objects.create(
        request=request, step=step, at=at, actor=(actor or describe_actor())[:200], details=details or {}
    )


def describe_actor() -> str:
    """Return who acts now: the user or key by name, a command or job by its kind and name."""
    actor = find_actor()
    if actor.kind == "anonymous":
        return CUSTOMER
    return actor.name if actor.kind == "user" else f"{actor.kind}: {actor.name}"
