"""The pages of campaigns in the admin, and the list of audience exports."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from config.foundation.admin.model_admin import ModelAdmin
from config.foundation.admin.read_only import ReadOnlyPermissions
from recommendations.campaigns.backoffice import actions, calendar_page, list_page, pages, results_page
from recommendations.campaigns.backoffice.campaign import campaign_page, people_page
from recommendations.campaigns.backoffice.editor import wizard_page
from recommendations.campaigns.models import AudienceExport, Campaign


@admin.register(Campaign)
class CampaignAdmin(ModelAdmin):
    """Routes to the pages; the admin's own list and forms are replaced."""

    search_fields = ("key", "name", "description")

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("calendar/", wrap(calendar_page.show_calendar), name="campaigns_calendar"),
            path("results/", wrap(results_page.show_results), name="campaigns_results"),
            path("settings/", wrap(actions.save_settings), name="campaigns_settings"),
            path("estimate/", wrap(wizard_page.estimate), name="campaigns_campaign_estimate"),
            path("<int:campaign_id>/edit/", wrap(wizard_page.edit_campaign), name="campaigns_campaign_edit"),
            path("<int:campaign_id>/do/<slug:action>/", wrap(actions.change_state), name="campaigns_campaign_do"),
            path("<int:campaign_id>/progress/", wrap(campaign_page.show_progress), name="campaigns_campaign_progress"),
            path(
                "<int:campaign_id>/people/<slug:group>/",
                wrap(people_page.show_people),
                name="campaigns_campaign_people",
            ),
            path("<int:campaign_id>/preview/", wrap(self.preview_audience), name="campaigns_campaign_preview"),
            path("<int:campaign_id>/audience.csv", wrap(self.download_audience), name="campaigns_campaign_audience"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return list_page.show_list(request)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        return wizard_page.create_campaign(request)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        return campaign_page.show_campaign(request, campaign_id=object_id)

    def has_delete_permission(self, request: HttpRequest, obj: Campaign | None = None) -> bool:
        """Allow only drafts to be deleted: the record of what was sent must stay."""
        is_open = obj is None or (obj.status == Campaign.Status.DRAFT and not obj.runs.exists())
        return is_open and super().has_delete_permission(request, obj)

    def preview_audience(self, request: HttpRequest, campaign_id: int) -> HttpResponse:
        return pages.show_preview(request, model_admin=self, campaign_id=campaign_id)

    def download_audience(self, request: HttpRequest, campaign_id: int) -> HttpResponseBase:
        return pages.download_audience(request, model_admin=self, campaign_id=campaign_id)


@admin.register(AudienceExport)
class AudienceExportAdmin(ReadOnlyPermissions, ModelAdmin):
    list_display = ("campaign", "exported_at", "exported_by", "segment_size", "held_out", "rows", "holdout_file")
    list_filter = ("exported_at",)
    list_select_related = ("campaign",)
    search_fields = ("campaign__key", "campaign__name", "exported_by")
    show_full_result_count = False

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.download_holdout_group)
        return [path("<int:export_id>/holdout.csv", view, name="campaigns_audienceexport_holdout"), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[AudienceExport]:
        return super().get_queryset(request).defer("held_out_ids")  # up to some hundred thousand numbers

    def download_holdout_group(self, request: HttpRequest, export_id: int) -> HttpResponseBase:
        return pages.download_holdout_group(request, model_admin=self, export_id=export_id)

    @admin.display(description=_("Holdout group list"))
    def holdout_file(self, export: AudienceExport) -> str:
        if not export.held_out:
            return "–"
        url = reverse("admin:campaigns_audienceexport_holdout", args=[export.pk])
        return format_html('<a href="{}">{}</a>', url, _("Download as CSV"))
