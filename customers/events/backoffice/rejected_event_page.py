"""The page of one rejected event: the payload, the reason, and an editor to correct and replay it.

A user who may correct rejected events but not see personal data gets the payload with marks in place of personal values; the
marks are replaced by the values when the event is replayed.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.audit_log import record_access
from config.foundation.backoffice.permissions import check_permissions
from customers.events.dead_letters import rejected_events
from customers.events.dead_letters.rejection_reasons import describe_reason
from customers.events.dead_letters.replay import NotOpenError, ReplayResult, replay_rejected
from customers.events.models import RejectedEvent
from customers.events.payload_masking import (
    UnreadablePayloadError,
    format_indented,
    mask_payload,
    read_payload,
    unmask_payload,
)
from customers.identity.personal_data.encrypted_field import UnreadableFieldError
from customers.identity.personal_data.masking import mask_text, may_see_personal

MAY_CORRECT = "events.change_rejectedevent"
MAX_TEXT = 200_000  # more than an event may have: its size can be the reason for the rejection


@dataclass(frozen=True, slots=True)
class PayloadView:
    """A payload as the user sees it; ``problem`` says why it cannot be shown."""

    stored: str
    text: str
    hidden: dict[str, Any]
    problem: str = ""

    @property
    def stamp(self) -> str:
        """A fingerprint of the stored payload; when another user saves a correction, the marks refer to other values."""
        return sha256(self.stored.encode(errors="surrogatepass")).hexdigest()[:16]

    def restore(self, text: str) -> str:
        """Return the payload to replay for the text in the editor."""
        text = text.replace("\r\n", "\n").strip()
        return self.stored if text == self.text.strip() else unmask_payload(text, self.hidden)


class CorrectionForm(forms.Form):
    """The editor of the payload."""

    text = forms.CharField(
        label=gettext_lazy("payload"),
        max_length=MAX_TEXT,
        widget=forms.Textarea(attrs={"class": "payload-text", "spellcheck": "false", "rows": 18}),
    )
    stamp = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, data: Any, *, view: PayloadView) -> None:
        super().__init__(data, initial={"text": view.text, "stamp": view.stamp})
        self.view = view

    def clean_stamp(self) -> str:
        if self.cleaned_data["stamp"] != self.view.stamp:
            raise forms.ValidationError(
                _("Another user has saved a different correction. Reload this page and correct that version.")
            )
        return self.cleaned_data["stamp"]


def render_rejected_event(request: HttpRequest, *, model_admin: ModelAdmin, rejected_id: str) -> HttpResponse:
    """Render the page, or carry out the action that was posted."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    events = rejected_events.defer_payloads(RejectedEvent.objects.select_related("source"))
    rejected = get_object_or_404(events, pk=rejected_id if rejected_id.isdecimal() and len(rejected_id) < 19 else None)
    view = build_payload_view(rejected, with_personal=may_see_personal(request))
    form = CorrectionForm(request.POST if "text" in request.POST else None, view=view)
    outcome = None
    if request.method == "POST":
        check_permissions(request, MAY_CORRECT)
        if request.POST.get("do") in ("discard", "reopen"):
            return discard_or_reopen(request, model_admin, rejected)
        if form.is_valid() and rejected.status == RejectedEvent.Status.OPEN:
            payload = view.restore(form.cleaned_data["text"])
            if request.POST.get("do") == "replay":
                return replay_correction(request, model_admin, rejected, payload)
            outcome = rejected_events.preview_replay(rejected=rejected, payload=payload)
    elif view.text and may_see_personal(request):
        record_access(model=RejectedEvent, pks=[rejected.pk])
    context = build_context(request, model_admin, rejected, view, form, outcome)
    response = TemplateResponse(request, "admin/events/rejected_event.html", context)
    add_never_cache_headers(response)
    return response


