"""Does what a request asks: immediately if no decision is needed, otherwise after an officer has decided."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from config.foundation.processes.background_tasks import start_task_after_commit
from customers.identity.consent.restrictions import lift_restriction, restrict_processing
from customers.identity.models import Customer, ProcessingRestriction
from customers.privacy.models import (
    PrivacyRequest,
    PrivacyRequestEntry,
    RequestKind,
    RequestState,
    load_privacy_settings,
)
from customers.privacy.requests.exports import EXPORT_KINDS
from customers.privacy.requests.history import record_step
from customers.privacy.requests.notices import queue_notice
from customers.privacy.requests.workflow import (
    RequestStateError,
    change_request,
    finish_request,
    require_open,
    start_request,
)
from customers.privacy.tasks import make_export

Step = PrivacyRequestEntry.Step
SCOPES = {
    RequestKind.RESTRICTION: ProcessingRestriction.Scope.ALL,
    RequestKind.OBJECT_PROFILING: ProcessingRestriction.Scope.PROFILING,
    RequestKind.OBJECT_MARKETING: ProcessingRestriction.Scope.MARKETING,
}
RESTRICTION_REASON = "request {number}"


def fulfill_request(request: PrivacyRequest, *, now: datetime, actor: str = "") -> PrivacyRequest:
    """Do what a proven request asks, as far as no decision is needed.

    Objections and restrictions take effect immediately; a file with the data is made in the background; an erasure is scheduled. A
    rectification waits for an officer, and so does a request without proof of identity or without a known customer.
    """
    if not request.is_open or request.paused_at is not None or request.customer is None:
        return request
    if request.kind in SCOPES:
        return apply_restriction(request, now=now, actor=actor)
    if request.kind in EXPORT_KINDS:
        request = start_request(request, at=now, actor=actor)
        start_task_after_commit(make_export, request.pk)
        return request
    if request.kind == RequestKind.ERASURE and load_privacy_settings().erases_automatically:
        return schedule_erasure(request, now=now, actor=actor)
    return request


def apply_restriction(request: PrivacyRequest, *, now: datetime, actor: str = "") -> PrivacyRequest:
    """Limit the processing of the customer's data, and close the request."""
    with transaction.atomic():
        restrict_processing(
            customer=get_customer(request),
            scope=SCOPES[RequestKind(request.kind)],
            at=now,
            source=RESTRICTION_REASON.format(number=request.number),
        )
        record_step(request, Step.APPLIED, at=now, actor=actor)
        request = finish_request(request, at=now, actor=actor)
        queue_notice(request, "done")
        return request


def lift_customer_restriction(
    restriction: ProcessingRestriction, *, now: datetime, source: str, actor: str = ""
) -> list[str]:
    """End a restriction or objection, and add it to the history of the request that asked for it."""
    restored = lift_restriction(restriction=restriction, at=now, source=source)
    for request in PrivacyRequest.objects.filter(customer=restriction.customer, state=RequestState.DONE):
        if RESTRICTION_REASON.format(number=request.number) == restriction.source:
            record_step(request, Step.LIFTED, at=now, actor=actor)
    return restored


def schedule_erasure(request: PrivacyRequest, *, now: datetime, actor: str = "") -> PrivacyRequest:
    """Let an erasure begin after the grace period; the customer or an officer can withdraw it until then."""
    grace = timedelta(days=load_privacy_settings().erasure_grace_days)

    def change(locked: PrivacyRequest) -> str:
        require_open(locked)
        if locked.kind != RequestKind.ERASURE or locked.customer_id is None:
            raise RequestStateError(_("This request has no customer whose data can be erased."))
        if locked.paused_at is not None:
            raise RequestStateError(_("Verify the customer's identity first."))
        locked.runs_at = locked.runs_at or now + grace
        if locked.state != RequestState.EXTENDED:
            locked.state = RequestState.IN_PROGRESS
        return Step.SCHEDULED

    with transaction.atomic():
        request = change_request(request, change, at=now, actor=actor)
        queue_notice(request, "scheduled")
    return request


def get_customer(request: PrivacyRequest) -> Customer:
    """Return the customer of a request. Raises RequestStateError if none is known."""
    if request.customer is None:
        raise RequestStateError(_("Choose the customer of this request first."))
    return request.customer
