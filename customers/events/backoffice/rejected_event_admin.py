"""Back office of rejected events: filters, replay, discard and export."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.decorators import display

from config.foundation.admin.paginators import CappedPaginator
from config.foundation.admin.read_only import ReadOnlyAdmin
from config.foundation.audit_log import record_export
from customers.events.backoffice import rejected_event_page
from customers.events.dead_letters import rejected_events
from customers.events.dead_letters.rejected_events import RejectedEvents
from customers.events.dead_letters.rejection_reasons import describe_reason
from customers.events.models import RejectedEvent
from customers.identity.backoffice.audited_reads import AuditedReads
from customers.identity.backoffice.masked_search import MaskedSearch
from customers.identity.personal_data.masking import mask_text, may_see_personal


class StatusFilter(admin.SimpleListFilter):
    """Filters by status; open events are the default."""

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

    def queryset(self, request: HttpRequest, queryset: RejectedEvents) -> RejectedEvents:
        if self.value() == "all":
            return queryset
        return queryset.filter(status=self.value() or RejectedEvent.Status.OPEN)


class AgeFilter(admin.SimpleListFilter):
    """Filters by the time since an event was rejected."""

    title = gettext_lazy("age")
    parameter_name = "age"
    MAX_AGES = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("hour", _("up to an hour")),
            ("day", _("up to a day")),
            ("week", _("up to a week")),
            ("older", _("more than a week")),
        ]

    def queryset(self, request: HttpRequest, queryset: RejectedEvents) -> RejectedEvents:
        if self.value() == "older":
            return queryset.filter(received_at__lt=timezone.now() - self.MAX_AGES["week"])
        if age := self.MAX_AGES.get(self.value() or ""):
            return queryset.filter(received_at__gte=timezone.now() - age)
        return queryset


@admin.register(RejectedEvent)
class RejectedEventAdmin(AuditedReads, MaskedSearch, ReadOnlyAdmin):
    """Rejected events: reasons can be searched, payloads are encrypted."""

    paginator = CappedPaginator
    list_display = ["received_at", "masked_reason", "labeled_status", "age", "source", "replayed_as"]
    list_filter = [StatusFilter, "code", "source", AgeFilter]
    linked_filters = ("received_at",)  # by the page of events per minute
    list_select_related = ["source"]
    search_fields = ["reason"]
    masked_search_fields = ("reason",)
    search_help_text = gettext_lazy("Enter part of the reason. Payloads are encrypted and cannot be searched.")
    sortable_by: list[str] = []
    list_before_template = "admin/events/open_reasons.html"
    actions = ["replay", "discard", "export"]

    def get_queryset(self, request: HttpRequest) -> RejectedEvents:
        return super().get_queryset(request).defer("payload", "corrected_payload")

    def has_correct_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(rejected_event_page.MAY_CORRECT)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        now = timezone.now()
        url = reverse("admin:events_rejectedevent_changelist")
        reasons = [
            {
                "code": reason.code,
                "label": describe_reason(reason.code),
                "events": reason.events,
                "since": _("open for %(age)s") % {"age": timesince(reason.oldest, now, depth=1)},
                "url": f"{url}?{urlencode({'code': reason.code})}",
            }
            for reason in rejected_events.count_open_reasons()
        ]
        return super().changelist_view(request, {**(extra_context or {}), "open_reasons": reasons})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return rejected_event_page.render_rejected_event(request, model_admin=self, rejected_id=object_id)

    def get_list_display(self, request: HttpRequest) -> list[str]:
        if not may_see_personal(request):
            return list(self.list_display)
        return ["labeled_reason" if name == "masked_reason" else name for name in self.list_display]

    @admin.action(description=gettext_lazy("Replay"), permissions=["correct"])
    def replay(self, request: HttpRequest, queryset: RejectedEvents) -> None:
        result = rejected_events.replay_many(events=queryset, at=timezone.now())
        accepted = ngettext("%(n)d event was accepted.", "%(n)d events were accepted.", result.accepted)
        self.message_user(
            request, accepted % {"n": result.accepted}, messages.SUCCESS if result.accepted else messages.INFO
        )
        if result.duplicates:
            message = ngettext("%(n)d of them was a duplicate.", "%(n)d of them were duplicates.", result.duplicates)
            self.message_user(request, message % {"n": result.duplicates}, messages.INFO)
        for code, count in result.reasons.most_common():
            message = ngettext(
                "%(n)d event was rejected again: %(reason)s", "%(n)d events were rejected again: %(reason)s", count
            )
            self.message_user(request, message % {"n": count, "reason": describe_reason(code)}, messages.WARNING)
        if result.skipped:
            message = ngettext(
                "%(n)d event was skipped: another user has already handled it, or its payload is unreadable.",
                "%(n)d events were skipped: another user has already handled them, or their payloads are unreadable.",
                result.skipped,
            )
            self.message_user(request, message % {"n": result.skipped}, messages.WARNING)
        if result.remaining:
            message = ngettext(
                "%(n)d more event is open; replay again to continue.",
                "%(n)d more events are open; replay again to continue.",
                result.remaining,
            )
            self.message_user(request, message % {"n": result.remaining}, messages.INFO)

    @admin.action(description=gettext_lazy("Discard"), permissions=["correct"])
    def discard(self, request: HttpRequest, queryset: RejectedEvents) -> None:
        discarded = rejected_events.discard_rejected(events=queryset)
        message = ngettext("%(n)d event was discarded.", "%(n)d events were discarded.", discarded) % {"n": discarded}
        self.message_user(request, message, messages.SUCCESS if discarded else messages.INFO)

    @admin.action(description=gettext_lazy("Download as JSON Lines"), permissions=["view"])
    def export(self, request: HttpRequest, queryset: RejectedEvents) -> StreamingHttpResponse:
        pks = list(queryset.order_by().values_list("pk", flat=True))
        with_personal = may_see_personal(request)
        record_export(model=RejectedEvent, pks=pks, details={"personal": with_personal})
        lines = rejected_events.export_lines(pks=pks, with_personal=with_personal)
        response = StreamingHttpResponse(lines, content_type="application/x-ndjson; charset=utf-8")
        response["Content-Disposition"] = 'attachment; filename="rejected-events.jsonl"'
        return response

    @admin.display(description=gettext_lazy("age"))
    def age(self, obj: RejectedEvent) -> str:
        return timesince(obj.received_at, timezone.now(), depth=1)

    @display(description=gettext_lazy("status"), label={"open": "warning", "replayed": "success", "discarded": "info"})
    def labeled_status(self, obj: RejectedEvent) -> tuple[str, str]:
        return obj.status, obj.get_status_display()

    @admin.display(description=gettext_lazy("reason"))
    def labeled_reason(self, obj: RejectedEvent) -> SafeString:
        return format_html(
            '<div class="rejected-reason">{}<span class="home-label" lang="en">{}</span></div>',
            describe_reason(obj.code),
            obj.reason,
        )

    @admin.display(description=gettext_lazy("reason"))
    def masked_reason(self, obj: RejectedEvent) -> SafeString:
        obj.reason = mask_text(obj.reason)
        return self.labeled_reason(obj)

    @admin.display(description=gettext_lazy("replayed"))
    def replayed_as(self, obj: RejectedEvent) -> SafeString | str:
        if obj.replayed_at is None:
            return "–"
        moment = date_format(localtime(obj.replayed_at), "SHORT_DATETIME_FORMAT")
        return format_html("{} <code>{}</code>", moment, obj.replay_message_id)
