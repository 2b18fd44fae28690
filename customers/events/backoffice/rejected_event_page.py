"""The back office's page of one dead letter: what came, why it was refused, an editor to correct it and send it again.

Who may correct dead letters and not see personal data gets the payload with marks in the place of what is personal; the
marks are turned back when it is sent.
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

from customers.events.backoffice.access_audit import record_openings
from customers.events.dead_letters import rejected_events
from customers.events.dead_letters.rejection_reasons import reason_in_words
from customers.events.dead_letters.replay import NotOpenError, Replay, replay_rejected
from customers.events.models import RejectedEvent
from customers.events.payload_masking import (
    UnreadablePayloadError,
    mask_payload,
    mask_text,
    pretty,
    read_payload,
    unmask_payload,
)
from customers.identity.personal_data.encrypted_field import UnreadableFieldError

MAY_CORRECT = "events.change_rejectedevent"
MAY_SEE_PERSONAL = "identity.view_personal"
MOST_TEXT = 200_000  # what came can be larger than an event may be: that can be the reason


@dataclass(frozen=True, slots=True)
class ShownPayload:
    """A payload as its reader sees it. ``problem`` says why there is nothing to see."""

    stored: str
    text: str
    hidden: dict[str, Any]
    problem: str = ""

    @property
    def stamp(self) -> str:
        """Changes when somebody else stores another correction: marks would then stand for something else."""
        return sha256(self.stored.encode(errors="surrogatepass")).hexdigest()[:16]

    def restore(self, text: str) -> str:
        """What to send for the text of the editor."""
        text = text.replace("\r\n", "\n").strip()
        return self.stored if text == self.text.strip() else unmask_payload(text, self.hidden)


class LetterForm(forms.Form):
    text = forms.CharField(
        label=gettext_lazy("payload"),
        max_length=MOST_TEXT,
        widget=forms.Textarea(attrs={"class": "letter-text", "spellcheck": "false", "rows": 18}),
    )
    stamp = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, data: Any, *, shown: ShownPayload) -> None:
        super().__init__(data, initial={"text": shown.text, "stamp": shown.stamp})
        self.shown = shown

    def clean_stamp(self) -> str:
        if self.cleaned_data["stamp"] != self.shown.stamp:
            raise forms.ValidationError(
                _("Somebody else stored another correction in the meantime. Reload this page, and correct that one.")
            )
        return self.cleaned_data["stamp"]


def letter_page(request: HttpRequest, *, model_admin: ModelAdmin, letter_id: str) -> HttpResponse:
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    letters = rejected_events.sealed(RejectedEvent.objects.select_related("source"))
    letter = get_object_or_404(letters, pk=letter_id if letter_id.isdecimal() else None)
    shown = show_payload(letter, with_personal=request.user.has_perm(MAY_SEE_PERSONAL))
    form = LetterForm(request.POST if "text" in request.POST else None, shown=shown)
    outcome = None
    if request.method == "POST":
        if not request.user.has_perm(MAY_CORRECT):
            raise PermissionDenied
        if request.POST.get("do") in ("discard", "reopen"):
            return put_aside(request, model_admin, letter)
        if form.is_valid() and letter.status == RejectedEvent.Status.OPEN:
            payload = shown.restore(form.cleaned_data["text"])
            if request.POST.get("do") == "send":
                return send(request, model_admin, letter, payload)
            outcome = rejected_events.check_payload(rejected=letter, payload=payload)
    elif shown.text and request.user.has_perm(MAY_SEE_PERSONAL):
        record_openings(model=RejectedEvent, pks=[letter.pk], actor_id=request.user.pk)
    response = TemplateResponse(
        request, "admin/events/letter.html", context(request, model_admin, letter, shown, form, outcome)
    )
    add_never_cache_headers(response)
    return response


def show_payload(letter: RejectedEvent, *, with_personal: bool) -> ShownPayload:
    try:
        stored = rejected_events.payload_of(letter)
    except UnreadableFieldError as error:
        return ShownPayload("", "", {}, str(error))
    try:
        if with_personal:
            return ShownPayload(stored, pretty(read_payload(stored)), {})
        masked = mask_payload(stored)
        return ShownPayload(stored, masked.text, masked.hidden)
    except (UnreadablePayloadError, RecursionError):
        if with_personal:
            return ShownPayload(stored, stored, {})
    problem = _(
        "It is no JSON, so that nobody can say which parts of it are personal: only who may see personal data sees it."
    )
    return ShownPayload(stored, "", {}, problem)


def context(
    request: HttpRequest,
    model_admin: ModelAdmin,
    letter: RejectedEvent,
    shown: ShownPayload,
    form: LetterForm,
    outcome: Replay | None,
) -> dict[str, Any]:
    is_open = letter.status == RejectedEvent.Status.OPEN
    may = request.user.has_perm
    event = rejected_events.event_of(letter)
    return {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": _("Rejected event %(number)s") % {"number": f"#{letter.pk}"},
        "letter": letter,
        "words": reason_in_words(letter.code),
        "reason": letter.reason if may(MAY_SEE_PERSONAL) else mask_text(letter.reason),
        "age": timesince(letter.received_at, timezone.now(), depth=1),
        "source_page": reverse("admin:events_source_change", args=[letter.source_id])
        if letter.source_id and may("events.view_source")
        else "",
        "event_page": reverse("admin:events_event_change", args=[event.pk])
        if event and may("events.view_event")
        else "",
        "shown": shown,
        "form": form,
        "outcome": outcome,
        "outcome_words": reason_in_words(outcome.code) if outcome and outcome.code else "",
        "outcome_reason": "" if not outcome else outcome.reason if may(MAY_SEE_PERSONAL) else mask_text(outcome.reason),
        "may_correct": may(MAY_CORRECT) and is_open and not shown.problem,
        "may_discard": may(MAY_CORRECT) and is_open,
        "may_reopen": may(MAY_CORRECT) and letter.status == RejectedEvent.Status.DISCARDED,
        "marks": len(shown.hidden),
    }


def send(request: HttpRequest, model_admin: ModelAdmin, letter: RejectedEvent, payload: str) -> HttpResponse:
    try:
        outcome = replay_rejected(rejected_id=letter.pk, payload=payload, at=timezone.now())
    except NotOpenError:
        messages.error(request, _("Somebody else was faster: this rejected event is not open any more."))
        return back_to(letter)
    if not outcome.accepted:
        messages.error(request, _("It was rejected again: %(reason)s") % {"reason": reason_in_words(outcome.code)})
        model_admin.log_change(request, letter, _("Sent again and rejected (%(code)s).") % {"code": outcome.code})
    elif outcome.duplicate:
        messages.warning(request, _("An event with this message id had been taken before; nothing was added."))
        model_admin.log_change(request, letter, _("Sent again; it had been taken before."))
    else:
        messages.success(request, _("It was taken. It is processed like any other event."))
        model_admin.log_change(request, letter, _("Sent again and taken."))
    return back_to(letter)


def put_aside(request: HttpRequest, model_admin: ModelAdmin, letter: RejectedEvent) -> HttpResponse:
    one = RejectedEvent.objects.filter(pk=letter.pk)
    if request.POST["do"] == "discard" and rejected_events.discard(letters=one):
        messages.success(request, _("It was discarded. It is kept until rejected events of its age are deleted."))
        model_admin.log_change(request, letter, _("Discarded."))
    elif request.POST["do"] == "reopen" and rejected_events.reopen(letters=one):
        messages.success(request, _("It is open again."))
        model_admin.log_change(request, letter, _("Opened again."))
    return back_to(letter)


def back_to(letter: RejectedEvent) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("admin:events_rejectedevent_change", args=[letter.pk]))
