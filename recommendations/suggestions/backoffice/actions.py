"""Accepts, dismisses and reopens suggestions."""

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from recommendations.suggestions.backoffice.cards import DECIDE
from recommendations.suggestions.deciding import (
    accept_suggestion,
    dismiss_suggestion,
    find_suggestion,
    reopen_suggestion,
)
from recommendations.suggestions.models import MAX_NOTE, SuggestionDecision
from recommendations.suggestions.registry import KINDS
from recommendations.suggestions.suggestion import StartError, Suggestion


class DismissalForm(forms.Form):
    """Why a suggestion is dismissed."""

    reason = forms.ChoiceField(choices=SuggestionDecision.Reason.choices)
    note = forms.CharField(max_length=MAX_NOTE, required=False)


@require_POST
def accept(request: HttpRequest, kind: str, key: str) -> HttpResponse:
    """Create the draft of a suggestion, and start it if the user requests that and has the permission."""
    user, suggestion = read_suggestion(request, kind, key)
    if suggestion is None:
        return report_outdated(request)
    now, is_start = timezone.now(), request.POST.get("action") == "start"
    if is_start and not (KINDS[kind].start_permissions and user.has_perms(KINDS[kind].start_permissions)):
        raise PermissionDenied
    try:
        draft = accept_suggestion(suggestion, by=user, now=now)
    except LookupError:
        return report_outdated(request)
    if not draft.is_new:
        messages.info(request, _("There is a draft for this suggestion already."))
    elif not is_start:
        messages.info(request, _("Draft created. Nothing happens until you start it."))
    else:
        try:
            KINDS[kind].start(draft, by=user, now=now)
        except StartError as error:
            messages.warning(request, _("The draft was created, but it cannot be started yet:"))
            for problem in error.problems:
                messages.error(request, problem)
        else:
            messages.success(request, _("Started. Its results will appear on the Suggestions page."))
            return HttpResponseRedirect(reverse("suggestions:list"))
    return HttpResponseRedirect(draft.url)


@require_POST
def dismiss(request: HttpRequest, kind: str, key: str) -> HttpResponse:
    user, suggestion = read_suggestion(request, kind, key)
    if suggestion is None:
        return report_outdated(request)
    form = DismissalForm(request.POST)
    if not form.is_valid():
        for problems in form.errors.values():
            messages.error(request, str(problems[0]))
        return return_back(request)
    dismiss_suggestion(suggestion, **form.cleaned_data, by=user, now=timezone.now())
    messages.success(
        request, _("Dismissed. Similar suggestions will rank lower. You can undo this on the Suggestions page.")
    )
    return return_back(request)


@require_POST
def reopen(request: HttpRequest, decision_id: int) -> HttpResponse:
    """Withdraw a dismissal."""
    decision = get_object_or_404(SuggestionDecision, pk=decision_id)
    check_kind(request, decision.kind)
    if reopen_suggestion(decision, now=timezone.now()):
        messages.success(request, _("The suggestion can appear again."))
    return HttpResponseRedirect(reverse("suggestions:list"))


def read_suggestion(request: HttpRequest, kind: str, key: str) -> tuple[User, Suggestion | None]:
    """Return the user and the suggestion. Raises Http404 for an unknown kind, PermissionDenied without permission."""
    user = check_kind(request, kind)
    return user, find_suggestion(kind, key, as_of=timezone.now())


def check_kind(request: HttpRequest, kind: str) -> User:
    if kind not in KINDS:
        raise Http404(f"Unknown suggestion kind {kind[:40]!r}; valid: {', '.join(KINDS)}.")
    user = request.user
    if not isinstance(user, User) or not user.has_perms((DECIDE, *KINDS[kind].permissions)):
        raise PermissionDenied
    return user


def report_outdated(request: HttpRequest) -> HttpResponse:
    messages.info(request, _("This suggestion no longer applies."))
    return return_back(request)


def return_back(request: HttpRequest) -> HttpResponse:
    """Redirect to the page where the button was clicked, which the form sends as ``next``."""
    page = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(
        page, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return HttpResponseRedirect(page if is_ours else reverse("suggestions:list"))
