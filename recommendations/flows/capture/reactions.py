"""Turns opens and clicks of Perennial's own messages into signals, as if the event of a message program had been processed."""

from collections.abc import Sequence
from typing import Any

import msgspec
from django.db import connection

from customers.events.event_taxonomy import EVENT_NAMES
from recommendations.flows.capture.events import INSERT_SIGNALS
from recommendations.flows.models import FlowListener
from recommendations.sending.tracking.signals import MessageReaction


def capture_reactions(*, reactions: Sequence[MessageReaction], **_kwargs: Any) -> None:
    """Write a signal for each reaction that a flow listens for. Receiver of ``reactions_stored``."""
    names = set(FlowListener.objects.filter(kind="event").values_list("name", flat=True).distinct())
    rows = [build_row(reaction) for reaction in reactions if str(reaction.meaning) in names]
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(INSERT_SIGNALS, list(map(list, zip(*rows, strict=True))))


def build_row(reaction: MessageReaction) -> tuple[str, int, str, str, Any, str]:
    """Return the columns of a signal; the URL is one that the shop put into the message, so it is no claim of a browser."""
    properties = {"link_url": reaction.url} if reaction.url else {}
    data = {"name": EVENT_NAMES[reaction.meaning][0], "properties": properties, "is_claim": False}
    occurrence = f"message:{reaction.key}"
    return (
        str(reaction.meaning),
        reaction.customer_id,
        "",
        occurrence,
        reaction.at,
        msgspec.json.encode(data).decode(),
    )
