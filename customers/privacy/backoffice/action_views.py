"""The buttons on the page of a request: each changes the request, shows a message and redirects to the page."""

from collections.abc import Callable
from datetime import datetime

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from config.foundation.audit_log import record_export
from config.foundation.backoffice.permissions import check_permissions
from config.foundation.processes.background_tasks import start_task_after_commit
from customers.identity.customer_search import build_customer_search
from customers.identity.models import Customer, ProcessingRestriction
from customers.identity.personal_data.masking import may_see_personal
from customers.privacy.backoffice.permissions import CHANGE, VIEW
from customers.privacy.export.downloads import ExportExpiredError, open_download
from customers.privacy.models import IdentityProof, PrivacyRequest, RequestState
from customers.privacy.requests.fulfillment import fulfill_request, lift_customer_restriction, schedule_erasure
from customers.privacy.requests.notices import queue_confirmation, queue_notice, resend_notices
from customers.privacy.requests.receipts import build_receipt
from customers.privacy.requests.rectification import apply_proposal
from customers.privacy.requests.workflow import (
    RequestStateError,
    cancel_request,
    change_request,
    extend_request,
    pause_request,
    prove_identity,
    reject_request,
    reopen_request,
    require_open,
)
from customers.privacy.tasks import run_due_erasures

type Action = Callable[[PrivacyRequest, HttpRequest, datetime], object]


def prove(found: PrivacyRequest, _request: HttpRequest, now: datetime) -> None:
    with transaction.atomic():
        proven = prove_identity(found, proof=IdentityProof.DOCUMENT, at=now)
        fulfill_request(proven, now=now)


def send_confirmation(found: PrivacyRequest, _request: HttpRequest, now: datetime) -> None:
    """Pause the request until the customer confirms it, and send the email with the link."""

    def change(locked: PrivacyRequest) -> str:
        require_open(locked)
        if not locked.email:
            raise RequestStateError(_("The request has no email address."))
        locked.state, locked.paused_at = RequestState.WAITING, locked.paused_at or now
        return "paused"

    queue_confirmation(change_request(found, change, at=now))


def extend(found: PrivacyRequest, request: HttpRequest, now: datetime) -> None:
    queue_notice(extend_request(found, reason=request.POST.get("reason", ""), at=now), "extended")


def reject(found: PrivacyRequest, request: HttpRequest, now: datetime) -> None:
    rejected = reject_request(
        found, reason=request.POST.get("rejection", ""), note=request.POST.get("note", "")[:2000], at=now
    )
    queue_notice(rejected, "rejected")


def choose_customer(found: PrivacyRequest, request: HttpRequest, now: datetime) -> None:
    """Link the request to the customer whom the officer has found."""
    text = request.POST.get("customer", "").replace("\0", "").strip()[:200]
    customer = Customer.objects.filter(build_customer_search(text), erased_at=None).first() if text else None
    if customer is None:
        raise RequestStateError(_("No customer has this number, user ID, email address or phone number."))

    def change(locked: PrivacyRequest) -> str:
        require_open(locked)
        locked.customer = customer
        return "started"

    with transaction.atomic():
        fulfill_request(change_request(found, change, at=now), now=now)


def erase_now(found: PrivacyRequest, _request: HttpRequest, now: datetime) -> None:
    """End the grace period."""

    def change(locked: PrivacyRequest) -> str:
        require_open(locked)
        if locked.runs_at is None or locked.erasure_run_id is not None:
            raise RequestStateError(_("The erasure is not confirmed, or has begun."))
        locked.runs_at = now
        return "scheduled"

    change_request(found, change, at=now)
    start_task_after_commit(run_due_erasures)


