"""The back office's pages of a campaign: the audience before launch, and its download."""

from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.segments.conditions.parsing import ConditionError
from recommendations.campaigns.audience import preview_audience, stream_audience
from recommendations.campaigns.backoffice.audience_waterfall import effect_in_words, is_too_small, waterfall
from recommendations.campaigns.models import Campaign

MAY_EXPORT = "campaigns.add_audienceexport"


def visible_campaign(request: HttpRequest, model_admin: ModelAdmin, campaign_id: int) -> Campaign:
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    return get_object_or_404(Campaign.objects.select_related("segment"), pk=campaign_id)


def preview_page(request: HttpRequest, *, model_admin: ModelAdmin, campaign_id: int) -> HttpResponse:
    """The waterfall as of now."""
    campaign = visible_campaign(request, model_admin, campaign_id)
    as_of = timezone.now()
    context = {
        **model_admin.admin_site.each_context(request),
        "title": _("Audience of %(name)s") % {"name": campaign.name},
        "opts": model_admin.opts,
        "campaign": campaign,
        "as_of": as_of,
        "may_export": request.user.has_perm(MAY_EXPORT),
    }
    try:
        preview = preview_audience(campaign=campaign, as_of=as_of)
    except ConditionError as error:
        return TemplateResponse(request, "admin/campaigns/preview.html", {**context, "problem": str(error)})
    steps = waterfall(preview)
    context |= {
        "steps": steps,
        "chart": {"names": [step["name"] for step in steps], "customers": [step["customers"] for step in steps]},
        "effect": effect_in_words(preview),
        "too_small": is_too_small(preview),
    }
    return TemplateResponse(request, "admin/campaigns/preview.html", context)


def audience_csv(request: HttpRequest, *, model_admin: ModelAdmin, campaign_id: int) -> HttpResponseBase:
    """The audience as of now; every download is recorded."""
    campaign = visible_campaign(request, model_admin, campaign_id)
    if not request.user.has_perm(MAY_EXPORT):
        raise PermissionDenied
    try:
        lines = stream_audience(campaign=campaign, as_of=timezone.now(), by=request.user.get_username())
    except ConditionError as error:
        return HttpResponse(str(error), status=409, content_type="text/plain; charset=utf-8")
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="audience-{campaign.key}.csv"'
    return response
