"""Forgets the records of processing runs: there may be one every two seconds."""

from datetime import datetime

from django.db.models import Q

from customers.processing.models import ProcessingRun

SMALL = 1_000  # events


def purge_runs(*, before: datetime, small_before: datetime) -> int:
    """Removes records older than ``before``; of small runs that went well those older than ``small_before``. How many."""
    small = Q(started_at__lt=small_before, events__lt=SMALL, status=ProcessingRun.Status.DONE, error="")
    removed, _of_each = ProcessingRun.objects.filter(Q(started_at__lt=before) | small).delete()
    return removed
