"""Admin pages of campaigns and audience exports."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from config.foundation.admin.read_only import ReadOnlyPermissions
from recommendations.campaigns.backoffice import pages
from recommendations.campaigns.locked_fields import get_locked_fields
from recommendations.campaigns.models import AudienceExport, Campaign


@admin.register(Campaign)
class CampaignAdmin(ModelAdmin):
    list_display = ("name", "channel", "segment", "holdout_share", "status", "preview_link", "created_at")
    list_filter = ("status", "channel")
    list_select_related = ("segment",)
    search_fields = ("key", "name", "description")
    autocomplete_fields = ("segment",)
    show_full_result_count = False
    fields = (
        "name",
        "key",
        "description",
        "channel",
        "segment",
        "holdout_share",
        "required_consent",
        "status",
        "created_at",
    )
    actions_detail = ("show_preview",)

    def get_readonly_fields(self, request: HttpRequest, obj: Campaign | None = None) -> tuple[str, ...]:
        if obj is None:
            return ("status", "created_at")
        return ("status", "created_at", "key", *get_locked_fields(obj))

    def get_prepopulated_fields(self, request: HttpRequest, obj: Campaign | None = None) -> dict[str, Any]:
        return {} if obj else {"key": ("name",)}

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:campaign_id>/preview/", wrap(self.preview_audience), name="campaigns_campaign_preview"),
            path("<int:campaign_id>/audience.csv", wrap(self.download_audience), name="campaigns_campaign_audience"),
            *super().get_urls(),
        ]

    def preview_audience(self, request: HttpRequest, campaign_id: int) -> HttpResponse:
        return pages.show_preview(request, model_admin=self, campaign_id=campaign_id)

    def download_audience(self, request: HttpRequest, campaign_id: int) -> HttpResponseBase:
        return pages.download_audience(request, model_admin=self, campaign_id=campaign_id)

    @action(
        description=gettext_lazy("Audience preview"), url_path="show-preview", permissions=["view"], icon="filter_alt"
    )
    def show_preview(self, request: HttpRequest, object_id: int) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse("admin:campaigns_campaign_preview", args=[object_id]))

    @display(description=gettext_lazy("audience"))
    def preview_link(self, campaign: Campaign) -> SafeString:
        address = reverse("admin:campaigns_campaign_preview", args=[campaign.pk])
        return format_html('<a href="{}">{}</a>', address, _("preview"))


@admin.register(AudienceExport)
class AudienceExportAdmin(ReadOnlyPermissions, ModelAdmin):
    list_display = ("campaign", "exported_at", "exported_by", "segment_size", "held_out", "rows")
    list_filter = ("exported_at",)
    list_select_related = ("campaign",)
    search_fields = ("campaign__key", "campaign__name", "exported_by")
    show_full_result_count = False
