"""The page that creates or edits a campaign in five steps: audience, message, schedule, measurement, review and launch."""

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.db import OperationalError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from config.foundation.database.statement_timeouts import is_statement_timeout
from config.foundation.number_formats import format_count
from customers.segments.conditions.condition_tree import ConditionError
from customers.segments.membership import query_members
from customers.segments.models import Segment
from recommendations.campaigns.backoffice.access import ADD, CHANGE, VIEW, get_campaign
from recommendations.campaigns.backoffice.actions import report_state
from recommendations.campaigns.backoffice.audience_waterfall import build_waterfall_context
from recommendations.campaigns.backoffice.campaign.message_test_panel import describe_plan
from recommendations.campaigns.backoffice.editor.campaign_form import CampaignForm
from recommendations.campaigns.backoffice.labels import describe_schedule
from recommendations.campaigns.backoffice.sms_costs import describe_sms_cost
from recommendations.campaigns.kept_previews import get_preview_soon
from recommendations.campaigns.launch import transitions
from recommendations.campaigns.launch.readiness import LaunchError, find_launch_problems, find_published_version
from recommendations.campaigns.locked_fields import get_locked_message
from recommendations.campaigns.models import Campaign
from recommendations.messaging.link_checks import read_link_check
from recommendations.messaging.models import MessageTemplate

PREVIEWS = 3
REFUSED = "refused"  # in the URL after a launch that was refused


def create_campaign(request: HttpRequest) -> HttpResponse:
    """Create a campaign. ``?segment=`` and ``?template=`` fill in these fields; ``?copy=`` copies the settings of a campaign."""
    check_permissions(request, VIEW, ADD)
    campaign = Campaign(channel=Campaign.Channel.EMAIL)
    initial: dict[str, Any] = {}
    copied = Campaign.objects.filter(pk=read_number(request, "copy")).first()
    if copied is not None:
        campaign = copy_campaign(copied)
        initial = {"excluded_segments": list(copied.excluded_segments.all())}
    if segment := Segment.objects.filter(pk=read_number(request, "segment")).first():
        campaign.segment = segment
    if template := MessageTemplate.objects.filter(pk=read_number(request, "template")).first():
        campaign.template, campaign.channel = template, template.channel
    return edit(request, campaign, initial=initial)


def read_number(request: HttpRequest, name: str) -> int:
    """Return a number of the URL; 0 if it is missing or not valid."""
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def copy_campaign(campaign: Campaign) -> Campaign:
    """Return a new draft with the settings of a campaign; it has its own holdout group."""
    fields = (
        *("description", "segment", "required_consent", "channel", "template", "is_transactional", "priority"),
        *("kind", "frequency", "weekdays", "month_day", "send_time", "uses_customer_time"),
        *("holdout_share", "goal", "attribution_days", "test_template", "test_share", "test_hours", "test_metric"),
    )
    copied = Campaign(name=_("Copy of %(name)s") % {"name": campaign.name})
    for field in fields:
        setattr(copied, field, getattr(campaign, field))
    return copied


