"""Deletes old records of processing runs, of which there may be one every two seconds."""

from datetime import datetime

from django.db.models import Q

from customers.processing.models import ProcessingRun

SMALL_RUN_EVENTS = 1_000


def delete_old_runs(*, before: datetime, small_before: datetime) -> int:
    """Delete runs older than ``before``, and small successful ones older than ``small_before``.

    Return their number.
    """
    small = Q(started_at__lt=small_before, events__lt=SMALL_RUN_EVENTS, status=ProcessingRun.Status.DONE, error="")
    deleted, _of_each_model = ProcessingRun.objects.filter(Q(started_at__lt=before) | small).delete()
    return deleted
