"""Background work of privacy requests: mails, files, erasures whose grace period is over, and the deletion of old files."""

import logging
from datetime import UTC, datetime
from typing import Any

from celery import shared_task

from config.foundation.database.advisory_locks import AlreadyRunningError, exclusive_lock
from config.foundation.processes.background_tasks import BROKER_ERRORS, start_task
from config.foundation.shop.mail import MAIL_RETRIES, compute_mail_wait
from customers.erasure.models import ErasureRun
from customers.identity.personal_data.encrypted_field import decrypt
from customers.privacy.export.downloads import CustomerErasedError, export_customer, purge_exports
from customers.privacy.models import PrivacyRequest, PrivacyRequestEntry
from customers.privacy.requests.erasing import (
    ERASED_MAIL,
    close_erased_requests,
    erase_requested,
    list_due_erasures,
    report_lost_notices,
)
from customers.privacy.requests.exports import list_waiting_exports
from customers.privacy.requests.history import record_step
from customers.privacy.requests.workflow import finish_request
from customers.privacy.self_service.links import decode_link
from customers.privacy.self_service.mails import mail_access_link, send_mail, send_request_mail

logger = logging.getLogger(__name__)
RETRIES = {"bind": True, "max_retries": MAIL_RETRIES}
QUICK_RETRIES = 15
WAITS_FOR_ERASURE = 500
Step = PrivacyRequestEntry.Step


@shared_task(**RETRIES)
def send_access_link(self: Any, token: str) -> None:
    """Send the link of a customer; here and not in the request, so that no answer depends on whether the address is known."""
    try:
        mail_access_link(token, decode_link(token))
    except OSError as error:  # also all errors of smtplib
        raise self.retry(exc=error, countdown=compute_mail_wait(self.request.retries)) from error


@shared_task(**RETRIES)
def send_notice(self: Any, request_id: int, kind: str) -> None:
    """Inform the customer about the progress of a request; without an address, nothing is sent.

    After a day of failures, the history of the request has the mail as failed, so that an officer can send it again.
    """
    request = PrivacyRequest.objects.filter(pk=request_id).first()
    if request is None or not request.email:
        return
    now = datetime.now(UTC)
    try:
        send_request_mail(request, kind, now=now)
    except OSError as error:
        if self.request.retries >= MAIL_RETRIES:
            record_step(request, Step.FAILED, at=now, details={"mail": kind})
        raise self.retry(exc=error, countdown=compute_mail_wait(self.request.retries)) from error
    record_step(request, Step.NOTIFIED, at=now, details={"mail": kind})


@shared_task(bind=True, max_retries=WAITS_FOR_ERASURE + MAIL_RETRIES, default_retry_delay=30)
def send_erased_notice(
    self: Any, run_id: int, sealed_email: str, language: str, number: str, reference: str, failures: int = 0
) -> None:
    """Confirm an erasure, once it is done, to an address that is no longer stored; only this task has it, encrypted.

    failures: how often the mail server refused, because waiting for the erasure counts as retries, too.
    """
    if not ErasureRun.objects.filter(pk=run_id, finished_at__isnull=False).exists():
        # most erasures take seconds
        raise self.retry(countdown=2 if self.request.retries < QUICK_RETRIES else 30)
    try:
        send_mail(
            ERASED_MAIL,
            recipient=decrypt(sealed_email),
            language=language,
            context={"number": number, "reference": reference},
        )
    except OSError as error:
        if failures >= MAIL_RETRIES:
            record_erased_mail(reference, Step.FAILED)
            raise
        again = {"args": (run_id, sealed_email, language, number, reference, failures + 1), "kwargs": {}}
        raise self.retry(exc=error, countdown=compute_mail_wait(failures), **again) from error
    record_erased_mail(reference, Step.NOTIFIED)


def record_erased_mail(reference: str, step: str) -> None:
    """Record in the history of a request whether the mail that confirms its erasure was sent or failed."""
    request = PrivacyRequest.objects.filter(reference=reference).first()
    if request is not None:
        record_step(request, step, at=datetime.now(UTC), details={"mail": ERASED_MAIL})


@shared_task
def make_export(request_id: int) -> None:
    """Write the file of a request, tell the customer, and close the request.

    A repetition finds the file that an attempt has written before its process was killed.
    """
    try:
        with exclusive_lock(f"privacy.export:{request_id}"):
            answer_with_export(request_id)
    except AlreadyRunningError as error:
        logger.warning("%s", error)


def answer_with_export(request_id: int) -> None:
    request = PrivacyRequest.objects.select_related("customer").filter(pk=request_id).first()
    if request is None or not request.is_open or request.customer is None:
        return
    now = datetime.now(UTC)
    export = request.exports.filter(deleted_at=None, bytes__gt=0).first()
    if export is None:
        try:
            export = export_customer(request=request, customer=request.customer, now=now)
        except CustomerErasedError:
            # a merge moves the request to the customer that is kept
            moved = PrivacyRequest.objects.filter(pk=request_id, customer__isnull=False, customer__erased_at=None)
            if moved.exclude(customer=request.customer_id).exists():
                start_task(make_export, request_id)
            return
    # first the mail: if it cannot be queued, the request stays open, and a job repeats this
    if request.email:
        send_notice.delay(request.pk, "export")
    finish_request(request, at=now, result={"rows": export.rows})


@shared_task(exclusive=True)
def resume_exports() -> int:
    """Start again what writes the files of requests and was lost with the job queue or its process; return the number of requests."""
    waiting = list(list_waiting_exports(now=datetime.now(UTC)))
    for request_id in waiting:
        make_export.delay(request_id)
    return len(waiting)


@shared_task(exclusive=True)
def run_due_erasures() -> int:
    """Erase the customers whose grace period is over; return their number."""
    now = datetime.now(UTC)
    close_erased_requests(at=now)
    report_lost_notices(at=now)
    started = 0
    for request in list_due_erasures(now=now):
        try:
            # unlike `start_task`, `delay` waits for some seconds for a queue that does not respond
            erase_requested(request, now=now, queue_notice=lambda notice: send_erased_notice.delay(*notice))
            started += 1
        except BROKER_ERRORS:
            logger.exception("The erasure of request %s waits: its mail could not be queued", request.number)
    return started


@shared_task(exclusive=True)
def purge_old_exports() -> int:
    """Delete the files of requests that have expired; return their number."""
    return purge_exports(now=datetime.now(UTC))
