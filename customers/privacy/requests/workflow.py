"""The states of a request: identity, pause, extension, rejection, withdrawal and end. Each change is one transaction with its step."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from config.foundation.shop.profile import get_time_zone
from customers.privacy.due_dates import can_extend, compute_due_at
from customers.privacy.models import (
    IdentityProof,
    PrivacyRequest,
    PrivacyRequestEntry,
    RequestKind,
    RequestState,
)
from customers.privacy.requests.history import CUSTOMER, record_step

Step = PrivacyRequestEntry.Step


class RequestStateError(Exception):
    """The request cannot be changed in this way; the text gives the reason and is shown on a page."""


def change_request(
    request: PrivacyRequest, change: Callable[[PrivacyRequest], str], *, at: datetime, actor: str = "", **details: Any
) -> PrivacyRequest:
    """Lock a request, change it and record the step that `change` returns."""
    with transaction.atomic():
        locked = PrivacyRequest.objects.select_for_update().get(pk=request.pk)
        step = change(locked)
        locked.save()
        record_step(locked, step, at=at, actor=actor, details=details)
    return locked


def require_open(request: PrivacyRequest) -> None:
    if not request.is_open:
        raise RequestStateError(
            _("Request %(number)s has ended: %(state)s.")
            % {"number": request.number, "state": request.get_state_display()}
        )


def require_not_begun(request: PrivacyRequest) -> None:
    """Raise RequestStateError if the request has ended, or its erasure has begun and cannot be stopped."""
    require_open(request)
    if request.erasure_run_id is not None:
        raise RequestStateError(_("The erasure has begun and cannot be stopped."))


def recompute_due_at(request: PrivacyRequest) -> None:
    """Set the deadline again, after a pause or an extension."""
    request.due_at = compute_due_at(
        received_at=request.received_at,
        regulation=request.regulation,
        country=request.country,
        zone=get_time_zone(),
        is_extended=bool(request.extension_reason),
        paused=request.paused_seconds,
    )


def prove_identity(request: PrivacyRequest, *, proof: str, at: datetime, actor: str = "") -> PrivacyRequest:
    """Record that the requester is the customer; the clock resumes."""

    def change(locked: PrivacyRequest) -> str:
        require_open(locked)
        locked.proof = IdentityProof(proof)
        if locked.paused_at is not None:
            locked.paused_seconds += max(0, round((at - locked.paused_at).total_seconds()))
            locked.paused_at = None
        if locked.state == RequestState.WAITING:
            locked.state = RequestState.EXTENDED if locked.extension_reason else RequestState.RECEIVED
        recompute_due_at(locked)
        return Step.CONFIRMED

    return change_request(request, change, at=at, actor=actor, proof=proof)


def pause_request(request: PrivacyRequest, *, at: datetime) -> PrivacyRequest:
    """Stop the clock until the requester has proven who they are."""

    def change(locked: PrivacyRequest) -> str:
        require_not_begun(locked)
        locked.paused_at = locked.paused_at or at
        locked.proof = IdentityProof.NONE
        return Step.PAUSED

    return change_request(request, change, at=at)


def start_request(request: PrivacyRequest, *, at: datetime, actor: str = "") -> PrivacyRequest:
    def change(locked: PrivacyRequest) -> str:
        require_open(locked)
        if locked.state in (RequestState.RECEIVED, RequestState.WAITING):
            locked.state = RequestState.IN_PROGRESS
        return Step.STARTED

    return change_request(request, change, at=at, actor=actor)


def extend_request(request: PrivacyRequest, *, reason: str, at: datetime) -> PrivacyRequest:
    """Move the deadline as far as the regulation allows, once, before it has passed; the customer must learn the reason."""

    def change(locked: PrivacyRequest) -> str:
        require_open(locked)
        if not reason.strip():
            raise RequestStateError(_("Enter the reason for the extension; the customer reads it."))
        if locked.extension_reason or not can_extend(locked.regulation):
            raise RequestStateError(_("The deadline of this request cannot be extended again."))
        if locked.due_at < at and locked.paused_at is None:
            raise RequestStateError(_("The deadline has passed, so it can no longer be extended."))
        locked.state, locked.extension_reason = RequestState.EXTENDED, reason.strip()[:500]
        recompute_due_at(locked)
        return Step.EXTENDED

    return change_request(request, change, at=at)


def reject_request(request: PrivacyRequest, *, reason: str, at: datetime, note: str = "") -> PrivacyRequest:
    def change(locked: PrivacyRequest) -> str:
        require_not_begun(locked)
        if reason not in PrivacyRequest.Rejection.values:
            raise RequestStateError(_("Choose the reason for the rejection; the customer reads it."))
        locked.state, locked.rejection, locked.note, locked.runs_at = RequestState.REJECTED, reason, note.strip(), None
        locked.finished_at = at
        return Step.REJECTED

    return change_request(request, change, at=at, reason=reason)


def cancel_request(request: PrivacyRequest, *, at: datetime, actor: str = CUSTOMER) -> PrivacyRequest:
    """End a request that the customer has withdrawn; an erasure only until it begins."""

    def change(locked: PrivacyRequest) -> str:
        require_not_begun(locked)
        locked.state, locked.runs_at, locked.finished_at = RequestState.CANCELED, None, at
        return Step.CANCELED

    return change_request(request, change, at=at, actor=actor)


def reopen_request(request: PrivacyRequest, *, at: datetime) -> PrivacyRequest:
    """Undo a rejection or withdrawal; the deadline stays what it was."""

    def change(locked: PrivacyRequest) -> str:
        if locked.state not in (RequestState.REJECTED, RequestState.CANCELED):
            raise RequestStateError(_("Only a rejected or withdrawn request can be reopened."))
        locked.state = RequestState.EXTENDED if locked.extension_reason else RequestState.IN_PROGRESS
        locked.rejection, locked.finished_at = "", None
        return Step.REOPENED

    return change_request(request, change, at=at)


def finish_request(
    request: PrivacyRequest, *, at: datetime, actor: str = "", result: dict[str, Any] | None = None
) -> PrivacyRequest:
    """Close a request that was answered. result: counts only."""

    def change(locked: PrivacyRequest) -> str:
        require_open(locked)
        locked.state, locked.finished_at = RequestState.DONE, at
        locked.result = {**locked.result, **(result or {})}
        if locked.kind == RequestKind.ERASURE:
            locked.customer, locked.email, locked.note, locked.proposal = None, "", "", ""
        return Step.DONE

    return change_request(request, change, at=at, actor=actor)
