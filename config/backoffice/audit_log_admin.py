"""The audit log in the back office: read-only, masked for users who may not see personal data."""

import json
from copy import copy
from ipaddress import ip_address
from typing import Any

from auditlog.models import LogEntry
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy
from unfold.contrib.filters.admin import TextFilter

from config.access.audit.events import ACTIONS, EVENTS
from config.foundation.admin.paginators import CappedPaginator
from config.foundation.admin.period_filter import PeriodFilter
from config.foundation.admin.read_only import ReadOnlyAdmin
from config.foundation.audit_log import record_access
from config.foundation.number_formats import join_label
from customers.identity.personal_data.masking import mask_json, mask_json_text, mask_text, may_see_personal

MAX_SHOWN = 5
MAX_TEXT = 300
LINK = '<a href="{}" class="text-primary-600 dark:text-primary-500">{}</a>'
ACTOR_KINDS = {
    "user": gettext_lazy("back-office user"),
    "api_key": gettext_lazy("API key"),
    "command": gettext_lazy("command"),
    "job": gettext_lazy("job"),
    "anonymous": gettext_lazy("unknown"),
}

DETAIL_LABELS = {
    "added": gettext_lazy("added"),
    "removed": gettext_lazy("removed"),
    "count": gettext_lazy("count"),
    "fields": gettext_lazy("fields"),
    "file": gettext_lazy("file"),
    "role": gettext_lazy("role"),
}


class ActionFilter(admin.SimpleListFilter):
    """Filters by what was done: a named event, or a plain change of an object."""

    title = gettext_lazy("action")
    parameter_name = "event"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        plain = [(str(action), label) for action, label in ACTIONS.items() if action != LogEntry.Action.ACCESS]
        return [*plain, *EVENTS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[LogEntry]) -> QuerySet[LogEntry]:
        value = self.value() or ""
        if value in EVENTS:
            return queryset.filter(additional_data__event=value)
        actions = {str(action) for action in ACTIONS}
        return queryset.filter(action=int(value)) if value in actions else queryset


class ActorFilter(TextFilter):
    """Filters by the complete name of a user, an API key, a job or a command."""

    title = gettext_lazy("actor (complete name)")
    parameter_name = "actor"

    def queryset(self, request: HttpRequest, queryset: QuerySet[LogEntry]) -> QuerySet[LogEntry]:
        name = (self.value() or "").strip()
        if not name:
            return queryset
        users = list(User.objects.filter(username=name).values_list("pk", flat=True))
        return queryset.filter(Q(additional_data__actor__name=name) | Q(actor_id__in=users))


class ObjectFilter(admin.SimpleListFilter):
    """Filters by the type of the object, such as `merchandising.rule`."""

    title = gettext_lazy("object")
    parameter_name = "resource_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        models = admin.site._registry
        return sorted(((m._meta.label_lower, capfirst(m._meta.verbose_name)) for m in models), key=lambda pair: pair[1])

    def queryset(self, request: HttpRequest, queryset: QuerySet[LogEntry]) -> QuerySet[LogEntry]:
        label, _point, model = (self.value() or "").partition(".")
        types = ContentType.objects.filter(app_label=label, model=model)
        return queryset.filter(content_type_id__in=list(types.values_list("pk", flat=True))) if model else queryset


