"""The page of the events and properties that have arrived lately."""

from typing import Any

from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.tables import Cell, Column, build_table
from config.foundation.number_formats import format_count, format_moment, format_whole_percent
from customers.events.schema_seen import SAMPLE_EVENTS, SeenEvent, describe_seen_events
from customers.identity.personal_data.masking import mask_text, may_see_personal

MAX_PROPERTIES = 12
COLUMNS = (
    Column(key="name", label=gettext_lazy("Event"), sort="name", align="text"),
    Column(key="source", label=gettext_lazy("Source"), sort="source", align="text"),
    Column(key="count", label=gettext_lazy("Events"), sort="count"),
    Column(key="last", label=gettext_lazy("Last received"), sort="last_at"),
    Column(key="properties", label=gettext_lazy("Properties"), align="text wraps"),
)


def render_schema_page(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    """Render the table of events with their properties."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    with_personal = may_see_personal(request)
    events = describe_seen_events()
    total = sum(event.count for event in events)
    verdict = _(
        "The latest %(count)s events, by name and source, with the share of events that have each property."
    ) % {"count": format_count(min(total, SAMPLE_EVENTS))}
    table = build_table(
        request,
        events,
        id="schema",
        label=_("Events seen"),
        columns=COLUMNS,
        format_row=lambda event: format_row(event, with_personal=with_personal),
        default_sort="-count",
    )
    return render_page(
        request, "admin/events/schema.html", title=_("Events seen"), verdict=verdict if events else "", table=table
    )


def format_row(event: SeenEvent, *, with_personal: bool) -> dict[str, Any]:
    name = mask_text(event.name or event.type, with_personal=with_personal)
    shown = [
        f"{mask_text(seen.name, with_personal=with_personal)} ({' / '.join(seen.kinds)}, {format_whole_percent(seen.share)})"
        for seen in event.properties[:MAX_PROPERTIES]
    ]
    rest = len(event.properties) - len(shown)
    return {
        "name": Cell(name, f"{reverse('admin:events_live')}?source={event.source_id}"),
        "source": event.source,
        "count": format_count(event.count),
        "last": format_moment(event.last_at),
        "properties": ", ".join(shown) + (f" +{rest}" if rest else "") or "–",
    }
