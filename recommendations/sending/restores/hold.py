"""Holds sending after a restore of a backup, until a user decides about the messages that were due since the backup.

Campaigns and flows go on meanwhile and queue their messages, so nothing is lost; only the sender waits.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from django.utils import timezone

from config.foundation.audit_log import record_action
from recommendations.messaging.coupons.claims import set_codes_aside
from recommendations.sending.changes import announce
from recommendations.sending.models import OriginKind, SendingHold
from recommendations.sending.tracking.origin_keys import find_origin_keys

logger = logging.getLogger(__name__)
HOLD_ID = 1
UPDATE_ROWS = 20_000
# Those who wait for the winner of an A/B test have no part in it if the test's messages are canceled. Of paused campaigns, nothing was sent.
# a message of a flow has an origin of its own, a campaign's run is one
SELECT_WAITING = """
SELECT origin_kind, CASE WHEN origin_kind = 'campaign' THEN origin_id ELSE 0 END AS origin, count(*), min(due_at)
FROM sending_delivery WHERE status = 'pending' AND (NOT is_paused OR test_part = 'waiting') AND due_at <= %s
GROUP BY 1, 2 ORDER BY 1, 2
"""
CANCEL_DUE = """
UPDATE sending_delivery SET status = 'canceled', skip_reason = 'canceled'
WHERE id IN (
    SELECT id FROM sending_delivery WHERE status = 'pending' AND (NOT is_paused OR test_part = 'waiting') AND due_at <= %s
    ORDER BY priority, due_at, id LIMIT %s FOR UPDATE
)
RETURNING id
"""

type MessageQueuer = Callable[[datetime], object]
_queuers: list[MessageQueuer] = []


class NotHeldError(Exception):
    """Sending is not held."""


@dataclass(frozen=True)
class WaitingMessages:
    """Messages of one campaign run, of all flows or of another kind of origin. key: of the campaign, or empty."""

    origin_kind: str
    key: str
    count: int
    due_at: datetime

    @property
    def label(self) -> str:
        """Return the kind of the origin, and the key of a campaign."""
        return f"{OriginKind(self.origin_kind).label} {self.key}".strip()


def register_message_queuer(queue_due: MessageQueuer) -> None:
    """Register the function of a higher-level package that queues all messages that are due at a moment."""
    _queuers.append(queue_due)


def hold_sending(*, backup_at: datetime, restored_at: datetime) -> None:
    """Hold sending from now on, because the messages that were due since the backup may have been sent before the loss."""
    SendingHold.objects.update_or_create(
        pk=HOLD_ID, defaults={"backup_at": backup_at, "restored_at": restored_at, "cancels_due": False}
    )


def find_hold() -> SendingHold | None:
    return SendingHold.objects.filter(pk=HOLD_ID).first()


def list_waiting_messages(*, until: datetime) -> list[WaitingMessages]:
    """Return the queued messages that are due at a moment, by campaign and other origin."""
    with connection.cursor() as cursor:
        cursor.execute(SELECT_WAITING, [until])
        rows = cursor.fetchall()
    keys = find_origin_keys((kind, origin) for kind, origin, _count, _due_at in rows if origin)
    return [WaitingMessages(kind, keys.get((kind, origin), ""), count, due_at) for kind, origin, count, due_at in rows]


def resume_sending(*, cancel_due: bool, codes_per_pool: int = 0) -> None:
    """Resume sending after a restore.

    cancel_due: do not send the messages that were due before the restore; the sender cancels them before it sends others.
    codes_per_pool: how many free codes of each coupon pool are not given to customers, because others may have them already.

    Raises:
        NotHeldError
    """
    with transaction.atomic():
        hold = SendingHold.objects.select_for_update().filter(pk=HOLD_ID, cancels_due=False).first()
        if hold is None:
            raise NotHeldError
        if codes_per_pool:
            set_codes_aside(count=codes_per_pool, now=timezone.now())
        record_action(
            "sending.resumed", model=SendingHold, details={"canceled": cancel_due, "codes_per_pool": codes_per_pool}
        )
        if cancel_due:
            hold.cancels_due = True
            hold.save(update_fields=["cancels_due"])
        else:
            hold.delete()


def is_sending_held() -> bool:
    """Return whether the sender must wait; if a user has resumed sending, first cancel what was due before the restore."""
    hold = find_hold()
    if hold is None:
        return False
    if not hold.cancels_due:
        return True
    for queue_due in _queuers:
        try:
            queue_due(hold.restored_at)
        except (
            Exception
        ):  # such as a step of a flow that fails on every attempt, which must not hold all other messages
            logger.exception("Messages that were due before the restore cannot be queued.")
    while cancel_due_messages(until=hold.restored_at) == UPDATE_ROWS:
        pass
    hold.delete()
    return False


def cancel_due_messages(*, until: datetime) -> int:
    """Cancel some of the messages that were due at a moment; return how many."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(CANCEL_DUE, [until, UPDATE_ROWS])
        ids = [delivery_id for (delivery_id,) in cursor.fetchall()]
        announce([(delivery_id, "canceled") for delivery_id in ids], at=timezone.now())
    return len(ids)
