"""Sends the queued messages of a simulated campaign with the real sender, to a mail server that keeps nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.test.utils import override_settings

from config.campaign_simulation.smtp_sink import run_smtp_sink
from recommendations.sending.channels.email import SMTP_BACKEND
from recommendations.sending.models import Delivery
from recommendations.sending.sender import send_due

SEND_SECONDS = 3600.0


class OtherMessagesWaitError(Exception):
    """Real messages are due; the sender would send them to the sink."""


@contextmanager
def send_to_sink() -> Iterator[None]:
    """Let this process send its emails to a sink on this machine, whatever the shop has set."""
    with run_smtp_sink() as port:
        settings: dict[str, Any] = {
            "DEMO": False,  # otherwise the outbox would fill
            "EMAIL_BACKEND": SMTP_BACKEND,
            "EMAIL_HOST": "127.0.0.1",
            "EMAIL_PORT": port,
            "EMAIL_USE_TLS": False,
            "EMAIL_USE_SSL": False,
            "EMAIL_HOST_USER": "",
            "EMAIL_HOST_PASSWORD": "",
        }
        with override_settings(**settings):
            yield


@contextmanager
def isolate_sending() -> Iterator[None]:
    """Open the transaction in which a campaign is launched and sent.

    The workers of the shop never see its messages, and the repeatable snapshot hides messages that others queue in the meantime
    from this process.

    Raises:
        OtherMessagesWaitError: real messages are already waiting.
    """
    is_outermost = not connection.in_atomic_block
    with transaction.atomic():
        if is_outermost:  # a test has a transaction of its own
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        if waiting := Delivery.objects.filter(status__in=["pending", "sending"]).count():
            raise OtherMessagesWaitError(
                f"{waiting} messages are waiting to be sent. Let the shop send them first, or pause their campaigns."
            )
        yield


def send_all(*, now: datetime) -> None:
    send_due(now=now, seconds=SEND_SECONDS)
