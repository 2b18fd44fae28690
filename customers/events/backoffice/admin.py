"""Back office: sources with their keys, events, dead letters."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode, urlsplit

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.admin import ModelAdmin
from unfold.decorators import display

from config.foundation.admin.paginators import CappedPaginator
from customers.events.backoffice import pages, rejected_event_page
from customers.events.backoffice.access_audit import record_openings
from customers.events.backoffice.activity import SourceActivity, source_activity
from customers.events.backoffice.key_pages import KeyPages
from customers.events.dead_letters import rejected_events
from customers.events.dead_letters.rejected_events import Letters
from customers.events.dead_letters.rejection_reasons import reason_in_words
from customers.events.models import Event, RejectedEvent, Source
from customers.events.payload_masking import PERSONAL_PART, mask_text, pretty
from customers.events.sources.snippets import snippets
from customers.events.sources.write_keys import draw_write_key, forget_sources, issue_write_key

MAY_SEE_PERSONAL = pages.MAY_SEE_PERSONAL
LINK = '<a href="{}" class="text-primary-600 dark:text-primary-500">{}</a>'


class SourceForm(forms.ModelForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if origins := self.fields.get("allowed_origins"):
            origins.widget.attrs["rows"] = 2
            origins.help_text = _("Such as https://shop.example, https://www.shop.example; empty allows every origin.")

    def clean_allowed_origins(self) -> list[str]:
        """A browser sends scheme, host and port: whatever else stands here would never match."""
        origins = []
        for stated in self.cleaned_data["allowed_origins"]:
            parts = urlsplit(stated.strip())
            if parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/") or parts.query:
                message = _("“%(origin)s” is no origin; give scheme and host, such as https://shop.example.")
                raise forms.ValidationError(message % {"origin": stated})
            origins.append(f"{parts.scheme}://{parts.netloc.lower()}")
        return list(dict.fromkeys(origins))


@admin.register(Source)
class SourceAdmin(KeyPages, ModelAdmin):
    form = SourceForm
    list_display = [
        "shown_name",
        "kind",
        "enabled",
        "write_key_hint",
        "last_event",
        "events_in_a_day",
        "rejected_in_a_day",
        "previous_key_expires_at",
    ]
    list_filter = ["kind", "enabled", "is_simulated"]
    search_fields = ["name", "key"]
    ordering = ["key"]
    fields = [
        "key",
        "name",
        "kind",
        "enabled",
        "allowed_origins",
        "honours_opt_out",
        "retention_days",
        "write_key_hint",
        "previous_key_expires_at",
        "created_at",
    ]
    readonly_fields = ["write_key_hint", "previous_key_expires_at", "created_at"]
    change_form_outer_before_template = "admin/events/source_activity.html"

    def draw_key(self, obj: Source, *, now: datetime) -> str:
        return draw_write_key(obj, now=now)

    def rotate_key(self, obj: Source, *, now: datetime, overlap: timedelta) -> str:
        return issue_write_key(source_id=obj.pk, now=now, overlap=overlap)

    def save_model(self, request: HttpRequest, obj: Source, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        forget_sources()

    def page(self, request: HttpRequest, obj: Source, **context: Any) -> dict[str, Any]:
        """The page on which the key is shown has it in the snippets as well."""
        if plain_key := context.get("plain_key"):
            context["snippets"] = snippets(host=host_of(request), write_key=plain_key, kind=obj.kind)
            if request.user.has_perm("events.view_event"):
                context["live_address"] = live_address(obj)
        return super().page(request, obj, **context)

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """The activity of all sources of the page is asked for at once."""
        changelist = super().get_changelist_instance(request)
        sources = list(changelist.result_list)
        activity = source_activity(source_ids=[source.pk for source in sources], as_of=timezone.now())
        for source in sources:
            source.activity = activity[source.pk]
        changelist.result_list = sources
        return changelist

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        source = self.get_object(request, object_id)
        if source is not None and self.has_view_permission(request, source):
            extra_context = {**(extra_context or {}), **self.activity_of(request, source)}
        return super().change_view(request, object_id, form_url, extra_context)

    def activity_of(self, request: HttpRequest, source: Source) -> dict[str, Any]:
        as_of = timezone.now()
        activity = source_activity(source_ids=[source.pk], as_of=as_of)[source.pk]
        may = request.user.has_perm
        rejected_address = (
            f"{reverse('admin:events_rejectedevent_changelist')}?status=all&source__id__exact={source.pk}"
        )
        rotate = reverse("admin:events_source_rotate", args=[source.pk])
        return {
            "activity": activity,
            "last_event_age": age_in_words(activity.last_event_at, as_of=as_of) if activity.last_event_at else "",
            "live_address": live_address(source),
            "dead_letters_address": rejected_address if may("events.view_rejectedevent") else "",
            "rotate_address": rotate if self.has_change_permission(request, source) else "",
            "snippets": snippets(host=host_of(request), kind=source.kind),
        }

    @admin.display(description=gettext_lazy("name"), ordering="name")
    def shown_name(self, obj: Source) -> SafeString | str:
        if not obj.is_simulated:
            return obj.name
        return format_html('{} <span class="home-badge">{}</span>', obj.name, _("simulated"))

    @admin.display(description=gettext_lazy("last event"))
    def last_event(self, obj: Source) -> SafeString | str:
        at = activity_on(obj).last_event_at
        if at is None:
            return "–"
        age = age_in_words(at, as_of=timezone.now())
        return format_html('<time datetime="{}">{}</time>', at.isoformat(), age)

    @admin.display(description=gettext_lazy("events in 24 hours"))
    def events_in_a_day(self, obj: Source) -> int:
        return activity_on(obj).events

    @admin.display(description=gettext_lazy("rejected in 24 hours"))
    def rejected_in_a_day(self, obj: Source) -> SafeString | int:
        rejected = activity_on(obj).rejected
        if not rejected:
            return 0
        address = reverse("admin:events_rejectedevent_changelist")
        return format_html(LINK, f"{address}?status=all&source__id__exact={obj.pk}", rejected)


def activity_on(source: Source) -> SourceActivity:
    return source.activity  # type: ignore[attr-defined]  # put there for the whole list


def age_in_words(at: datetime, *, as_of: datetime) -> str:
    if as_of - at < timedelta(minutes=1):
        return _("just now")
    return _("%(age)s ago") % {"age": timesince(at, as_of, depth=1)}


def host_of(request: HttpRequest) -> str:
    return request.build_absolute_uri("/").rstrip("/")


def live_address(source: Source) -> str:
    return f"{reverse('admin:events_live')}?source={source.pk}"


class ReadOnlyAdmin(ModelAdmin):
    """What arrived is shown and never edited; lists don't count millions of rows."""

    paginator = CappedPaginator
    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    """Who may not see personal data reads events without it; opening one with it is recorded in the audit log."""

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
    list_select_related = ["source"]
    search_fields = ["user_id__exact", "anonymous_id__exact"]
    search_help_text = gettext_lazy("A user id or an anonymous id, whole.")
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
    change_form_outer_after_template = "admin/events/around.html"

    def get_urls(self) -> list[URLPattern]:
        def page(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
            return self.admin_site.admin_view(partial(view, model_admin=self))

        return [
            path("live/", page(pages.live_page), name="events_live"),
            path("live/rows/", page(pages.live_rows), name="events_live_rows"),
            path("minutes/", page(pages.minutes_page), name="events_minutes"),
            *super().get_urls(),
        ]

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Event | None:
        event = super().get_object(request, object_id, from_field)
        if event is None:
            return None
        event.links = pages.links_of(request, event)
        event.around = pages.around(request, event)
        if not request.user.has_perm(MAY_SEE_PERSONAL):
            pages.cover(event)
        elif PERSONAL_PART in event.properties:
            record_openings(model=Event, pks=[event.pk], actor_id=request.user.pk)
            pages.uncover(event)
        return event

    def get_list_display(self, request: HttpRequest) -> list[str]:
        if request.user.has_perm(MAY_SEE_PERSONAL):
            return list(self.list_display)
        masked = {"name": "masked_name", "user_id": "masked_user_id", "anonymous_id": "masked_anonymous_id"}
        return [masked.get(name, name) for name in self.list_display]

    @admin.display(description=gettext_lazy("name"))
    def masked_name(self, obj: Event) -> str:
        return mask_text(obj.name)

    @admin.display(description=gettext_lazy("user id"))
    def masked_user_id(self, obj: Event) -> str:
        return mask_text(obj.user_id)

    @admin.display(description=gettext_lazy("anonymous id"))
    def masked_anonymous_id(self, obj: Event) -> str:
        return mask_text(obj.anonymous_id)

    @admin.display(description=gettext_lazy("source"))
    def source_link(self, obj: Event) -> SafeString | str:
        return linked(*obj.links["source"])  # type: ignore[attr-defined]

    @admin.display(description=gettext_lazy("customer"))
    def customer_link(self, obj: Event) -> SafeString | str:
        return linked(*obj.links["customer"])  # type: ignore[attr-defined]

    @admin.display(description=gettext_lazy("occurred at"))
    def occurred(self, obj: Event) -> str:
        return exact(obj.occurred_at)

    @admin.display(description=gettext_lazy("received at"))
    def received(self, obj: Event) -> str:
        return exact(obj.received_at)

    @admin.display(description=gettext_lazy("products"))
    def products(self, obj: Event) -> str:
        return ", ".join(obj.product_ids[:5]) + ("…" if len(obj.product_ids) > 5 else "")

    @admin.display(description=gettext_lazy("properties"))
    def properties_text(self, obj: Event) -> SafeString:
        return preformatted(pretty(obj.properties))

    @admin.display(description=gettext_lazy("context"))
    def context_text(self, obj: Event) -> SafeString:
        return preformatted(pretty(obj.context))


def exact(moment: datetime) -> str:
    """To the millisecond: events of one click differ by no more."""
    return localtime(moment).isoformat(sep=" ", timespec="milliseconds")


def linked(text: str, address: str) -> SafeString | str:
    return format_html(LINK, address, text) if address else text


def preformatted(text: str) -> SafeString:
    return format_html('<pre class="whitespace-pre-wrap break-all max-h-96 overflow-auto">{}</pre>', text)


class StatusFilter(admin.SimpleListFilter):
    """Open ones, unless another choice is made."""

    title = gettext_lazy("status")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        status = RejectedEvent.Status
        return [
            (status.REPLAYED, status.REPLAYED.label),
            (status.DISCARDED, status.DISCARDED.label),
            ("all", _("All")),
        ]

    def choices(self, changelist: Any) -> Iterator[Any]:
        for value, label in [(None, RejectedEvent.Status.OPEN.label), *self.lookup_choices]:
            yield {
                "selected": self.value() == value,
                "query_string": changelist.get_query_string({self.parameter_name: value})
                if value
                else changelist.get_query_string(remove=[self.parameter_name]),
                "display": label,
            }

    def queryset(self, request: HttpRequest, queryset: Letters) -> Letters:
        if self.value() == "all":
            return queryset
        return queryset.filter(status=self.value() or RejectedEvent.Status.OPEN)


class AgeFilter(admin.SimpleListFilter):
    title = gettext_lazy("age")
    parameter_name = "age"
    YOUNGER = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("hour", _("an hour at most")),
            ("day", _("a day at most")),
            ("week", _("a week at most")),
            ("older", _("more than a week")),
        ]

    def queryset(self, request: HttpRequest, queryset: Letters) -> Letters:
        if self.value() == "older":
            return queryset.filter(received_at__lt=timezone.now() - self.YOUNGER["week"])
        if age := self.YOUNGER.get(self.value() or ""):
            return queryset.filter(received_at__gte=timezone.now() - age)
        return queryset


