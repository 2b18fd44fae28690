"""Asks WeCom which tasks employees have confirmed, and for the status of each message.

https://developer.work.weixin.qq.com/document/path/93338 and, for applications of service providers, /96355 (of 2023-12-08).
"""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from recommendations.sending.channels.accounts import Account, find_account
from recommendations.sending.models import DeliveryEvent
from recommendations.sending.tracking.storing import FeedbackEvent, store_events
from recommendations.sending.wecom.api import WeComError, call

logger = logging.getLogger(__name__)
Kind = DeliveryEvent.Kind
ASKED_DAYS = 14  # a task that nobody confirmed by then stays “sent”, that is, given to the employee
TASKS_OF_RUN = 500
PAGE = 1000
TASK_CONFIRMED = 2
SENT, NO_FRIEND, LIMIT_REACHED = 1, 2, 3
REASONS = {
    NO_FRIEND: "The contact is no longer a customer of the employee.",
    LIMIT_REACHED: "The contact had already received as many group messages as WeCom allows.",
}

# In random order, so that every task has its turn, even if there are more than a run asks about, without storing when it was asked about.
FIND_OPEN_TASKS = """
SELECT d.provider_id, jsonb_object_agg(coalesce(c.traits ->> 'wecom_external_userid', ''), d.id)
FROM sending_delivery d LEFT JOIN identity_customer c ON c.id = d.customer_id
WHERE d.channel = 'wecom' AND d.status = 'sent' AND d.sent_at > %s AND d.provider_id <> ''
GROUP BY d.provider_id ORDER BY random() LIMIT %s
"""


def read_wecom_results(*, now: datetime) -> int:
    """Record what happened to messages whose task an employee has confirmed; return how many are new. Reports are recorded once."""
    account = find_account("wecom")
    if account is None or account.provider != "wecom":
        return 0
    events: list[FeedbackEvent] = []
    try:
        for task, deliveries in find_open_tasks(now=now):
            events += ask_about_task(account, task, deliveries, now=now)
    except WeComError as error:  # too many calls, or no answer: the next run continues
        logger.warning("WeCom's results could not be read: %s", error)
    store_events(events)
    return len(events)


def find_open_tasks(*, now: datetime) -> list[tuple[str, dict[str, int]]]:
    """Return tasks with messages whose result is not known, each with the deliveries by contact."""
    with connection.cursor() as cursor:
        cursor.execute(FIND_OPEN_TASKS, [now - timedelta(days=ASKED_DAYS), TASKS_OF_RUN])
        rows = cursor.fetchall()
    return [(task, json.loads(found) if isinstance(found, str) else found) for task, found in rows]


def ask_about_task(account: Account, task: str, deliveries: dict[str, int], *, now: datetime) -> list[FeedbackEvent]:
    """Return what is known about the messages of a task; nothing while no employee has confirmed it."""
    events: list[FeedbackEvent] = []
    for employee in list_pages(account, "get_groupmsg_task", {"msgid": task}, "task_list"):
        if employee.get("status") == TASK_CONFIRMED:
            body = {"msgid": task, "userid": str(employee.get("userid", ""))}
            for row in list_pages(account, "get_groupmsg_send_result", body, "send_list"):
                delivery_id = deliveries.get(str(row.get("external_userid", "")))
                event = build_event(row, delivery_id, now=now) if delivery_id is not None else None
                events += [event] if event is not None else []
    return events


def build_event(row: dict[str, Any], delivery_id: int, *, now: datetime) -> FeedbackEvent | None:
    """Return the report about one contact; None while the message waits."""
    status, sent_at = row.get("status"), row.get("send_time")
    if status == SENT:
        at = datetime.fromtimestamp(sent_at, UTC) if isinstance(sent_at, int) and sent_at > 0 else now
        return FeedbackEvent(f"wecom:{delivery_id}:sent", delivery_id, Kind.DELIVERED, min(at, now))
    if status in REASONS:
        return FeedbackEvent(
            f"wecom:{delivery_id}:{status}", delivery_id, Kind.HARD_BOUNCE, now, detail=REASONS[status]
        )
    return None


def list_pages(account: Account, path: str, body: dict[str, str], name: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of all pages of an answer. Raises WeComError."""
    cursor, seen = "", set[str]()
    while cursor not in seen:
        seen.add(cursor)
        answer = call(account, path, {**body, "limit": PAGE, "cursor": cursor})
        yield from (row for row in answer.get(name) or [] if isinstance(row, dict))
        cursor = str(answer.get("next_cursor") or "")
