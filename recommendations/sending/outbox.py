"""The outbox: where messages go in demo mode, and without a mail server or provider."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from config.foundation.shop.profile import get_shop
from recommendations.sending.channels.base import OutgoingMessage
from recommendations.sending.email_format import build_headers
from recommendations.sending.models import OutboxMessage
from recommendations.sending.recording import write_results
from recommendations.sending.transport.journal import SendResult


def store_in_outbox(messages: Sequence[OutgoingMessage], *, now: datetime) -> None:
    """Store messages and record them as sent, in one transaction."""
    shop = get_shop()
    rows = [
        OutboxMessage(
            delivery_id=message.delivery_id or None,
            customer_id=message.customer_id,
            channel=message.channel,
            recipient=message.recipient,
            subject=message.subject,
            headers=build_headers(message, shop=shop) if message.channel == "email" else {},
            html=message.html,
            text=message.text,
            created_at=now,
        )
        for message in messages
    ]
    for row in rows:
        row.headers.pop("To", None)  # the recipient is encrypted
    with transaction.atomic():
        OutboxMessage.objects.bulk_create(rows, ignore_conflicts=True)
        write_results([SendResult(message.delivery_id, message.attempt, "sent") for message in messages], now=now)
