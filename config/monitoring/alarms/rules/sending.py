"""Alarms about sending: messages that are due but not sent, and coupon pools that run low."""

from collections.abc import Iterator
from datetime import timedelta

from django.db import connection
from django.db.models import F, Q
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from config.foundation.number_formats import format_count, format_duration
from config.monitoring.alarms.registry import AlarmContext, AlarmFinding, AlarmMessage, AlarmRule, Details
from config.monitoring.models import Severity
from recommendations.messaging.models import CouponPool
from recommendations.sending.restores.hold import find_hold, list_waiting_messages

MAX_COUNT = 1000
# A message that waits for its next attempt or for the end of quiet hours has a later due time; an old one means that no worker took the
# message. Each priority is one lookup in the index of due messages.
SELECT_OVERDUE = """
SELECT count(*), min(due_at) FROM (
    SELECT due_at FROM sending_delivery
    WHERE status = 'pending' AND NOT is_paused AND due_at < %s AND (expires_at IS NULL OR expires_at > %s)
    ORDER BY priority, due_at, id LIMIT %s
) waiting
"""


def find_stopped_sending(context: AlarmContext) -> Iterator[AlarmFinding]:
    """Yield how many messages have been due for longer than the threshold and are still pending; none while sending is held."""
    if find_hold() is not None:
        return
    with connection.cursor() as cursor:
        cursor.execute(SELECT_OVERDUE, [context.now - timedelta(minutes=context.threshold), context.now, MAX_COUNT])
        waiting, oldest = cursor.fetchone()
    if waiting:
        yield AlarmFinding(details={"waiting": waiting, "seconds": round((context.now - oldest).total_seconds())})


def describe_stopped_sending(subject: str, details: Details) -> AlarmMessage:
    waiting = int(details.get("waiting", 0))
    title = ngettext(
        "%(count)s message has been due for %(time)s and is not sent",
        "%(count)s messages are due and not sent, the oldest for %(time)s",
        waiting,
    ) % {
        "count": f"{format_count(MAX_COUNT)}+" if waiting >= MAX_COUNT else format_count(waiting),
        "time": format_duration(details.get("seconds", 0)),
    }
    advice = _(
        "Check that the worker for frequent jobs is running and that the last run of “Send messages” did not fail. Then check the channel account."
    )
    return AlarmMessage(title, advice, reverse("jobs:list"))


def find_held_sending(context: AlarmContext) -> Iterator[AlarmFinding]:
    """Yield how many messages wait because a backup was restored."""
    hold = find_hold()
    if hold is not None:
        waiting = sum(messages.count for messages in list_waiting_messages(until=hold.restored_at))
        yield AlarmFinding(details={"waiting": waiting, "backup_at": hold.backup_at.isoformat()})


def describe_held_sending(subject: str, details: Details) -> AlarmMessage:
    waiting = int(details.get("waiting", 0))
    title = ngettext(
        "Sending is held after the restore of a backup: %(count)s message was due before the restore",
        "Sending is held after the restore of a backup: %(count)s messages were due before the restore",
        waiting,
    ) % {"count": format_count(waiting)}
    advice = _(
        "Messages that were due between the backup and the restore may have been sent before the loss. Decide whether to send or cancel "
        "them, and resume sending: on this page or with manage.py resume_sending."
    )
    return AlarmMessage(title, advice, reverse("sending_settings:show"))


def find_low_coupon_pools(context: AlarmContext) -> Iterator[AlarmFinding]:
    """Yield the coupon pools that have fewer codes left than their limit."""
    pools = CouponPool.objects.filter(low_stock__isnull=False, code_count__lt=F("claimed_count") + F("low_stock"))
    valid = pools.filter(Q(expires_at=None) | Q(expires_at__gt=context.now)).order_by("pk")
    for pk, name, codes, claimed in valid.values_list("pk", "name", "code_count", "claimed_count"):
        yield AlarmFinding(subject=str(pk), details={"name": name, "left": codes - claimed})


def describe_low_coupon_pool(subject: str, details: Details) -> AlarmMessage:
    left = int(details.get("left", 0))
    title = ngettext(
        "The coupon pool %(name)s has %(count)s code left", "The coupon pool %(name)s has %(count)s codes left", left
    ) % {"name": details.get("name", ""), "count": format_count(left)}
    advice = _("Messages that need a code are not sent once the pool is used up. Import or generate more codes.")
    return AlarmMessage(title, advice, reverse("message_templates:coupon-pool", args=[int(subject)]))


SENDING_RULES = (
    AlarmRule(
        key="sending_held",
        label=gettext_lazy("Sending is held after the restore of a backup"),
        find=find_held_sending,
        describe=describe_held_sending,
        severity=Severity.CRITICAL,
    ),
    AlarmRule(
        key="sending_stopped",
        label=gettext_lazy("Messages are due and not sent"),
        find=find_stopped_sending,
        describe=describe_stopped_sending,
        severity=Severity.CRITICAL,
        threshold=15,
        unit=gettext_lazy("minutes"),
    ),
    AlarmRule(
        key="coupons_low",
        label=gettext_lazy("A coupon pool is running low"),
        find=find_low_coupon_pools,
        describe=describe_low_coupon_pool,
    ),
)
