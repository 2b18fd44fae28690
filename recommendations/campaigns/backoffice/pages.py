"""Admin pages of a campaign: the audience preview and its download."""

from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from config.foundation.backoffice.permissions import check_permissions
from config.foundation.charts import build_funnel_chart
from config.foundation.csv_cells import mark_encoding
from customers.identity.personal_data.masking import may_see_personal
from customers.segments.conditions.condition_tree import ConditionError
from recommendations.campaigns.audience_hints import find_hints
from recommendations.campaigns.backoffice.audience_waterfall import build_waterfall, describe_effect, is_too_small
from recommendations.campaigns.exports import stream_audience, stream_holdout_group
from recommendations.campaigns.kept_previews import get_preview
from recommendations.campaigns.models import AudienceExport, Campaign

EXPORT_PERMISSION = "campaigns.add_audienceexport"


def get_visible_campaign(request: HttpRequest, model_admin: ModelAdmin, campaign_id: int) -> Campaign:
    """Return a campaign that the user may view.

    Raises PermissionDenied if the user may not view campaigns, Http404 for an unknown one.
    """
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    return get_object_or_404(Campaign.objects.select_related("segment"), pk=campaign_id)


def show_preview(request: HttpRequest, *, model_admin: ModelAdmin, campaign_id: int) -> HttpResponse:
    """Show the current audience step by step."""
    campaign = get_visible_campaign(request, model_admin, campaign_id)
    as_of = timezone.now()
    context = {
        **model_admin.admin_site.each_context(request),
        "title": _("Audience of %(name)s") % {"name": campaign.name},
        "opts": model_admin.opts,
        "campaign": campaign,
        "as_of": as_of,
        "can_export": request.user.has_perm(EXPORT_PERMISSION),
    }
    try:
        preview = get_preview(campaign=campaign, as_of=as_of)
        context["as_of"] = preview.as_of
    except ConditionError as error:
        return TemplateResponse(request, "admin/campaigns/preview.html", {**context, "problem": str(error)})
    steps = build_waterfall(preview)
    context |= {
        "steps": steps,
        "chart": build_funnel_chart(
            labels=[step["name"] for step in steps],
            values=[step["customers"] for step in steps],
            title=_("Step"),
            value_title=_("Customers"),
        ),
        "effect": describe_effect(preview),
        "too_small": is_too_small(preview),
        "hints": find_hints(preview),
    }
    return TemplateResponse(request, "admin/campaigns/preview.html", context)


def download_audience(request: HttpRequest, *, model_admin: ModelAdmin, campaign_id: int) -> HttpResponseBase:
    """Download the current audience; every download is recorded."""
    campaign = get_visible_campaign(request, model_admin, campaign_id)
    check_permissions(request, EXPORT_PERMISSION)
    try:
        lines = stream_audience(
            campaign=campaign,
            as_of=timezone.now(),
            by=request.user.get_username(),
            with_personal=may_see_personal(request),
        )
    except ConditionError as error:
        return HttpResponse(str(error), status=409, content_type="text/plain; charset=utf-8")
    response = StreamingHttpResponse(mark_encoding(lines), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="audience-{campaign.key}.csv"'
    return response


def download_holdout_group(request: HttpRequest, *, model_admin: ModelAdmin, export_id: int) -> HttpResponseBase:
    """Download the holdout group of an export, to compare it with the exported customers; every download is recorded."""
    if not model_admin.has_view_permission(request) or not request.user.has_perm(EXPORT_PERMISSION):
        raise PermissionDenied
    export = get_object_or_404(AudienceExport.objects.select_related("campaign"), pk=export_id)
    lines = stream_holdout_group(export=export, with_personal=may_see_personal(request))
    response = StreamingHttpResponse(mark_encoding(lines), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="holdout-{export.campaign.key}-{export.pk}.csv"'
    return response
