"""Starts what follows the import of a shop's history, until recommendations can be shown.

The steps do not depend on each other, so they run at the same time. No state is kept in memory: which steps were requested is stored with
the run, so a restart continues there.
"""

import logging
from datetime import datetime, timedelta
from typing import Any

from celery import current_app, signature
from django.utils.translation import gettext as _
from kombu.exceptions import OperationalError

from config.foundation.job_runs import JobStatus
from customers.connectors.follow_ups.registry import FollowUp, FollowUpState, list_follow_ups
from customers.connectors.models import ShopRecordKind, SyncRun

logger = logging.getLogger(__name__)
CONTINUE_TASK = "customers.connectors.tasks.synchronize_shops"
PREPARED_WITHIN = timedelta(days=1)
# a task does nothing if the same job is already running for another reason; then it is requested again
REPEAT_AFTER, MAX_REQUESTS = timedelta(minutes=5), 4


def continue_follow_ups(*, at: datetime) -> int:
    """Start the steps after each imported history; return how many histories have a step that is not finished."""
    runs = SyncRun.objects.filter(
        kind=SyncRun.Kind.BACKFILL, status=JobStatus.DONE, prepared_at=None, finished_at__gte=at - PREPARED_WITHIN
    )
    return sum(not continue_preparation(run, at=at) for run in runs.order_by("pk"))


def continue_preparation(run: SyncRun, *, at: datetime) -> bool:
    """Start the steps of a run that are due; return whether all are done."""
    if has_orders(run):
        states = {follow_up: read_state(run, follow_up).status for follow_up in list_follow_ups()}
        for follow_up, status in states.items():
            if status == "waiting" and is_due(run, follow_up, at=at):
                request(run, follow_up, at=at)
        if any(status != "done" for status in states.values()):
            return False
    run.prepared_at = at
    run.save(update_fields=["prepared_at"])
    return True


def warm_up_follow_ups() -> None:
    """Send the tasks that make the steps faster while the history is still imported."""
    for follow_up in list_follow_ups():
        if follow_up.warm_up_task:
            send(follow_up.warm_up_task)


def has_orders(run: SyncRun) -> bool:
    """Return whether an import has brought orders; without them there is nothing to compute."""
    counts = run.counts.get(ShopRecordKind.ORDERS.value, {})
    return any(counts.get(name) for name in ("created", "updated", "unchanged"))


def read_state(run: SyncRun, follow_up: FollowUp) -> FollowUpState:
    """Return the state of a step since it was first requested."""
    asked = run.follow_ups.get(follow_up.key)
    if asked is None:
        return FollowUpState("waiting")
    state = follow_up.read_state(datetime.fromisoformat(asked["first"]))
    if state.status == "waiting" and asked["times"] >= MAX_REQUESTS:
        return FollowUpState("failed", text=_("It has not started. Check that the workers are running."))
    return state


def is_due(run: SyncRun, follow_up: FollowUp, *, at: datetime) -> bool:
    asked = run.follow_ups.get(follow_up.key)
    return asked is None or at - datetime.fromisoformat(asked["last"]) >= REPEAT_AFTER


def request(run: SyncRun, follow_up: FollowUp, *, at: datetime) -> None:
    """Send the task of a step; when it is done, another task updates the state of the run immediately."""
    asked = run.follow_ups.get(follow_up.key, {"first": at.isoformat(), "times": 0})
    asked = {**asked, "last": at.isoformat(), "times": asked["times"] + 1}
    run.follow_ups = {**run.follow_ups, follow_up.key: asked}
    run.save(update_fields=["follow_ups"])
    send(follow_up.task, link=signature(CONTINUE_TASK, immutable=True))


def send(task: str, **options: Any) -> None:
    """Send a task. If that fails, it is sent again when it is due."""
    try:
        current_app.send_task(task, retry=False, **options)
    except OperationalError as error:
        logger.warning("%s is started later: %s", task, error)


def repeat_preparation(run: SyncRun, *, at: datetime) -> None:
    """Restart the steps that have failed."""
    for follow_up in list_follow_ups():
        if read_state(run, follow_up).status == "failed":
            run.follow_ups = {key: value for key, value in run.follow_ups.items() if key != follow_up.key}
            request(run, follow_up, at=at)