def build_payload_view(rejected: RejectedEvent, *, with_personal: bool) -> PayloadView:
    """Return the payload as this user may see it."""
    try:
        stored = rejected_events.read_current_payload(rejected)
    except UnreadableFieldError as error:
        return PayloadView("", "", {}, str(error))
    try:
        if with_personal:
            return PayloadView(stored, format_indented(read_payload(stored)), {})
        masked = mask_payload(stored)
        return PayloadView(stored, masked.text, masked.hidden)
    except (UnreadablePayloadError, RecursionError):
        if with_personal:
            return PayloadView(stored, stored, {})
    problem = _(
        "The payload is not valid JSON, so personal data in it cannot be masked. Only users with "
        "permission to view personal data can see it."
    )
    return PayloadView(stored, "", {}, problem)


def build_context(
    request: HttpRequest,
    model_admin: ModelAdmin,
    rejected: RejectedEvent,
    view: PayloadView,
    form: CorrectionForm,
    outcome: ReplayResult | None,
) -> dict[str, Any]:
    """Return what the template shows."""
    is_open = rejected.status == RejectedEvent.Status.OPEN
    has_permission, with_personal = request.user.has_perm, may_see_personal(request)
    event = rejected_events.find_replayed_event(rejected)
    source_url = event_url = outcome_reason = ""
    if rejected.source_id and has_permission("events.view_source"):
        source_url = reverse("admin:events_source_change", args=[rejected.source_id])
    if event and has_permission("events.view_event"):
        event_url = reverse("admin:events_event_change", args=[event.pk])
    if outcome:
        outcome_reason = mask_text(outcome.reason, with_personal=with_personal)
    return {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": _("Rejected event %(number)s") % {"number": f"#{rejected.pk}"},
        "rejected": rejected,
        "reason_label": describe_reason(rejected.code),
        "reason": mask_text(rejected.reason, with_personal=with_personal),
        "age": timesince(rejected.received_at, timezone.now(), depth=1),
        "source_url": source_url,
        "event_url": event_url,
        "view": view,
        "form": form,
        "outcome": outcome,
        "outcome_label": describe_reason(outcome.code) if outcome and outcome.code else "",
        "outcome_reason": outcome_reason,
        "may_correct": has_permission(MAY_CORRECT) and is_open and not view.problem,
        "may_discard": has_permission(MAY_CORRECT) and is_open,
        "may_reopen": has_permission(MAY_CORRECT) and rejected.status == RejectedEvent.Status.DISCARDED,
        "marks": len(view.hidden),
    }


def replay_correction(
    request: HttpRequest, model_admin: ModelAdmin, rejected: RejectedEvent, payload: str
) -> HttpResponse:
    """Replay the event and report the result."""
    try:
        outcome = replay_rejected(rejected_id=rejected.pk, payload=payload, at=timezone.now())
    except NotOpenError:
        messages.error(request, _("Another user has already handled this event."))
        return redirect_to_event(rejected)
    if not outcome.accepted:
        messages.error(
            request, _("The event was rejected again: %(reason)s") % {"reason": describe_reason(outcome.code)}
        )
        model_admin.log_change(request, rejected, _("Replayed and rejected again (%(code)s).") % {"code": outcome.code})
    elif outcome.duplicate:
        messages.warning(request, _("An event with this message ID already exists; nothing was added."))
        model_admin.log_change(request, rejected, _("Replayed; it was a duplicate."))
    else:
        messages.success(request, _("The event was accepted and will be processed."))
        model_admin.log_change(request, rejected, _("Replayed and accepted."))
    return redirect_to_event(rejected)


def discard_or_reopen(request: HttpRequest, model_admin: ModelAdmin, rejected: RejectedEvent) -> HttpResponse:
    """Discard an open event or open a discarded one."""
    events = RejectedEvent.objects.filter(pk=rejected.pk)
    if request.POST["do"] == "discard" and rejected_events.discard_rejected(events=events):
        messages.success(request, _("The event was discarded. It is kept until old rejected events are purged."))
        model_admin.log_change(request, rejected, _("Discarded."))
    elif request.POST["do"] == "reopen" and rejected_events.reopen_discarded(events=events):
        messages.success(request, _("The event was reopened."))
        model_admin.log_change(request, rejected, _("Reopened."))
    return redirect_to_event(rejected)


def redirect_to_event(rejected: RejectedEvent) -> HttpResponseRedirect:
    """Return a redirect to the event's page."""
    return HttpResponseRedirect(reverse("admin:events_rejectedevent_change", args=[rejected.pk]))
