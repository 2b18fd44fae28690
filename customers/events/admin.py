"""Back office: sources with their keys, events, refused events."""

import json
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from customers.events.counting import CappedPaginator
from customers.events.key_pages import KeyPages
from customers.events.models import Event, RejectedEvent, Source
from customers.events.write_keys import draw_write_key, forget_sources, issue_write_key


@admin.register(Source)
class SourceAdmin(KeyPages, ModelAdmin):
    list_display = ["name", "key", "kind", "enabled", "write_key_hint", "previous_key_expires_at", "created_at"]
    list_filter = ["kind", "enabled"]
    search_fields = ["name", "key"]
    readonly_fields = ["write_key_hint", "previous_key_expires_at", "created_at"]

    def draw_key(self, obj: Source, *, now: datetime) -> str:
        return draw_write_key(obj, now=now)

    def rotate_key(self, obj: Source, *, now: datetime, overlap: timedelta) -> str:
        return issue_write_key(source_id=obj.pk, now=now, overlap=overlap)

    def save_model(self, request: HttpRequest, obj: Source, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        forget_sources()


class ReadOnlyAdmin(ModelAdmin):
    """What arrived is shown and never edited; lists don't count millions of rows."""

    paginator = CappedPaginator
    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    list_display = ["occurred_at", "type", "name", "user_id", "anonymous_id", "products", "value", "currency", "source"]
    list_display_links = ["occurred_at"]
    list_filter = ["type", "source"]
    list_select_related = ["source"]
    search_fields = ["user_id__exact", "anonymous_id__exact"]
    search_help_text = _("A user id or an anonymous id, whole.")
    ordering = ["-id"]
    sortable_by: list[str] = []
    fields = [
        "type",
        "name",
        "source",
        "message_id",
        "user_id",
        "anonymous_id",
        "session_id",
        "occurred_at",
        "received_at",
        "products",
        "value",
        "currency",
        "recommendation_id",
        "properties_text",
        "context_text",
    ]

    def has_delete_permission(self, request: HttpRequest, obj: Event | None = None) -> bool:
        return False

    @admin.display(description=_("products"))
    def products(self, obj: Event) -> str:
        return ", ".join(obj.product_ids[:5]) + ("…" if len(obj.product_ids) > 5 else "")

    @admin.display(description=_("properties"))
    def properties_text(self, obj: Event) -> SafeString:
        return json_block(obj.properties)

    @admin.display(description=_("context"))
    def context_text(self, obj: Event) -> SafeString:
        return json_block(obj.context)


@admin.register(RejectedEvent)
class RejectedEventAdmin(ReadOnlyAdmin):
    list_display = ["received_at", "code", "reason", "source", "replayed_at"]
    list_filter = ["code", "source"]
    list_select_related = ["source"]
    search_fields = ["reason"]
    fields = ["received_at", "source", "code", "reason", "payload_text", "replayed_at"]

    @admin.display(description=_("payload"))
    def payload_text(self, obj: RejectedEvent) -> SafeString:
        return preformatted(obj.payload)


def json_block(value: Any) -> SafeString:
    return preformatted(json.dumps(value, ensure_ascii=False, indent=2))


def preformatted(text: str) -> SafeString:
    return format_html('<pre class="whitespace-pre-wrap break-all max-h-96 overflow-auto">{}</pre>', text)
