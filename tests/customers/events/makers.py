"""Makers of stored events and rejected events, without the collector."""

import json
from datetime import datetime
from itertools import count
from typing import Any

from django.contrib.auth.models import Group, User
from django.test import Client

from customers.events.models import Event, RejectedEvent, Source
from tests.makers import NOON, make_source

numbers = count(1)


def make_event(source: Source | None = None, *, at: datetime = NOON, **fields: Any) -> Event:
    fields = {
        "type": Event.Type.TRACK,
        "name": "Product Viewed",
        "user_id": "u1",
        "message_id": f"m{next(numbers)}",
        "occurred_at": at,
        **fields,
    }
    return Event.objects.create(source=source or make_source(), received_at=at, **fields)


def make_rejected_event(
    payload: Any = None, *, source: Source | None = None, at: datetime = NOON, **fields: Any
) -> RejectedEvent:
    """Create a rejected event; the default payload has no user id."""
    payload = {"type": "track", "event": "Shop Opened", "messageId": "m-wrong"} if payload is None else payload
    text = payload if isinstance(payload, str) else json.dumps(payload)
    fields = {"code": "missing_identity", "reason": "Neither userId nor anonymousId is set.", **fields}
    return RejectedEvent.objects.create(source=source or make_source(), received_at=at, payload=text, **fields)


def log_in_as(role: str, *, language: str = "en") -> Client:
    """Return a browser that is logged in with a role."""
    user, is_new = User.objects.get_or_create(username=role, defaults={"is_staff": True})
    if is_new:
        user.groups.add(Group.objects.get(name=role))
    client = Client(headers={"accept-language": language})
    client.force_login(user)
    return client
