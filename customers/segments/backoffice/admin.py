"""Admin pages of segments."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.decorators import action, display

from config.foundation.admin.model_admin import ModelAdmin
from config.foundation.backoffice.shared_editing import OPENED_STATE_TEMPLATE
from customers.segments.backoffice import aipl_page, explanation_page, pages, save_customers_page, segment_page
from customers.segments.backoffice.forms import SegmentForm
from customers.segments.editing import MemberListResult, find_referring_keys, replace_members
from customers.segments.membership import count_members
from customers.segments.models import Segment
from customers.segments.usage import list_segment_users

EVALUATION = ("size", "last_evaluated_at", "duration", "error")


@admin.register(Segment)
class SegmentAdmin(ModelAdmin):
    form = SegmentForm
    change_form_before_template = OPENED_STATE_TEMPLATE
    list_display = (
        "name",
        "key",
        "type_label",
        "size_link",
        "history_link",
        "last_evaluated_at",
        "duration",
        "short_error",
    )
    list_filter = ("kind",)
    search_fields = ("key", "name", "description")
    show_full_result_count = False
    prepopulated_fields = {"key": ("name",)}
    readonly_fields = EVALUATION
    fieldsets = (
        (None, {"fields": ("name", "key", "description", "kind", "condition", "list_file")}),
        (gettext_lazy("Last count"), {"fields": EVALUATION}),
    )
    actions = ("count_now",)
    actions_detail = ("show_overview", "show_members")

    def get_readonly_fields(self, request: HttpRequest, obj: Segment | None = None) -> tuple[str, ...]:
        return (*EVALUATION, "key", "kind") if obj else EVALUATION

    def get_prepopulated_fields(self, request: HttpRequest, obj: Segment | None = None) -> dict[str, Any]:
        return {} if obj else {"key": ("name",)}

    def get_fieldsets(self, request: HttpRequest, obj: Segment | None = None) -> Any:
        """Show the condition of a dynamic segment and the file of a static one.

        A new segment shows both; viewers see no file.
        """
        hidden = set() if obj is None else {"list_file" if obj.kind == Segment.Kind.DYNAMIC else "condition"}
        if obj is not None and not self.has_change_permission(request, obj):
            hidden.add("list_file")
        sections = self.fieldsets if obj else self.fieldsets[:1]
        return [
            (title, {**options, "fields": [name for name in options["fields"] if name not in hidden]})
            for title, options in sections
        ]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Read ``?condition=`` as JSON, so that other pages can link to a prefilled segment."""
        initial: dict[str, Any] = {"condition": {"all": []}, **super().get_changeform_initial_data(request)}
        if isinstance(initial["condition"], str):
            initial["condition"] = pages.parse_condition_parameter(initial["condition"])
        return initial

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("preview/", wrap(self.preview), name="segments_segment_preview"),
            path("aipl/", wrap(self.aipl), name="segments_segment_aipl"),
            path("save-people/", wrap(self.save_people), name="segments_segment_save_people"),
            path("suggest/", wrap(self.suggest), name="segments_segment_suggest"),
            path("explanation/<int:customer_id>/", wrap(self.explanation), name="segments_segment_explanation"),
            path("<int:segment_id>/overview/", wrap(self.overview), name="segments_segment_overview"),
            path("<int:segment_id>/members/", wrap(self.members), name="segments_segment_members"),
            path("<int:segment_id>/members.csv", wrap(self.members_csv), name="segments_segment_members_csv"),
            *super().get_urls(),
        ]

    def preview(self, request: HttpRequest) -> HttpResponse:
        return pages.show_preview(request, model_admin=self)

    def aipl(self, request: HttpRequest) -> HttpResponse:
        return aipl_page.show_aipl_page(request)

    def save_people(self, request: HttpRequest) -> HttpResponse:
        return save_customers_page.show_save_page(request, model_admin=self)

    def suggest(self, request: HttpRequest) -> HttpResponse:
        return pages.show_suggestions(request, model_admin=self)

    def explanation(self, request: HttpRequest, customer_id: int) -> HttpResponse:
        return explanation_page.show_explanation(request, model_admin=self, customer_id=customer_id)

    def overview(self, request: HttpRequest, segment_id: int) -> HttpResponse:
        return segment_page.show_segment(request, model_admin=self, segment_id=segment_id)

    def members(self, request: HttpRequest, segment_id: int) -> HttpResponse:
        return pages.show_members(request, model_admin=self, segment_id=segment_id)

    def members_csv(self, request: HttpRequest, segment_id: int) -> HttpResponseBase:
        return pages.download_members(request, model_admin=self, segment_id=segment_id)

    def save_model(self, request: HttpRequest, obj: Segment, form: SegmentForm, change: bool) -> None:
        # a count writes other fields of the same row at the same time
        fields = [name for name in form.cleaned_data if name != "list_file"]
        obj.save(update_fields=fields if change else None)
        user_ids = form.cleaned_data.get("list_file")
        if obj.kind == Segment.Kind.STATIC and user_ids is not None:
            self.report_list(request, replace_members(segment=obj, user_ids=user_ids))
        count_members(segment=obj, as_of=timezone.now())

    def report_list(self, request: HttpRequest, result: MemberListResult) -> None:
        message = ngettext(
            "The segment now has %(count)d customer.", "The segment now has %(count)d customers.", result.added
        )
        self.message_user(request, message % {"count": result.added})
        if result.unknown:
            message = ngettext(
                "%(count)d unknown user ID: %(names)s", "%(count)d unknown user IDs: %(names)s",
                len(result.unknown),
            )  # fmt: skip
            names = ", ".join(result.unknown[:20]) + (" …" if len(result.unknown) > 20 else "")
            self.message_user(request, message % {"count": len(result.unknown), "names": names}, messages.WARNING)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Protect segments that other segments or reports refer to."""
        to_delete, counts, needed, protected = super().get_deleted_objects(objs, request)
        deleted_keys = {segment.key for segment in objs}
        for segment in objs:
            referring_keys = [key for key in find_referring_keys(key=segment.key) if key not in deleted_keys]
            users = [_("the segment “%(name)s”") % {"name": key} for key in referring_keys]
            users += list_segment_users(segment.key)
            protected += [
                _("%(user)s (uses the segment “%(segment)s”)") % {"user": user, "segment": segment} for user in users
            ]
        # Django names missing permissions first, and these objects could not be deleted with any permission
        return to_delete, counts, set() if protected else needed, protected

    @admin.action(description=gettext_lazy("Count now"), permissions=["view"])
    def count_now(self, request: HttpRequest, selected: QuerySet[Segment]) -> None:
        failed = [segment.name for segment in selected if count_members(segment=segment, as_of=timezone.now()).error]
        if failed:
            self.message_user(
                request,
                _("These segments could not be counted: %(names)s") % {"names": ", ".join(failed)},
                messages.ERROR,
            )

    @action(
        description=gettext_lazy("Size and changes"), url_path="show-overview", permissions=["view"], icon="monitoring"
    )
    def show_overview(self, request: HttpRequest, object_id: int) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse("admin:segments_segment_overview", args=[object_id]))

    @action(description=gettext_lazy("Members"), url_path="show-members", permissions=["view"], icon="groups")
    def show_members(self, request: HttpRequest, object_id: int) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse("admin:segments_segment_members", args=[object_id]))

    @display(description=gettext_lazy("type"), label={"dynamic": "success", "static": "info"}, ordering="kind")
    def type_label(self, segment: Segment) -> tuple[str, str]:
        return segment.kind, segment.get_kind_display()

    @display(description=gettext_lazy("size"), ordering="size")
    def size_link(self, segment: Segment) -> SafeString:
        address = reverse("admin:segments_segment_members", args=[segment.pk])
        size = "–" if segment.size is None else number_format(segment.size, force_grouping=True)
        return format_html('<a href="{}">{}</a>', address, size)

    @display(description=gettext_lazy("history"))
    def history_link(self, segment: Segment) -> SafeString:
        address = reverse("admin:segments_segment_overview", args=[segment.pk])
        return format_html('<a href="{}">{}</a>', address, _("Show history"))

    @display(description=gettext_lazy("duration"), ordering="duration_ms")
    def duration(self, segment: Segment) -> str:
        return "–" if segment.duration_ms is None else f"{segment.duration_ms:.1f} ms"

    @display(description=gettext_lazy("error"))
    def short_error(self, segment: Segment) -> str:
        return segment.error if len(segment.error) <= 80 else f"{segment.error[:79]}…"
