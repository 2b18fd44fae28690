"""Back office of events: the list, the page of one event, and the live and per-minute pages."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy

from config.foundation.admin.paginators import CappedPaginator
from config.foundation.admin.read_only import ReadOnlyAdmin
from customers.events.backoffice import event_page, live_page, minutes_page, schema_page
from customers.events.models import Event
from customers.events.payload_masking import format_indented
from customers.identity.backoffice.audited_reads import AuditedReads
from customers.identity.personal_data.masking import PERSONAL_PART, mask_id, mask_text, may_see_personal

LINK = '<a href="{}" class="text-primary-600 dark:text-primary-500">{}</a>'


@admin.register(Event)
class EventAdmin(AuditedReads, ReadOnlyAdmin):
    """Events, masked for users who may not see personal data; the audit log records who opened one with personal data."""

    paginator = CappedPaginator
    list_display = [
        "occurred_at",
        "type",
        "name",
        "user_id",
        "anonymous_id",
        "products",
        "value",
        "currency",
        "source",
    ]
    list_display_links = ["occurred_at"]
    list_filter = ["type", "source"]
    linked_filters = ("received_at",)  # by the page of events per minute
    list_select_related = ["source"]
    search_fields = ["user_id__exact", "anonymous_id__exact"]
    search_help_text = gettext_lazy("Enter a complete user ID or anonymous ID.")
    ordering = ["-id"]
    sortable_by: list[str] = []
    fields = [
        "type",
        "name",
        "source_link",
        "customer_link",
        "message_id",
        "user_id",
        "anonymous_id",
        "session_id",
        "occurred",
        "received",
        "products",
        "value",
        "currency",
        "recommendation_id",
        "properties_text",
        "context_text",
    ]
    change_form_outer_after_template = "admin/events/event_context.html"

    def get_urls(self) -> list[URLPattern]:
        def wrap_view(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
            return self.admin_site.admin_view(partial(view, model_admin=self))

        return [
            path("live/", wrap_view(live_page.render_live_page), name="events_live"),
            path("live/rows/", wrap_view(live_page.render_live_rows), name="events_live_rows"),
            path("minutes/", wrap_view(minutes_page.render_minutes_page), name="events_minutes"),
            path("schema/", wrap_view(schema_page.render_schema_page), name="events_schema"),
            *super().get_urls(),
        ]

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Event | None:
        event = super().get_object(request, object_id, from_field)
        if event is None:
            return None
        event.links = event_page.build_links(request, event)
        event.surroundings = event_page.build_surroundings(request, event)
        if not may_see_personal(request):
            event_page.mask_event(event)
        elif PERSONAL_PART in event.properties:
            event_page.unseal_event(event)
        return event

    def get_list_display(self, request: HttpRequest) -> list[str]:
        if may_see_personal(request):
            return list(self.list_display)
        masked = {"name": "masked_name", "user_id": "masked_user_id", "anonymous_id": "masked_anonymous_id"}
        return [masked.get(name, name) for name in self.list_display]

    @admin.display(description=gettext_lazy("name"))
    def masked_name(self, obj: Event) -> str:
        return mask_text(obj.name)

    @admin.display(description=gettext_lazy("user ID"))
    def masked_user_id(self, obj: Event) -> str:
        return mask_id(obj.user_id)

    @admin.display(description=gettext_lazy("anonymous ID"))
    def masked_anonymous_id(self, obj: Event) -> str:
        return mask_id(obj.anonymous_id)

    @admin.display(description=gettext_lazy("source"))
    def source_link(self, obj: Event) -> SafeString | str:
        return format_link(*obj.links["source"])  # type: ignore[attr-defined]

    @admin.display(description=gettext_lazy("customer"))
    def customer_link(self, obj: Event) -> SafeString | str:
        return format_link(*obj.links["customer"])  # type: ignore[attr-defined]

    @admin.display(description=gettext_lazy("occurred at"))
    def occurred(self, obj: Event) -> str:
        return format_exact(obj.occurred_at)

    @admin.display(description=gettext_lazy("received at"))
    def received(self, obj: Event) -> str:
        return format_exact(obj.received_at)

    @admin.display(description=gettext_lazy("products"))
    def products(self, obj: Event) -> str:
        return ", ".join(obj.product_ids[:5]) + ("…" if len(obj.product_ids) > 5 else "")

    @admin.display(description=gettext_lazy("properties"))
    def properties_text(self, obj: Event) -> SafeString:
        return format_preformatted(format_indented(obj.properties))

    @admin.display(description=gettext_lazy("context"))
    def context_text(self, obj: Event) -> SafeString:
        return format_preformatted(format_indented(obj.context))


def format_exact(moment: datetime) -> str:
    """Return a time to the millisecond, because events of one click are only milliseconds apart."""
    return localtime(moment).isoformat(sep=" ", timespec="milliseconds")


def format_link(text: str, url: str) -> SafeString | str:
    """Return a link, or the text alone if there is no URL."""
    return format_html(LINK, url, text) if url else text


def format_preformatted(text: str) -> SafeString:
    """Return a text in a scrolling box that keeps its line breaks."""
    return format_html('<pre class="whitespace-pre-wrap break-all max-h-96 overflow-auto">{}</pre>', text)