def edit_campaign(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Edit a campaign; after the launch, only what may still change."""
    check_permissions(request, VIEW, CHANGE)
    return edit(request, get_campaign(campaign_id), initial={})


def edit(request: HttpRequest, campaign: Campaign, *, initial: dict[str, Any]) -> HttpResponse:
    if request.method != "POST":
        form = CampaignForm(instance=campaign, initial=initial)
        if REFUSED in request.GET and campaign.pk and campaign.status == Campaign.Status.DRAFT:
            form.mark_problems(find_launch_problems(campaign, now=timezone.now()))
        return show_form(request, campaign, form)
    form, saved = save_form(request, campaign)
    if saved is None:
        return show_form(request, form.instance, form, status=422)
    if request.POST.get("action") == "launch" and saved.status == Campaign.Status.DRAFT:
        check_permissions(request, CHANGE)
        return try_launch(request, saved)
    messages.success(request, _("The campaign was saved."))
    return HttpResponseRedirect(reverse("admin:campaigns_campaign_change", args=[saved.pk]))


def save_form(request: HttpRequest, campaign: Campaign) -> tuple[CampaignForm, Campaign | None]:
    """Save the posted form; return it and the campaign, None if the form is not valid."""
    is_new = campaign.pk is None
    with transaction.atomic():
        if is_new and isinstance(request.user, User):
            campaign.created_by = request.user
        elif not is_new:
            # saving writes all fields: a run that starts, or a colleague who cancels meanwhile, would be overwritten
            campaign = (
                Campaign.objects.select_for_update(of=("self",))
                .select_related("segment", "template", "test_template")
                .get(pk=campaign.pk)
            )
        form = CampaignForm(request.POST, instance=campaign)
        if not form.is_valid():
            return form, None
        saved = form.save()
        if not is_new:
            transitions.plan_after_edit(saved, now=timezone.now())
    return form, saved


def try_launch(request: HttpRequest, campaign: Campaign) -> HttpResponse:
    """Launch a saved draft and go to its page, or to its form with the fields marked if something is missing.

    The form has the address of the draft, so that sending or reloading it does not create a second campaign.
    """
    user = request.user if isinstance(request.user, User) else None
    try:
        transitions.launch(campaign, by=user, now=timezone.now())
    except LaunchError:
        url = reverse("admin:campaigns_campaign_edit", args=[campaign.pk])
        return HttpResponseRedirect(f"{url}?{REFUSED}=1")
    report_state(request, campaign)
    return HttpResponseRedirect(reverse("admin:campaigns_campaign_change", args=[campaign.pk]))


def show_form(request: HttpRequest, campaign: Campaign, form: CampaignForm, *, status: int = 200) -> HttpResponse:
    is_new = campaign.pk is None
    url = (
        reverse("admin:campaigns_campaign_add")
        if is_new
        else reverse("admin:campaigns_campaign_edit", args=[campaign.pk])
    )
    return render_page(
        request,
        "admin/campaigns/wizard.html",
        title=_("New campaign") if is_new else _("Edit %(name)s") % {"name": campaign.name},
        status=status,
        campaign=campaign,
        form=form,
        form_url=url,
        sections=form.get_sections(),
        can_launch=request.user.has_perm(CHANGE) and campaign.status == Campaign.Status.DRAFT,
        locked_message=get_locked_message(campaign) if form.locked else "",
        templates_url=find_templates_url(),
        **build_estimate(form),
    )


def find_templates_url() -> str:
    try:
        return reverse("message_templates:list")
    except NoReverseMatch:
        return ""


def estimate(request: HttpRequest) -> HttpResponse:
    """Return the audience, the schedule and what is missing for the values of the form, which are not saved."""
    check_permissions(request, VIEW)
    pk = request.GET.get("campaign", "")
    campaign = get_campaign(pk) if pk else Campaign()
    form = CampaignForm(request.POST, instance=campaign)
    return render_page(
        request,
        "admin/campaigns/estimate.html",
        title=_("Audience"),
        partial="admin/campaigns/estimate.html",
        campaign=campaign,
        **build_estimate(form),
    )


def build_estimate(form: CampaignForm) -> dict[str, Any]:
    """Return the live figures of the last step; without a segment there are none yet."""
    campaign, excluded = form.instance, None
    if form.is_bound:
        form.is_valid()  # fills what is valid; the errors are shown when the form is saved
        cleaned = form.cleaned_data
        campaign.holdout_share = cleaned.get("holdout_percent", campaign.holdout_share * 100) / 100
        campaign.test_share = (cleaned.get("test_percent") or campaign.test_share * 100) / 100
        excluded = list(cleaned.get("excluded_segments", []))
    elif form.initial.get("excluded_segments"):
        excluded = list(form.initial["excluded_segments"])
    now = timezone.now()
    if campaign.segment_id is None:
        return {"steps": [], "schedule": describe_schedule(campaign), "problems": []}
    context: dict[str, Any] = {
        "steps": [],
        "schedule": describe_schedule(campaign),
        "problems": [problem.message for problem in find_launch_problems(campaign, now=now)]
        if campaign.status == Campaign.Status.DRAFT
        else [],
        "previews": list_previews(campaign, now=now),
        "links": describe_links(campaign),
    }
    try:
        preview = get_preview_soon(campaign=campaign, as_of=now, excluded=excluded)
    except ConditionError as error:
        return {**context, "segment_problem": str(error)}
    except OperationalError as error:
        if not is_statement_timeout(error):
            raise
        return {**context, "segment_problem": _("Counting this audience takes too long. Choose a simpler segment.")}
    sms = describe_sms_cost(campaign, preview, now=now)
    context["test_plan"] = describe_plan(campaign, preview)
    return {**context, "sms": sms, "is_counting": preview is None, **build_waterfall_context(preview)}


def describe_links(campaign: Campaign) -> dict[str, str]:
    """Return what the last check of the message's links found, and the pages that show and correct them; nothing without an email."""
    version = find_published_version(campaign) if campaign.channel == Campaign.Channel.EMAIL else None
    if version is None:
        return {}
    check = read_link_check(version)
    if check is None:
        text = _("The links of the message have not been checked yet.")
    elif check.broken:
        text = ngettext(
            "%(count)s link of the message does not work.",
            "%(count)s links of the message do not work.",
            len(check.broken),
        ) % {"count": format_count(len(check.broken))}
    else:
        text = _("All links of the message work.")
    return {
        "text": text,
        "url": reverse("message_templates:checks", args=[version.template_id]),
        "editor_url": reverse("message_templates:editor", args=[version.template_id]),
    }


def list_previews(campaign: Campaign, *, now: datetime) -> list[dict[str, str]]:
    """Return the message as three customers of the segment get it: their names and the addresses of the documents."""
    if campaign.template_id is None:
        return []
    version = find_published_version(campaign)
    number = f"&version={version.number}" if version is not None else ""
    try:
        url = reverse("message_templates:preview", args=[campaign.template_id])
        customers = list(
            query_members(segment=campaign.segment, as_of=now)
            .filter(profile__isnull=False)
            .order_by("pk")
            .values_list("pk", flat=True)[:PREVIEWS]
        )
    except (NoReverseMatch, ConditionError):
        return []
    return [
        {"url": f"{url}?customer={pk}{number}", "title": _("Customer %(number)s") % {"number": f"#{pk}"}}
        for pk in customers
    ]
