"""Stops the tasks of canceled campaigns and flows that employees have not confirmed.

https://developer.work.weixin.qq.com/document/path/97611 (of 2025-11-17): what employees have sent already cannot be recalled.
"""

import json
import logging
from datetime import datetime, timedelta

from django.db import connection

from recommendations.sending.changes import announce, begin_announcing
from recommendations.sending.channels.accounts import find_account
from recommendations.sending.tracking.storing import store_events
from recommendations.sending.wecom.api import WeComError, call
from recommendations.sending.wecom.results import ASKED_DAYS, ask_about_task

logger = logging.getLogger(__name__)
TASKS_OF_RUN = 200

# A task is not stopped if it is shared with campaigns that are not canceled, because they had the same text. In random order, so that
# tasks that WeCom refuses to stop do not keep the others waiting.
FIND_CANCELED_TASKS = """
SELECT d.provider_id, jsonb_object_agg(coalesce(c.traits ->> 'wecom_external_userid', ''), d.id)
FROM sending_delivery d
LEFT JOIN sending_originstate s ON s.origin_kind = d.origin_kind AND s.origin_id = d.origin_id
LEFT JOIN identity_customer c ON c.id = d.customer_id
WHERE d.channel = 'wecom' AND d.status = 'sent' AND d.sent_at > %s AND d.provider_id <> ''
GROUP BY d.provider_id HAVING bool_and(coalesce(s.state = 'canceled', false))
ORDER BY random() LIMIT %s
"""
# `sent_at` is emptied, because nobody got the message: it must not count in any figure or cap.
WRITE_CANCELED = """
UPDATE sending_delivery SET status = 'canceled', skip_reason = 'canceled', sent_at = NULL, claimed_at = NULL
WHERE id = ANY(%s) AND status = 'sent' RETURNING id
"""


def stop_canceled_tasks(*, now: datetime) -> int:
    """Stop tasks of canceled origins; return how many messages nobody will get. A run that is killed is repeated by the next one."""
    account = find_account("wecom")
    if account is None or account.provider != "wecom":
        return 0
    with connection.cursor() as cursor:
        cursor.execute(FIND_CANCELED_TASKS, [now - timedelta(days=ASKED_DAYS), TASKS_OF_RUN])
        rows = cursor.fetchall()
    stopped = 0
    for task, found in rows:
        deliveries: dict[str, int] = json.loads(found) if isinstance(found, str) else found
        try:
            call(account, "cancel_groupmsg_send", {"msgid": task})
            store_events(
                ask_about_task(account, task, deliveries, now=now)
            )  # what was sent before the task was stopped
        except WeComError as error:
            logger.warning("WeCom's task %s could not be stopped: %s", task, error)
            continue
        stopped += write_canceled(list(deliveries.values()), now=now)
    return stopped


def write_canceled(delivery_ids: list[int], *, now: datetime) -> int:
    """Record that the messages which are still not confirmed are canceled; return how many."""
    with begin_announcing(), connection.cursor() as cursor:
        cursor.execute(WRITE_CANCELED, [delivery_ids])
        ids = [row[0] for row in cursor.fetchall()]
        announce([(delivery_id, "canceled") for delivery_id in ids], at=now)
    return len(ids)
