"""Runs requested erasures with the function that erases from all stores, and closes their requests when everything is erased."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Exists, OuterRef

from customers.erasure.models import ErasureRun
from customers.erasure.runner import NobodyToEraseError, erase_customers
from customers.identity.personal_data.encrypted_field import encrypt
from customers.privacy.models import PrivacyRequest, PrivacyRequestEntry, RequestKind
from customers.privacy.requests.history import record_step
from customers.privacy.requests.workflow import finish_request

Step = PrivacyRequestEntry.Step
JOB = "job: erasure"
ERASED_MAIL = "erased"
MAIL_TIME = timedelta(days=3)  # the mail is tried for a day, after waiting for the erasure


class ErasureNotice(NamedTuple):
    """What the mail that confirms an erasure needs; the address is encrypted, because it is not stored any more."""

    run_id: int
    sealed_email: str
    language: str
    number: str
    reference: str


def list_due_erasures(*, now: datetime) -> list[PrivacyRequest]:
    """Return the confirmed erasures whose grace period is over, the oldest first."""
    due = PrivacyRequest.objects.open().filter(
        kind=RequestKind.ERASURE, runs_at__lte=now, paused_at=None, erasure_run_id=None, customer__isnull=False
    )
    return list(due.select_related("customer").order_by("runs_at", "pk"))


def erase_requested(request: PrivacyRequest, *, now: datetime, queue_notice: Callable[[ErasureNotice], object]) -> None:
    """Start the erasure of the customer of a request.

    The run and its number are stored in one transaction, so a killed process has stored both or neither. The confirmation mail is queued
    before the commit, because afterwards nobody knows the address: if it cannot be queued, nothing begins, and the next run tries again.

    Args:
        queue_notice: queues the mail, which is sent when the erasure is done; it is not called without an address.
    """
    customer = request.customer
    if customer is None:
        return
    email = request.email or customer.email
    with transaction.atomic():
        try:
            run = erase_customers([customer.pk], requested_by=f"privacy request {request.number}", at=now)
        except NobodyToEraseError:
            finish_request(request, at=now, actor=JOB)
            return
        PrivacyRequest.objects.filter(pk=request.pk).update(erasure_run_id=run.pk)
        record_step(request, Step.STARTED, at=now, actor=JOB, details={"mail": ERASED_MAIL} if email else None)
        if email:
            number, reference = request.number, str(request.reference)
            queue_notice(ErasureNotice(run.pk, encrypt(email), request.language, number, reference))


def report_lost_notices(*, at: datetime) -> int:
    """Record the confirmation mails that were queued and neither sent nor given up, such as those of a queue that lost its data; return how many."""
    reported = PrivacyRequestEntry.objects.filter(
        request=OuterRef("pk"), step__in=(Step.NOTIFIED, Step.FAILED), details__mail=ERASED_MAIL
    )
    queued = PrivacyRequestEntry.objects.filter(request=OuterRef("pk"), step=Step.STARTED, details__mail=ERASED_MAIL)
    done = PrivacyRequest.objects.filter(kind=RequestKind.ERASURE, finished_at__lt=at - MAIL_TIME)
    lost = list(done.filter(Exists(queued), ~Exists(reported)))
    for request in lost:
        record_step(request, Step.FAILED, at=at, actor=JOB, details={"mail": ERASED_MAIL})
    return len(lost)


def close_erased_requests(*, at: datetime, **_kwargs: Any) -> int:
    """Close the requests whose erasure is done; return their number. Receiver of ``people_erased``."""
    waiting = PrivacyRequest.objects.open().filter(erasure_run_id__isnull=False)
    runs = ErasureRun.objects.filter(pk__in=waiting.values("erasure_run_id"), finished_at__isnull=False)
    totals = {run.pk: count_erased(run) for run in runs.prefetch_related("steps")}
    requests = list(waiting.filter(erasure_run_id__in=totals))
    for request in requests:
        record_step(request, Step.ERASED, at=at, actor=JOB, details={"run": request.erasure_run_id})
        finish_request(request, at=at, actor=JOB, result=totals[request.erasure_run_id or 0])
    return len(requests)


def count_erased(run: ErasureRun) -> dict[str, Any]:
    """Return the number of erased records and of the stores that were erased."""
    steps = list(run.steps.all())
    return {"records": sum(step.changed for step in steps), "stores": len(steps)}
