"""Background tasks of imports."""

import logging

from celery import shared_task
from django.utils import timezone
from django.utils.translation import get_language, override

from config.foundation.database.advisory_locks import AlreadyRunningError
from customers.imports import feeds, runs
from customers.imports.models import ImportRun, ImportState, ScheduledFeed

logger = logging.getLogger(__name__)


# Not exclusive tasks, of which a second start would be dropped: several imports may run at the same time, each once.
# ``language`` is that of the user who has started the task: the problems of the file are stored as texts.
@shared_task
def check_file(run_id: int, language: str = "") -> None:
    try:
        with override(language or get_language()):
            runs.check_run(run_id=run_id, at=timezone.now())
    except AlreadyRunningError as error:
        logger.warning("%s", error)


@shared_task
def import_file(run_id: int, language: str = "") -> None:
    try:
        with override(language or get_language()):
            runs.import_run(run_id=run_id, at=timezone.now())
    except AlreadyRunningError as error:
        logger.warning("%s", error)


@shared_task
def undo_import(run_id: int, language: str = "") -> None:
    try:
        with override(language or get_language()):
            runs.undo_run(run_id=run_id, at=timezone.now())
    except AlreadyRunningError as error:
        logger.warning("%s", error)


RUN_TASKS = {
    ImportState.CHECKING: check_file,
    ImportState.IMPORTING: import_file,
    ImportState.UNDOING: undo_import,
}


def queue_run(run: ImportRun) -> None:
    """Leave a run to a worker, in the user's language. Raises OperationalError if the queue cannot be reached."""
    RUN_TASKS[ImportState(run.state)].delay(run.pk, get_language() or "")
    runs.note_queued(run.pk)


@shared_task(exclusive=True)
def resume_imports() -> int:
    """Queue the runs again whose task was lost, such as with Valkey's data; return their number. Interrupted runs of feeds have failed."""
    feeds.fail_interrupted_runs(at=timezone.now())
    lost = runs.list_lost_runs()
    for run in lost:
        queue_run(run)
    return len(lost)


@shared_task(exclusive=True)
def fetch_feeds() -> int:
    return feeds.fetch_due_feeds(at=timezone.now())


@shared_task
def fetch_one_feed(feed_id: int) -> None:
    feed = ScheduledFeed.objects.filter(pk=feed_id).first()
    if feed is not None:
        feeds.fetch_feed(feed=feed, at=timezone.now())
