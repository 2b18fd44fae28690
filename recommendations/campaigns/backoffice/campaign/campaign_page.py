"""The page of one campaign: its state with the next action, progress, results and settings."""

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from config.foundation.number_formats import format_count, format_moment, format_percent, join_list
from config.foundation.slow_figures import get_figures, get_figures_soon
from customers.lifecycle.facts.amounts import get_amount_currency
from customers.segments.conditions.condition_tree import ConditionError
from recommendations.campaigns.backoffice.access import ADD, APPROVE, CHANGE, EXPORT, VIEW, get_campaign
from recommendations.campaigns.backoffice.audience_waterfall import build_waterfall_context
from recommendations.campaigns.backoffice.campaign.message_test_panel import build_test_panel, describe_settings
from recommendations.campaigns.backoffice.campaign.result_panels import (
    build_exports_table,
    build_figures,
    build_path,
    build_runs_table,
    build_skips,
)
from recommendations.campaigns.backoffice.labels import (
    STATUS_KINDS,
    describe_goal,
    describe_schedule,
    describe_status,
)
from recommendations.campaigns.backoffice.sms_costs import describe_sms_cost
from recommendations.campaigns.kept_previews import get_preview_soon
from recommendations.campaigns.launch.message_variants import find_message_experiment
from recommendations.campaigns.launch.readiness import find_launch_problems
from recommendations.campaigns.launch.runs import is_preparing
from recommendations.campaigns.models import Campaign, CampaignRun
from recommendations.campaigns.results.headline import describe_results
from recommendations.campaigns.results.summary import CampaignResults, compute_results, name_results
from recommendations.measurement.presentation.sentences import describe_conversion
from recommendations.measurement.presentation.tables import build_comparison_context
from recommendations.sending.queue import count_deliveries

Status = Campaign.Status
LIVE_STATUSES = (Status.SCHEDULED, Status.RUNNING)


def show_campaign(request: HttpRequest, *, campaign_id: int | str) -> HttpResponse:
    """Show a campaign: a draft with what it lacks, a launched one with its results."""
    check_permissions(request, VIEW)
    campaign = get_campaign(campaign_id)
    now = timezone.now()
    currency = get_amount_currency()
    results = get_figures_soon(
        name_results(campaign),
        CampaignResults,
        lambda: compute_results(campaign, as_of=now),
    )
    context: dict[str, Any] = {
        "campaign": campaign,
        "status_kind": STATUS_KINDS[Status(campaign.status)],
        "status_label": describe_status(campaign),
        "settings": list_settings(campaign) + list_experiments(request, campaign),
        "actions": list_actions(request, campaign),
        "can_change": request.user.has_perm(CHANGE),
        "can_copy": request.user.has_perm(ADD),
        "can_export": request.user.has_perm(EXPORT) and campaign.channel == Campaign.Channel.EXPORT,
        "progress": build_progress(campaign),
        "is_preparing": is_preparing(campaign, now=now),
        "results": results if results and results.runs else None,
        "is_counting_results": results is None,
    }
    if results is not None and results.runs:
        context |= {
            "figures": build_figures(campaign, results),
            "test": build_test_panel(campaign, results.test),
            **build_comparison_context(
                results.comparison, currency, recommended=results.recommended, days=campaign.attribution_days
            ),
            "conversion_text": describe_conversion(results.comparison, campaign.get_goal_display()),
            "path": build_path(campaign, results),
            "skips": build_skips(campaign, results),
            "is_sending": results.deliveries.waiting > 0,
            "runs": build_runs_table(request, campaign),
            "exports": build_exports_table(request, campaign),
            "has_runs": bool(results.audience),
        }
    elif results is not None and campaign.status == Status.CANCELED:
        context |= {"is_canceled_unsent": True, "runs": build_runs_table(request, campaign)}
    elif results is not None:
        context |= build_draft(campaign, now=now)
    has_headline = results is not None and (results.runs > 0 or campaign.status == Status.CANCELED)
    return render_page(
        request,
        "admin/campaigns/campaign.html",
        title=campaign.name,
        verdict=describe_results(campaign, results, currency) if results and has_headline else "",
        as_of=results.as_of if results and has_headline else None,
        **context,
    )