class AuditLogAdmin(ReadOnlyAdmin):
    """Entries, the newest first. Nobody can add, change or delete one, not even a superuser."""

    paginator = CappedPaginator
    list_display = ["timestamp", "actor_label", "event_label", "object_link", "summary", "remote_addr"]
    list_display_links = ["timestamp"]
    list_filter = [ActionFilter, ActorFilter, ObjectFilter, ("timestamp", PeriodFilter)]
    list_filter_submit = True
    list_select_related = ["actor", "content_type"]
    search_fields = ["object_pk"]
    search_help_text = gettext_lazy("Enter the complete number or name of an object, or an IP address.")
    ordering = ["-id"]
    sortable_by: list[str] = []
    actions = None
    fields = [
        "timestamp",
        "actor_label",
        "actor_kind",
        "remote_addr",
        "event_label",
        "object_link",
        "details",
        "changed",
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return self.fields

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[LogEntry], search_term: str
    ) -> tuple[QuerySet[LogEntry], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        matches = Q(object_pk=term.removeprefix("#")) | Q(object_repr=term)
        if is_address(term):
            matches |= Q(remote_addr=term)
        return queryset.filter(matches), False

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        changelist = super().get_changelist_instance(request)
        changelist.result_list = show_entries(request, list(changelist.result_list))
        return changelist

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> LogEntry | None:
        entry = super().get_object(request, object_id, from_field)
        return show_entries(request, [entry])[0] if entry is not None else None

    @admin.display(description=gettext_lazy("actor"))
    def actor_label(self, obj: LogEntry) -> str:
        actor = get_actor(obj)
        return actor.get("name") or str(ACTOR_KINDS.get(actor.get("kind", ""), "–"))

    @admin.display(description=gettext_lazy("type of actor"))
    def actor_kind(self, obj: LogEntry) -> str:
        return str(ACTOR_KINDS.get(get_actor(obj).get("kind", ""), "–"))

    @admin.display(description=gettext_lazy("action"))
    def event_label(self, obj: LogEntry) -> str:
        event = get_data(obj).get("event", "")
        return str(EVENTS.get(event) or event or ACTIONS.get(obj.action, "–"))

    @admin.display(description=gettext_lazy("object"))
    def object_link(self, obj: LogEntry) -> SafeString | str:
        model = obj.content_type.model_class()
        name = capfirst(model._meta.verbose_name) if model else obj.content_type.model
        text = f"{name} {obj.object_repr}".strip()
        if not obj.object_pk or not getattr(obj, "may_open_object", False):
            return text
        meta = obj.content_type
        try:
            url = reverse(f"admin:{meta.app_label}_{meta.model}_change", args=[obj.object_pk])
        except NoReverseMatch:
            return text
        return format_html(LINK, url, text)

    @admin.display(description=pgettext_lazy("audit log", "details"))
    def summary(self, obj: LogEntry) -> str:
        parts = [join_label(DETAIL_LABELS.get(name, name), shorten(value)) for name, value in get_details(obj).items()]
        if obj.changes:
            parts.append(_("Fields: %(names)s") % {"names": ", ".join(obj.changes)})
        text = "; ".join(parts)
        return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…"

    @admin.display(description=pgettext_lazy("audit log", "details"))
    def details(self, obj: LogEntry) -> SafeString | str:
        rows = [(name, json.dumps(value, ensure_ascii=False)) for name, value in get_details(obj).items()]
        return format_html_join(SafeString("<br>"), "{}: {}", rows) or "–"

    @admin.display(description=gettext_lazy("changes"))
    def changed(self, obj: LogEntry) -> SafeString | str:
        rows = [(name, format_change(change)) for name, change in (obj.changes or {}).items()]
        return format_html_join(SafeString("<br>"), "{}: {}", rows) or "–"


def show_entries(request: HttpRequest, entries: list[LogEntry]) -> list[LogEntry]:
    """Return the entries as this user may see them.

    Entries of earlier versions contain traits and identifiers in plain text, so showing them is itself recorded.
    """
    for entry in entries:
        model = entry.content_type.model_class()
        may_open = model is not None and request.user.has_perm(f"{model._meta.app_label}.view_{model._meta.model_name}")
        entry.may_open_object = may_open
    masked = [mask_entry(entry) for entry in entries]
    if not may_see_personal(request):
        return masked
    personal = [entry.pk for entry, hidden in zip(entries, masked, strict=True) if is_different(entry, hidden)]
    record_access(model=LogEntry, pks=personal)
    return entries


def mask_entry(entry: LogEntry) -> LogEntry:
    """Return a copy with personal values masked; the name of the actor stays."""
    masked = copy(entry)
    masked.object_repr = mask_text(entry.object_repr)
    data = get_data(entry)
    masked.additional_data = mask_json({name: data[name] for name in data if name != "actor"}, among_traits=True)
    if "actor" in data:
        masked.additional_data["actor"] = data["actor"]
    masked.changes = {name: mask_change(change) for name, change in (entry.changes or {}).items()}
    return masked


def mask_change(change: Any) -> Any:
    """Return a change, the old and the new value as texts or as JSON, with personal values masked."""
    if isinstance(change, list | tuple):
        return [mask_json_text(value) if isinstance(value, str) else mask_json(value) for value in change]
    return mask_json(change, among_traits=True)


def is_different(entry: LogEntry, masked: LogEntry) -> bool:
    """Return whether masking changed a value."""
    return (entry.object_repr, get_data(entry), entry.changes or {}) != (
        masked.object_repr,
        masked.additional_data,
        masked.changes,
    )


def get_data(entry: LogEntry) -> dict[str, Any]:
    return entry.additional_data if isinstance(entry.additional_data, dict) else {}


def get_actor(entry: LogEntry) -> dict[str, Any]:
    """Return the actor as it was then, or the user of an entry of an earlier version."""
    if actor := get_data(entry).get("actor"):
        return dict(actor)
    return {"kind": "user", "name": entry.actor.get_username()} if entry.actor else {}


def get_details(entry: LogEntry) -> dict[str, Any]:
    """Return the details of an event, or the data that an earlier version stored."""
    data = get_data(entry)
    if "actor" in data:
        return dict(data.get("details") or {})
    return data


def shorten(value: Any) -> str:
    """Return a value of the details in one line."""
    if isinstance(value, list):
        shown = ", ".join(str(inner) for inner in value[:MAX_SHOWN])
        return f"{shown}, …" if len(value) > MAX_SHOWN else shown
    return str(value)


def format_change(change: Any) -> str:
    """Return the old and the new value."""
    if isinstance(change, list | tuple) and len(change) == 2:
        return f"{change[0]} → {change[1]}"
    return json.dumps(change, ensure_ascii=False)


def is_address(text: str) -> bool:
    """Return whether a text is an IP address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
