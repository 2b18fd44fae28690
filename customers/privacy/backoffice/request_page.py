"""The page of one request: what was asked, its deadline, what happens next, and its history."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from config.foundation.audit_log import record_access
from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from config.foundation.number_formats import format_count, join_label
from config.foundation.personal_data.registry import list_stores
from customers.erasure.models import ErasureRun
from customers.identity.models import Customer
from customers.identity.personal_data.masking import MASK, may_see_personal
from customers.privacy.backoffice.permissions import CHANGE, VIEW
from customers.privacy.backoffice.request_labels import (
    BADGES,
    describe_actor,
    describe_due,
    describe_next_step,
    describe_step,
)
from customers.privacy.due_dates import can_extend
from customers.privacy.export.people import build_person
from customers.privacy.models import PrivacyRequest, RejectionReason, RequestKind, RequestState
from customers.privacy.requests.notices import list_failed_notices
from customers.privacy.requests.rectification import REMARK, list_changes, read_proposal


@dataclass(frozen=True)
class ErasurePreview:
    """What an erasure would change in one store. kept: what stays, and why."""

    label: str | Promise
    count: int
    kept: str | Promise


def show_request(request: HttpRequest, request_id: int) -> HttpResponse:
    check_permissions(request, VIEW)
    now = timezone.now()
    found = get_object_or_404(PrivacyRequest.objects.select_related("customer"), pk=request_id)
    with_personal = may_see_personal(request)
    # no access is recorded once the erasure has begun: an audit entry that is added while it runs would not be erased
    if with_personal and (found.email or found.proposal) and found.customer_id and not found.erasure_run_id:
        record_access(model=Customer, pks=[found.customer_id])
    may_change = request.user.has_perm(CHANGE)
    erasure = ErasureRun.objects.filter(pk=found.erasure_run_id).first() if found.erasure_run_id else None
    return render_page(
        request,
        "admin/privacy/request.html",
        title=join_label(found.number, found.get_kind_display()),
        verdict=describe_next_step(found, now=now),
        privacy_request=found,
        badge=BADGES[RequestState(found.state)],
        due=describe_due(found, now=now),
        is_overdue=found.is_open and found.paused_at is None and found.due_at < now,
        email=mask(found.email, with_personal=with_personal and not found.erasure_run_id),
        note=mask(found.note, with_personal=with_personal),
        entries=[(entry, describe_step(entry), describe_actor(entry.actor)) for entry in found.entries.all()],
        export=found.exports.filter(deleted_at=None, expires_at__gt=now, bytes__gt=0).first(),
        may_download=with_personal and may_change,
        may_change=may_change and (found.is_open or found.state in (RequestState.REJECTED, RequestState.CANCELED)),
        actions=list_actions(found),
        may_resend=may_change and list_failed_notices().filter(request=found).exists(),
        may_extend=found.is_open and can_extend(found.regulation) and not found.extension_reason,
        reasons=RejectionReason.choices,
        preview=preview_erasure(found.customer) if "dry_run" in request.GET and found.customer else None,
        **build_proposal(found, with_personal=with_personal),
        **describe_erasure(erasure),
    )


def describe_erasure(run: ErasureRun | None) -> dict[str, Any]:
    """Return the steps that erased something or failed, and how many others there are."""
    if run is None:
        return {"erasure": None}
    steps = list(run.steps.all())
    shown = [step for step in steps if step.changed or step.status == step.Status.FAILED]
    done = sum(step.status == step.Status.DONE for step in steps)
    note = ngettext(
        "%(done)s of %(count)s place was searched.", "%(done)s of %(count)s places were searched.", len(steps)
    ) % {"done": format_count(done), "count": format_count(len(steps))}
    return {"erasure": run, "erasure_steps": shown, "erasure_note": note}


def mask(text: str, *, with_personal: bool) -> str:
    return text if with_personal or not text else MASK


def build_proposal(request: PrivacyRequest, *, with_personal: bool) -> dict[str, Any]:
    """Return the proposed changes of a rectification."""
    if request.kind != RequestKind.RECTIFICATION or not request.proposal:
        return {"changes": [], "remark": ""}
    changes = [
        {
            "label": change.label,
            "before": mask(change.before, with_personal=with_personal),
            "after": mask(change.after, with_personal=with_personal),
        }
        for change in list_changes(request)
    ]
    return {"changes": changes, "remark": mask(read_proposal(request).get(REMARK, ""), with_personal=with_personal)}


def preview_erasure(customer: Customer) -> list[ErasurePreview]:
    """Count what an erasure would change in each store, and change nothing."""
    person = build_person(customer)
    lines = [
        ErasurePreview(store.label, sum(finding.count for finding in store.find([person])), store.kept)
        for store in list_stores()
    ]
    return [line for line in lines if line.count]


def list_actions(request: PrivacyRequest) -> list[tuple[str, str, str]]:
    """Return the buttons that are possible now: action, label and kind of button; the most likely first."""
    if request.state in (RequestState.REJECTED, RequestState.CANCELED):
        return [("reopen", _("Reopen"), "plain")]
    if not request.is_open or request.erasure_run_id is not None:
        return []
    actions: list[tuple[str, str, str]] = []
    if request.paused_at is not None:
        if request.email:
            actions.append(("send_confirmation", _("Send a confirmation email"), "primary"))
        actions.append(("prove", _("I have checked the identity"), "plain"))
    elif request.customer_id is not None:
        actions += list_fulfillments(request)
        actions.append(("pause", _("Identity in doubt: pause the clock"), "plain"))
    actions.append(("cancel", _("Withdrawn by the customer"), "plain"))
    return actions


def list_fulfillments(request: PrivacyRequest) -> list[tuple[str, str, str]]:
    if request.kind == RequestKind.RECTIFICATION:
        return [("apply", _("Apply the changes"), "primary")]
    if request.kind == RequestKind.ERASURE:
        if request.runs_at is None:
            return [("erase", _("Confirm the erasure"), "danger")]
        return [("erase_now", _("Erase now"), "danger")]
    if request.kind in (RequestKind.ACCESS, RequestKind.PORTABILITY):
        return [("export", _("Create the file"), "primary")]
    return [("fulfill", _("Apply it now"), "primary")]