def show_progress(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Return the progress of the runs that are being sent, which the page asks for every two seconds."""
    check_permissions(request, VIEW)
    campaign = get_campaign(campaign_id)
    preparing = is_preparing(campaign, now=timezone.now())
    response = render_page(
        request,
        "admin/campaigns/progress.html",
        title=campaign.name,
        partial="admin/campaigns/progress.html",
        campaign=campaign,
        progress=build_progress(campaign),
        is_preparing=preparing,
    )
    if "preparing" in request.GET and not preparing:
        response["HX-Refresh"] = "true"  # the whole page changes: status, actions and results
    return response


def build_progress(campaign: Campaign) -> dict[str, Any] | None:
    """Return how many messages of unfinished runs are settled; None if nothing is being sent."""
    runs = list(campaign.runs.filter(status__in=[CampaignRun.Status.SENDING, CampaignRun.Status.PAUSED]))
    if not runs:
        return None
    run_ids = [run.pk for run in runs]
    total, waiting = get_figures(
        f"campaign.progress:{','.join(map(str, run_ids))}", tuple[int, int], lambda: count_progress(run_ids)
    )
    values = {"done": format_count(total - waiting), "total": format_count(total)}
    return {
        "value": total - waiting,
        "max": total or 1,
        "text": _("%(done)s of %(total)s customers processed") % values,
        "is_paused": campaign.status == Status.PAUSED,
    }


def count_progress(run_ids: Sequence[int]) -> tuple[int, int]:
    """Return the number of deliveries, and of those that are waiting or being sent."""
    counts = count_deliveries("campaign", run_ids).values()
    return sum(entry.total for entry in counts), sum(entry.waiting for entry in counts)


def list_actions(request: HttpRequest, campaign: Campaign) -> list[dict[str, str]]:
    """Return the buttons that the user may press now: key, label and kind."""
    may_change = request.user.has_perm(CHANGE)
    own = request.user.pk in (campaign.created_by_id, campaign.submitted_by_id)
    buttons = {
        Status.DRAFT: [("launch", _("Launch"), "primary")] if campaign.channel != Campaign.Channel.EXPORT else [],
        Status.WAITING: [("draft", _("Return to draft"), "plain"), ("cancel", _("Cancel campaign"), "danger")],
        Status.SCHEDULED: [
            ("pause", _("Pause"), "plain"),
            *([] if campaign.runs.exists() else [("draft", _("Return to draft"), "plain")]),
            ("cancel", _("Cancel campaign"), "danger"),
        ],
        Status.RUNNING: [("pause", _("Pause"), "plain"), ("cancel", _("Cancel campaign"), "danger")],
        Status.PAUSED: [("resume", _("Resume"), "primary"), ("cancel", _("Cancel campaign"), "danger")],
    }.get(Status(campaign.status), [])
    listed = [{"key": key, "label": label, "kind": kind} for key, label, kind in buttons] if may_change else []
    if campaign.status == Status.WAITING and request.user.has_perm(APPROVE) and not own:
        listed.insert(0, {"key": "approve", "label": _("Approve and launch"), "kind": "primary"})
    return listed


def list_settings(campaign: Campaign) -> list[tuple[str, str, str]]:
    """Return the settings of a campaign: label, value and link."""
    excluded = join_list(segment.name for segment in campaign.excluded_segments.all())
    template = campaign.template
    rows = [
        (_("Segment"), campaign.segment.name, reverse("admin:segments_segment_overview", args=[campaign.segment_id])),
        (_("Exclusions"), excluded or _("none"), ""),
        (_("Channel"), capfirst(campaign.get_channel_display()), ""),
        (_("Message"), template.name if template else _("none"), get_template_url(campaign)),
        *([(_("A/B test"), describe_settings(campaign), "")] if campaign.test_template else []),
        (pgettext("campaign", "Schedule"), describe_schedule(campaign), ""),
        (_("Next run"), format_moment(campaign.next_run_at), ""),
        (_("Holdout group"), format_percent(float(campaign.holdout_share)), ""),
        (_("Goal"), describe_goal(campaign), ""),
        (_("Created by"), str(campaign.created_by or "–"), ""),
    ]
    if campaign.approved_by:
        rows.append((_("Approved by"), f"{campaign.approved_by}, {format_moment(campaign.approved_at)}", ""))
    return rows


def list_experiments(request: HttpRequest, campaign: Campaign) -> list[tuple[str, str, str]]:
    """Return the running experiment on the messages of the campaign as a setting."""
    experiment = find_message_experiment(campaign) if request.user.has_perm("experiments.view_experiment") else None
    if experiment is None:
        return []
    return [(_("Experiment"), experiment.name, reverse("experiments:experiment", args=[experiment.key]))]


def get_template_url(campaign: Campaign) -> str:
    try:
        return reverse("message_templates:editor", args=[campaign.template_id]) if campaign.template_id else ""
    except NoReverseMatch:
        return ""


def build_draft(campaign: Campaign, *, now: Any) -> dict[str, Any]:
    """Return the audience as it is now, and what the campaign lacks."""
    problems = [] if campaign.channel == Campaign.Channel.EXPORT else find_launch_problems(campaign, now=now)
    try:
        preview = get_preview_soon(campaign=campaign, as_of=now)
    except ConditionError as error:
        return {"problems": [problem.message for problem in problems], "segment_problem": str(error)}
    return {
        "problems": [problem.message for problem in problems] if campaign.status == Status.DRAFT else [],
        "is_counting": preview is None,
        "sms": describe_sms_cost(campaign, preview, now=now),
        **build_waterfall_context(preview),
    }
