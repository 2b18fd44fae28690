"""Receives webhooks: checks the signature, and stores each once. They are processed by a worker, so the answer takes milliseconds."""

from collections.abc import Mapping
from datetime import datetime

import msgspec
from django.utils import timezone

from customers.connectors.models import ReceivedWebhook, ShopConnection
from customers.connectors.platforms.base import WebhookNotice
from customers.connectors.platforms.shopify import UNINSTALLED
from customers.connectors.sync.access import open_connector
from customers.privacy.shopify.webhooks import TOPICS as PRIVACY_TOPICS
from customers.privacy.shopify.webhooks import ShopifyPayload, receive_payload

MAX_DELIVERY_ID = 300


class WrongSignatureError(Exception):
    """The body is not signed with the secret of the shop."""


def receive(connection: ShopConnection, headers: Mapping[str, str], body: bytes, *, at: datetime | None = None) -> str:
    """Store a webhook and return what happened to it: "stored", "repeated" or "ignored".

    Raises:
        WrongSignatureError: someone else has sent it.
        ValueError: the body is not valid.
    """
    at = at or timezone.now()
    connector = open_connector(connection)
    if not connector.is_genuine(headers, body):
        raise WrongSignatureError
    notice = connector.read_notice(headers, body)
    if notice is None:
        return "ignored"
    if notice.topic in PRIVACY_TOPICS:
        payload = msgspec.json.decode(body, type=ShopifyPayload)
        receive_payload(topic=notice.topic, payload=payload, body=body, now=at)
        return "stored"
    if notice.topic == UNINSTALLED:
        ShopConnection.objects.filter(pk=connection.pk).update(is_enabled=False, webhooks={}, next_run_at=None)
        return "stored"
    return store_notice(connection, notice, body, at=at)


def store_notice(connection: ShopConnection, notice: WebhookNotice, body: bytes, *, at: datetime) -> str:
    """Insert a webhook unless it is known."""
    row = ReceivedWebhook(
        connection=connection,
        delivery_id=notice.delivery_id[:MAX_DELIVERY_ID],
        topic=notice.topic[:100],
        kind=notice.kind,
        external_id=notice.external_id[:200],
        is_deletion=notice.is_deletion,
        changed_at=notice.changed_at,
        received_at=at,
        content=body.decode() if notice.has_record else "",
        next_attempt_at=at,
    )
    known = ReceivedWebhook.objects.filter(connection=connection, delivery_id=row.delivery_id)
    if known.exists():
        return "repeated"
    ReceivedWebhook.objects.bulk_create([row], ignore_conflicts=True)
    return "stored"