ACTIONS: dict[str, tuple[Action, str | Promise]] = {
    "prove": (prove, gettext_lazy("The identity is verified; the clock is running again.")),
    "send_confirmation": (send_confirmation, gettext_lazy("The confirmation email is on its way.")),
    "resend": (
        lambda found, _request, now: resend_notices(found, now=now),
        gettext_lazy("The email is being sent again."),
    ),
    "pause": (
        lambda found, _request, now: pause_request(found, at=now),
        gettext_lazy("The clock is paused until the identity is verified."),
    ),
    "fulfill": (
        lambda found, _request, now: fulfill_request(found, now=now),
        gettext_lazy("The request takes effect now."),
    ),
    "export": (
        lambda found, _request, now: fulfill_request(found, now=now),
        gettext_lazy("The file is being created. Reload this page in a minute."),
    ),
    "apply": (lambda found, _request, now: apply_proposal(found, now=now), gettext_lazy("The changes were saved.")),
    "erase": (
        lambda found, _request, now: schedule_erasure(found, now=now),
        gettext_lazy("The erasure is confirmed. Until it begins, it can be withdrawn."),
    ),
    "erase_now": (erase_now, gettext_lazy("The erasure begins now.")),
    "cancel": (lambda found, _request, now: cancel_request(found, at=now), gettext_lazy("The request was withdrawn.")),
    "reopen": (lambda found, _request, now: reopen_request(found, at=now), gettext_lazy("The request was reopened.")),
    "extend": (extend, gettext_lazy("The deadline was extended; the customer gets the reason by email.")),
    "reject": (reject, gettext_lazy("The request was rejected; the customer gets the reason by email.")),
    "choose_customer": (choose_customer, gettext_lazy("The customer was assigned to the request.")),
}


@require_POST
def act(request: HttpRequest, request_id: int) -> HttpResponse:
    """Do what a button asks."""
    check_permissions(request, CHANGE)
    found = get_object_or_404(PrivacyRequest.objects.select_related("customer"), pk=request_id)
    name = request.POST.get("action", "")
    if name not in ACTIONS:
        raise Http404
    action, text = ACTIONS[name]
    try:
        action(found, request, timezone.now())
    except RequestStateError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, str(text))
    return HttpResponseRedirect(reverse("privacy_requests:request", args=[request_id]))


@require_POST
def lift(request: HttpRequest, restriction_id: int) -> HttpResponse:
    """End a restriction or objection of a customer."""
    check_permissions(request, CHANGE)
    restriction = get_object_or_404(ProcessingRestriction.objects.active(), pk=restriction_id)
    source = f"privacy officer: {request.user.get_username()}"
    lift_customer_restriction(restriction, now=timezone.now(), source=source)
    messages.success(request, _("The restriction was lifted; the consents that it withdrew were granted again."))
    return HttpResponseRedirect(f"{reverse('admin:lifecycle_customer', args=[restriction.customer_id])}?tab=privacy")


@require_POST
def download_file(request: HttpRequest, request_id: int) -> HttpResponseBase:
    """Send the file to an officer who may see personal data; it counts as a download."""
    check_permissions(request, CHANGE)
    if not may_see_personal(request):
        raise PermissionDenied
    found = get_object_or_404(PrivacyRequest, pk=request_id)
    export = found.exports.filter(deleted_at=None).first()
    try:
        if export is None:
            raise ExportExpiredError
        content = open_download(export, now=timezone.now())
    except ExportExpiredError:
        messages.error(request, _("The file has expired, or its download limit has been reached."))
        return HttpResponseRedirect(reverse("privacy_requests:request", args=[request_id]))
    record_export(
        model=Customer, pks=[found.customer_id] if found.customer_id else [], details={"request": found.number}
    )
    headers = {"Content-Disposition": f'attachment; filename="{found.number}.zip"', "Cache-Control": "no-store"}
    return StreamingHttpResponse(content, content_type="application/zip", headers=headers)


@require_safe
def download_receipt(request: HttpRequest, request_id: int) -> HttpResponse:
    """Send the receipt, which has no personal data, as JSON."""
    check_permissions(request, VIEW)
    found = get_object_or_404(PrivacyRequest, pk=request_id)
    headers = {"Content-Disposition": f'attachment; filename="{found.number}-receipt.json"'}
    return JsonResponse(build_receipt(found), json_dumps_params={"indent": 2}, headers=headers)
