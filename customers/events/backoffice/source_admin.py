"""Back office of sources: write keys, allowed origins, and what they sent in the last 24 hours."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import action

from config.foundation.admin.model_admin import ModelAdmin
from config.foundation.audit_log import record_action
from config.foundation.number_formats import format_count, format_percent
from config.foundation.rest.origins import clean_origins
from customers.events.backoffice.activity import SourceActivity, measure_source_activity
from customers.events.backoffice.key_pages import KeyPages
from customers.events.models import Source
from customers.events.sources.snippets import build_snippets
from customers.events.sources.token_snippets import build_token_snippets
from customers.events.sources.user_tokens import read_token_key, rotate_token_key
from customers.events.sources.write_keys import clear_source_cache, generate_write_key, rotate_write_key

LINK = '<a href="{}" class="text-primary-600 dark:text-primary-500">{}</a>'


class SourceForm(forms.ModelForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if origins := self.fields.get("allowed_origins"):
            origins.widget.attrs["rows"] = 2
            origins.help_text = _(
                "For example https://shop.example, https://www.shop.example; leave empty to allow every origin."
            )

    def clean_allowed_origins(self) -> list[str]:
        """Reject anything but scheme, host and port, which is all that a browser sends as its origin."""
        return clean_origins(self.cleaned_data["allowed_origins"])


@admin.register(Source)
class SourceAdmin(KeyPages, ModelAdmin):
    form = SourceForm
    list_display = [
        "labeled_name",
        "kind",
        "enabled",
        "write_key_hint",
        "last_event",
        "events_in_24_hours",
        "rejected_in_24_hours",
        "previous_key_expires_at",
    ]
    list_filter = ["kind", "enabled", "is_simulated", "is_sandbox"]
    search_fields = ["name", "key"]
    ordering = ["key"]
    fields = [
        "key",
        "name",
        "kind",
        "enabled",
        "allowed_origins",
        "requires_user_token",
        "honours_opt_out",
        "is_sandbox",
        "retention_days",
        "write_key_hint",
        "previous_key_expires_at",
        "created_at",
    ]
    readonly_fields = ["write_key_hint", "previous_key_expires_at", "created_at"]
    change_form_outer_before_template = "admin/events/source_activity.html"
    actions_detail = [*KeyPages.actions_detail, "show_token_key"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        # cannot be changed later, because events that are already stored would stay in their table
        return [*self.readonly_fields, "is_sandbox"] if obj is not None else list(self.readonly_fields)

    def generate_key(self, obj: Source, *, now: datetime) -> str:
        return generate_write_key(obj, now=now)

    def rotate_key(self, obj: Source, *, now: datetime, overlap: timedelta) -> str:
        return rotate_write_key(source_id=obj.pk, now=now, overlap=overlap)

    @action(description=gettext_lazy("User tokens"), icon="verified_user", url_path="user-tokens")
    def show_token_key(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the key of the user tokens, with code that makes tokens; a POST replaces the key."""
        source = self.get_object(request, object_id)
        if source is None:
            raise Http404
        if not self.has_change_permission(request, source):
            raise PermissionDenied
        if request.method == "POST" or not read_token_key(source.sealed_token_key):
            token_key = rotate_token_key(source_id=source.pk)
            clear_source_cache()
            self.log_change(request, source, str(gettext_lazy("User token key changed.")))
        else:
            token_key = read_token_key(source.sealed_token_key)
            self.log_change(request, source, str(gettext_lazy("User token key viewed.")))
        record_action("token_key.shown", instance=source, label=source.name)
        context = super().build_page_context(
            request,
            source,
            title=_("User tokens"),
            token_key=token_key,
            snippets=build_token_snippets(token_key=token_key),
            was_replaced=request.method == "POST",
        )
        response = TemplateResponse(request, "admin/events/user_tokens.html", context)
        add_never_cache_headers(response)
        return response

    def save_model(self, request: HttpRequest, obj: Source, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        clear_source_cache()

    def build_page_context(self, request: HttpRequest, obj: Source, **context: Any) -> dict[str, Any]:
        """Add code snippets with the new key to the page that shows it."""
        if plain_key := context.get("plain_key"):
            context["snippets"] = build_snippets(host=get_host(request), write_key=plain_key, kind=obj.kind)
            if request.user.has_perm("events.view_event"):
                context["live_url"] = build_live_url(obj)
        return super().build_page_context(request, obj, **context)

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Attach the activity of all listed sources, by two queries for the whole page."""
        changelist = super().get_changelist_instance(request)
        sources = list(changelist.result_list)
        activity = measure_source_activity(source_ids=[source.pk for source in sources], as_of=timezone.now())
        for source in sources:
            source.activity = activity[source.pk]
        changelist.result_list = sources
        return changelist

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        source = self.get_object(request, object_id)
        if source is not None and self.has_view_permission(request, source):
            extra_context = {**(extra_context or {}), **self.build_activity_context(request, source)}
        return super().change_view(request, object_id, form_url, extra_context)

    def build_activity_context(self, request: HttpRequest, source: Source) -> dict[str, Any]:
        """Return what the page shows about the last day, and the snippets of a source without events."""
        as_of = timezone.now()
        activity = measure_source_activity(source_ids=[source.pk], as_of=as_of)[source.pk]
        has_permission = request.user.has_perm
        rejected_url = f"{reverse('admin:events_rejectedevent_changelist')}?status=all&source__id__exact={source.pk}"
        rotate = reverse("admin:events_source_rotate", args=[source.pk])
        return {
            "activity": activity,
            "last_event_age": format_age(activity.last_event_at, as_of=as_of) if activity.last_event_at else "",
            "live_url": build_live_url(source),
            "rejected_url": rejected_url if has_permission("events.view_rejectedevent") else "",
            "rotate_url": rotate if self.has_change_permission(request, source) else "",
            "snippets": build_snippets(host=get_host(request), kind=source.kind),
            "accepts_any_user_id": not source.is_trusted and not source.requires_user_token,
            "token_url": reverse("admin:events_source_show_token_key", args=[source.pk]),
        }

    @admin.display(description=gettext_lazy("name"), ordering="name")
    def labeled_name(self, obj: Source) -> SafeString | str:
        badge = _("sandbox") if obj.is_sandbox else _("simulated") if obj.is_simulated else ""
        return format_html('{} <span class="home-badge">{}</span>', obj.name, badge) if badge else obj.name

    @admin.display(description=gettext_lazy("last event"))
    def last_event(self, obj: Source) -> SafeString | str:
        at = get_activity(obj).last_event_at
        if at is None:
            return "–"
        age = format_age(at, as_of=timezone.now())
        return format_html('<time datetime="{}">{}</time>', at.isoformat(), age)

    @admin.display(description=gettext_lazy("events in 24 hours"))
    def events_in_24_hours(self, obj: Source) -> str:
        return format_count(get_activity(obj).events)

    @admin.display(description=gettext_lazy("rejected in 24 hours"))
    def rejected_in_24_hours(self, obj: Source) -> SafeString | int:
        activity = get_activity(obj)
        if not activity.rejected:
            return 0
        url = reverse("admin:events_rejectedevent_changelist")
        share = format_percent(activity.rejected / (activity.events + activity.rejected))
        return format_html(
            LINK, f"{url}?status=all&source__id__exact={obj.pk}", f"{format_count(activity.rejected)} ({share})"
        )


def get_activity(source: Source) -> SourceActivity:
    """Return the activity attached to a listed source."""
    return source.activity  # type: ignore[attr-defined]  # attached by get_changelist_instance


def format_age(at: datetime, *, as_of: datetime) -> str:
    """Return how long ago a moment was."""
    if as_of - at < timedelta(minutes=1):
        return _("just now")
    return _("%(age)s ago") % {"age": timesince(at, as_of, depth=1)}


def get_host(request: HttpRequest) -> str:
    """Return scheme and host of this site."""
    return request.build_absolute_uri("/").rstrip("/")


def build_live_url(source: Source) -> str:
    """Return the URL of the live page for one source."""
    return f"{reverse('admin:events_live')}?source={source.pk}"
