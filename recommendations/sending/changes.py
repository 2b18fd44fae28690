"""Announces which messages were sent, skipped or failed, in the transaction of the change, and releases codes of unsent ones."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from django.db import connection, transaction

from recommendations.messaging.coupons.releases import release_codes

FINAL_STATUSES = ("sent", "skipped", "failed", "uncertain", "canceled")
UNSENT_STATUSES = ("skipped", "failed", "canceled")
# The page of a delivery must not show codes that other customers get.
CLEAR_COUPONS = """
UPDATE sending_delivery SET choices = choices - 'coupons' WHERE id = ANY(%s::bigint[]) AND choices ? 'coupons'
"""


class ChangeListener(Protocol):
    """Receives changes of the status of deliveries."""

    def is_listening(self) -> bool:
        """Return whether the changes are needed; cheap, because it is called for every chunk of messages."""

    def receive(self, changes: Sequence[tuple[int, str]], *, at: datetime) -> None:
        """Receive the changes of one statement as pairs of delivery and status."""


_listeners: list[ChangeListener] = []


def register_listener(listener: ChangeListener) -> None:
    _listeners.append(listener)


def begin_announcing() -> AbstractContextManager[None]:
    """Return a transaction for a change and its announcement."""
    return transaction.atomic()


def announce(changes: Sequence[tuple[int, str]], *, at: datetime) -> None:
    """Pass the deliveries that reached a final status to the listeners, and release the coupon codes of those that were not sent."""
    final = [change for change in changes if change[1] in FINAL_STATUSES]
    release_coupons([delivery_id for delivery_id, status in final if status in UNSENT_STATUSES])
    for listener in _listeners:
        if final and listener.is_listening():
            listener.receive(final, at=at)


def release_coupons(delivery_ids: Sequence[int]) -> None:
    """Make the coupon codes of deliveries that will not be sent free again."""
    if released := release_codes(delivery_ids):
        with connection.cursor() as cursor:
            cursor.execute(CLEAR_COUPONS, [list(released)])