@admin.register(RejectedEvent)
class RejectedEventAdmin(ReadOnlyAdmin):
    """Reasons can be searched; payloads are encrypted."""

    list_display = ["received_at", "masked_why", "shown_status", "age", "source", "replayed_as"]
    list_filter = [StatusFilter, "code", "source", AgeFilter]
    list_select_related = ["source"]
    search_fields = ["reason"]
    search_help_text = gettext_lazy("A part of the reason; payloads are encrypted and cannot be searched.")
    sortable_by: list[str] = []
    list_before_template = "admin/events/open_reasons.html"
    actions = ["send_again", "discard", "export"]

    def get_queryset(self, request: HttpRequest) -> Letters:
        return super().get_queryset(request).defer("payload", "corrected_payload")

    def has_correct_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(rejected_event_page.MAY_CORRECT)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        now = timezone.now()
        address = reverse("admin:events_rejectedevent_changelist")
        shown = [
            {
                "code": one.code,
                "words": reason_in_words(one.code),
                "letters": one.letters,
                "since": _("since %(age)s") % {"age": timesince(one.oldest, now, depth=1)},
                "url": f"{address}?{urlencode({'code': one.code})}",
            }
            for one in rejected_events.open_reasons()
        ]
        return super().changelist_view(request, {**(extra_context or {}), "open_reasons": shown})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return rejected_event_page.letter_page(request, model_admin=self, letter_id=object_id)

    def get_list_display(self, request: HttpRequest) -> list[str]:
        if not request.user.has_perm(MAY_SEE_PERSONAL):
            return list(self.list_display)
        return [name.removeprefix("masked_") for name in self.list_display]

    @admin.action(description=gettext_lazy("Send again"), permissions=["correct"])
    def send_again(self, request: HttpRequest, queryset: Letters) -> None:
        result = rejected_events.send_again(letters=queryset, at=timezone.now())
        taken = ngettext("%(n)d was taken.", "%(n)d were taken.", result.taken) % {"n": result.taken}
        self.message_user(request, taken, messages.SUCCESS if result.taken else messages.INFO)
        if result.duplicates:
            message = ngettext(
                "%(n)d of them had been taken before.", "%(n)d of them had been taken before.", result.duplicates
            )
            self.message_user(request, message % {"n": result.duplicates}, messages.INFO)
        for code, refused in result.reasons.most_common():
            message = ngettext("%(n)d was rejected again: %(reason)s", "%(n)d were rejected again: %(reason)s", refused)
            self.message_user(request, message % {"n": refused, "reason": reason_in_words(code)}, messages.WARNING)
        if result.skipped:
            message = ngettext(
                "%(n)d was left as it is: somebody else was faster, or its payload cannot be read.",
                "%(n)d were left as they are: somebody else was faster, or their payloads cannot be read.",
                result.skipped,
            )
            self.message_user(request, message % {"n": result.skipped}, messages.WARNING)
        if result.left:
            message = ngettext(
                "%(n)d more is open; send again once more.", "%(n)d more are open; send again once more.", result.left
            )
            self.message_user(request, message % {"n": result.left}, messages.INFO)

    @admin.action(description=gettext_lazy("Discard"), permissions=["correct"])
    def discard(self, request: HttpRequest, queryset: Letters) -> None:
        discarded = rejected_events.discard(letters=queryset)
        message = ngettext("%(n)d was discarded.", "%(n)d were discarded.", discarded) % {"n": discarded}
        self.message_user(request, message, messages.SUCCESS if discarded else messages.INFO)

    @admin.action(description=gettext_lazy("Download as JSON Lines"), permissions=["view"])
    def export(self, request: HttpRequest, queryset: Letters) -> StreamingHttpResponse:
        pks = list(queryset.order_by().values_list("pk", flat=True))
        with_personal = request.user.has_perm(MAY_SEE_PERSONAL)
        if with_personal:
            record_openings(model=RejectedEvent, pks=pks, actor_id=request.user.pk)
        lines = rejected_events.export_lines(pks=pks, with_personal=with_personal)
        response = StreamingHttpResponse(lines, content_type="application/x-ndjson; charset=utf-8")
        response["Content-Disposition"] = 'attachment; filename="dead-letters.jsonl"'
        return response

    @admin.display(description=gettext_lazy("age"))
    def age(self, obj: RejectedEvent) -> str:
        return timesince(obj.received_at, timezone.now(), depth=1)

    @display(description=gettext_lazy("status"), label={"open": "warning", "replayed": "success", "discarded": "info"})
    def shown_status(self, obj: RejectedEvent) -> tuple[str, str]:
        return obj.status, obj.get_status_display()

    @admin.display(description=gettext_lazy("reason"))
    def why(self, obj: RejectedEvent) -> SafeString:
        return format_html(
            '<div class="letter-why">{}<span class="home-label" lang="en">{}</span></div>',
            reason_in_words(obj.code),
            obj.reason,
        )

    @admin.display(description=gettext_lazy("reason"))
    def masked_why(self, obj: RejectedEvent) -> SafeString:
        obj.reason = mask_text(obj.reason)
        return self.why(obj)

    @admin.display(description=gettext_lazy("replayed"))
    def replayed_as(self, obj: RejectedEvent) -> SafeString | str:
        if obj.replayed_at is None:
            return "–"
        moment = date_format(localtime(obj.replayed_at), "SHORT_DATETIME_FORMAT")
        return format_html("{} <code>{}</code>", moment, obj.replay_message_id)
