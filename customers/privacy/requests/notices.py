"""Queues the emails about a request once its change is committed, and finds those that could not be sent."""

from datetime import datetime

from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext as _

from config.foundation.processes.background_tasks import start_task_after_commit
from customers.privacy.models import PrivacyRequest, PrivacyRequestEntry
from customers.privacy.requests.workflow import RequestStateError
from customers.privacy.tasks import send_notice

Step = PrivacyRequestEntry.Step


def queue_notice(request: PrivacyRequest, kind: str) -> None:
    """Send a mail about a request to the customer, if an address is known."""
    if request.email:
        start_task_after_commit(send_notice, request.pk, kind)


def queue_confirmation(request: PrivacyRequest) -> None:
    """Send the link with which the customer proves that the request is theirs."""
    queue_notice(request, "confirm")


def list_failed_notices() -> QuerySet[PrivacyRequestEntry]:
    """Return the mails that could not be sent and have not been sent since, of requests that still have an address."""
    later = PrivacyRequestEntry.objects.filter(
        request=OuterRef("request"),
        pk__gt=OuterRef("pk"),
        step__in=(Step.NOTIFIED, Step.FAILED),
        details__mail=OuterRef("details__mail"),
    )
    failed = PrivacyRequestEntry.objects.filter(~Exists(later), step=Step.FAILED, details__has_key="mail")
    return failed.exclude(request__email="")


def resend_notices(request: PrivacyRequest, *, now: datetime) -> None:
    """Queue the mails again that could not be sent."""
    kinds = [str(entry.details["mail"]) for entry in list_failed_notices().filter(request=request)]
    if "export" in kinds and not request.exports.filter(deleted_at=None, expires_at__gt=now, bytes__gt=0).exists():
        raise RequestStateError(_("The file has expired. Open a new request to create another one."))
    for kind in kinds:
        queue_notice(request, kind)
