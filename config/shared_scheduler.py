"""The schedule of several machines: each may run beat, and each due start is made by exactly one of them.

There is no leader that would have to be replaced. A beat that finds a job due claims the start by changing ``last_run_at`` from the value
that it has read to now, in one statement; if several try, one succeeds. The claim is committed after the task has been put into the queue:
if a beat is killed before that, another one makes the start. If it is killed between queuing and committing, the task is queued twice, as
it is after the death of a worker; jobs that must not run twice at the same time hold a lock.
"""

import logging
import time
from datetime import datetime, timedelta
from typing import Any

from celery.exceptions import CeleryError
from celery.schedules import schedstate
from django.db import DatabaseError, InterfaceError, transaction
from django.db.models import F, Q
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

from config.foundation.processes.background_tasks import BROKER_ERRORS

RETRY_SECONDS = 1.0  # after a start that failed because PostgreSQL or Valkey is not responding
CLOCK_TOLERANCE = timedelta(minutes=1)  # between machines
logger = logging.getLogger("celery.beat")


class SharedEntry(ModelEntry):
    """A job whose last start may be in the future, because the clock of the machine was ahead and has been corrected."""

    def is_due(self) -> schedstate:
        now = timezone.now()
        if self.last_run_at > now + CLOCK_TOLERANCE:
            # Celery would wait until the clock reaches this time, and after that for an interval
            try:
                PeriodicTask.objects.filter(pk=self.model.pk, last_run_at__gt=now + CLOCK_TOLERANCE).update(
                    last_run_at=now
                )
                set_last_run(self, read_last_run(self) or now)
            except (DatabaseError, InterfaceError) as error:
                logger.error(
                    "The last start of %s, which is in the future, could not be corrected: %s", self.name, error
                )
                return schedstate(is_due=False, next=RETRY_SECONDS)
            logger.warning(
                "The last start of %s was in the future and counts as now: the clock was set back", self.name
            )
        return super().is_due()


class SharedScheduler(DatabaseScheduler):
    """django-celery-beat's scheduler, whose starts are claimed in the database instead of noted there later."""

    Entry = SharedEntry

    def reserve(self, entry: ModelEntry) -> ModelEntry:
        following = next(entry)
        self._schedule[entry.name] = following
        return following

    def sync(self) -> None:
        """Do nothing: starts are stored when they are claimed.

        Celery's scheduler calls this every three minutes, within ``apply_async`` and so within the transaction of a claim. That of
        django-celery-beat would close the connection there, which undoes the claim.
        """

    def apply_entry(self, entry: ModelEntry, producer: Any = None) -> None:
        following = self._schedule[entry.name]
        try:
            with transaction.atomic():
                if claim_start(entry, at=following.last_run_at):
                    logger.info("Scheduler: Sending due task %s (%s)", entry.name, entry.task)
                    self.apply_async(entry, producer=producer, advance=False)
                else:
                    set_last_run(following, read_last_run(entry) or following.last_run_at)
        except (DatabaseError, InterfaceError, CeleryError, *BROKER_ERRORS) as error:
            if is_stopping(error):
                raise SystemExit from error
            logger.error("%s could not be started and will be tried again: %s", entry.name, error)
            set_last_run(following, entry.last_run_at)
            self._heap = None  # it is due now, not after its next interval
            time.sleep(RETRY_SECONDS)


def is_stopping(error: BaseException | None) -> bool:
    """Return whether an error came while beat was being stopped.

    Celery's signal handler raises SystemExit wherever beat is. Inside a transaction, the end of the transaction can then fail with an
    error of the database, which replaces it.
    """
    while error is not None:
        if isinstance(error, SystemExit | KeyboardInterrupt):
            return True
        error = error.__context__
    return False


def claim_start(entry: ModelEntry, *, at: datetime) -> bool:
    """Set the last start of a job if it is still the one that this process knows; return False if another process has changed it."""
    known = Q(last_run_at=entry.last_run_at) | Q(last_run_at=None)
    jobs = PeriodicTask.objects.filter(known, pk=entry.model.pk, enabled=True)
    return bool(jobs.update(last_run_at=at, total_run_count=F("total_run_count") + 1))


def read_last_run(entry: ModelEntry) -> datetime | None:
    """Return the last start of a job by any machine."""
    return PeriodicTask.objects.filter(pk=entry.model.pk).values_list("last_run_at", flat=True).first()


def set_last_run(entry: ModelEntry, at: datetime) -> None:
    entry.last_run_at = entry.model.last_run_at = at
