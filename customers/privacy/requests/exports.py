"""Finds requests whose file is not being written, because the task was lost with the job queue or with its process."""

from datetime import datetime, timedelta

from django.db.models import OuterRef, QuerySet, Subquery

from customers.privacy.models import PrivacyRequest, PrivacyRequestEntry, RequestKind

EXPORT_KINDS = (RequestKind.ACCESS, RequestKind.PORTABILITY)
Step = PrivacyRequestEntry.Step
RESUMED_AFTER = timedelta(minutes=10)  # a task usually begins within seconds
# steps that say nothing about whether the file is wanted
OTHER_STEPS = (Step.NOTIFIED, Step.FAILED, Step.EXTENDED, Step.DOWNLOADED)


def list_waiting_exports(*, now: datetime) -> QuerySet[PrivacyRequest, int]:
    """Return the IDs of the open requests whose file was wanted some minutes ago."""
    steps = PrivacyRequestEntry.objects.filter(request=OuterRef("pk")).exclude(step__in=OTHER_STEPS)
    last = steps.order_by("-at", "-pk")
    waiting = PrivacyRequest.objects.open().filter(
        kind__in=EXPORT_KINDS, paused_at__isnull=True, customer__isnull=False
    )
    waiting = waiting.annotate(last_step=Subquery(last.values("step")[:1]), last_at=Subquery(last.values("at")[:1]))
    waiting = waiting.filter(last_step__in=(Step.STARTED, Step.EXPORTED), last_at__lte=now - RESUMED_AFTER)
    return waiting.order_by("pk").values_list("pk", flat=True)
