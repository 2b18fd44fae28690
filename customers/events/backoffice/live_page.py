"""The live page: the latest events, refreshed every two seconds."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.formats import number_format
from django.utils.timezone import get_current_timezone_name, localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from customers.events.backoffice.event_page import build_event_row, render_page
from customers.events.backoffice.latest_events import MAX_EVENTS, SCAN_LIMIT, EventQuery, find_latest_events
from customers.events.models import Event, Source
from customers.identity.personal_data.masking import may_see_personal


class LiveForm(forms.Form):
    """The filters of the live page."""

    source = forms.ModelChoiceField(Source.objects.all(), label=gettext_lazy("source"), required=False)
    type = forms.ChoiceField(
        label=gettext_lazy("type"), choices=[("", "---------"), *Event.Type.choices], required=False
    )
    name = forms.CharField(label=gettext_lazy("name"), max_length=200, required=False)
    who = forms.CharField(
        label=gettext_lazy("user, anonymous or message ID"), max_length=255, strip=True, required=False
    )

    def build_query(self) -> EventQuery:
        """Return the query; an invalid field does not restrict it."""
        self.is_valid()
        source = self.cleaned_data.get("source")
        texts = {name: self.cleaned_data.get(name, "") for name in ("type", "name", "who")}
        is_sandbox = source is not None and source.is_sandbox
        return EventQuery(source_id=source.pk if source else None, is_sandbox=is_sandbox, **texts)


def render_live_page(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    """Render the page with the first events in it."""
    form = LiveForm(request.GET)
    as_of = timezone.now()
    response = render_page(
        request,
        model_admin=model_admin,
        template="admin/events/live.html",
        title=_("Live events"),
        form=form,
        max_events=MAX_EVENTS,
        scan_limit=number_format(SCAN_LIMIT, force_grouping=True),
        time_zone=get_current_timezone_name(),
        data={
            "url": reverse("admin:events_live_rows"),
            "events": build_event_rows(request, query=form.build_query(), as_of=as_of),
            "labels": build_labels(),
        },
    )
    add_never_cache_headers(response)
    return response


def build_labels() -> dict[str, str]:
    """Return the texts that the page's script needs."""
    return {
        "pause": _("Pause"),
        "resume": _("Resume"),
        "paused": _("Paused"),
        "asOf": _("as of {at}"),
        "occurred": _("occurred at {at}"),
        "newEvents": _("New events: {n}"),
        "failed": _("No response; retrying in {seconds} s."),
        "loggedOut": _("You are logged out or no longer have permission to view events. Reload this page."),
        "simulated": _("simulated"),
        "sandbox": _("sandbox"),
    }


def render_live_rows(request: HttpRequest, *, model_admin: ModelAdmin) -> JsonResponse:
    """Return the events after the one with the id ``after``, as JSON for the live page."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    as_of = timezone.now()
    after = request.GET.get("after", "")
    events = build_event_rows(
        request,
        query=LiveForm(request.GET).build_query(),
        after=int(after) if after.isdecimal() and len(after) < 19 else 0,
        as_of=as_of,
    )
    response = JsonResponse({"at": f"{localtime(as_of):%H:%M:%S}", "events": events})
    add_never_cache_headers(response)
    return response


def build_event_rows(
    request: HttpRequest, *, query: EventQuery, after: int = 0, as_of: datetime
) -> list[dict[str, Any]]:
    """Return the latest events as rows, masked if this user may not see personal data."""
    with_personal = may_see_personal(request)
    today = localtime(as_of).date()
    return [
        build_event_row(event, today=today, with_personal=with_personal)
        for event in find_latest_events(query=query, after=after, as_of=as_of)
    ]
