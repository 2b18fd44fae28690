"""Changes of a campaign's state by the buttons of its page, and the settings of all campaigns."""

from collections.abc import Callable

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from config.foundation.audit_log import record_action
from config.foundation.backoffice.permissions import check_permissions
from customers.segments.conditions.condition_tree import ConditionError
from recommendations.campaigns.backoffice.access import APPROVE, CHANGE, VIEW, get_campaign
from recommendations.campaigns.launch import transitions
from recommendations.campaigns.launch.readiness import LaunchError
from recommendations.campaigns.models import Campaign, CampaignSettings

DONE: dict[str, str | Promise] = {
    Campaign.Status.WAITING: _("The campaign is waiting for approval by a second person."),
    Campaign.Status.SCHEDULED: _("The campaign is scheduled."),
    Campaign.Status.RUNNING: _("The campaign is running."),
    Campaign.Status.PAUSED: _("The campaign is paused. Nothing is sent until it is resumed."),
    Campaign.Status.CANCELED: _("The campaign is canceled. Messages that were waiting will not be sent."),
    Campaign.Status.DRAFT: _("The campaign is a draft again."),
}


def change_state(request: HttpRequest, campaign_id: int, action: str) -> HttpResponse:
    """Launch, approve, pause, resume or cancel a campaign, or return it to draft."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    permission = APPROVE if action == "approve" else CHANGE
    check_permissions(request, VIEW, permission)
    campaign = get_campaign(campaign_id)
    try:
        run_action(action, campaign, request)
    except LaunchError as error:
        for problem in error.problems:
            messages.error(request, problem.message)
    except ConditionError as error:
        messages.error(request, str(error))
    else:
        report_state(request, campaign)
    return HttpResponseRedirect(reverse("admin:campaigns_campaign_change", args=[campaign.pk]))


def run_action(action: str, campaign: Campaign, request: HttpRequest) -> None:
    if not isinstance(request.user, User):
        raise PermissionDenied
    user, now = request.user, timezone.now()
    changes: dict[str, Callable[[], None]] = {
        "launch": lambda: transitions.launch(campaign, by=user, now=now),
        "approve": lambda: transitions.approve(campaign, by=user, now=now),
        "pause": lambda: transitions.pause(campaign),
        "resume": lambda: transitions.resume(campaign, now=now),
        "cancel": lambda: transitions.cancel(campaign, now=now),
        "draft": lambda: transitions.return_to_draft(campaign),
    }
    if action not in changes:
        raise Http404(f"Unknown action {action!r}.")
    changes[action]()


def report_state(request: HttpRequest, campaign: Campaign) -> None:
    if campaign.problem:
        messages.error(request, campaign.problem)
    elif campaign.status in DONE:
        messages.success(request, str(DONE[campaign.status]))


def save_settings(request: HttpRequest) -> HttpResponse:
    """Save the rules for all campaigns."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    check_permissions(request, "campaigns.change_campaignsettings")
    settings = CampaignSettings.objects.first() or CampaignSettings()
    settings.requires_approval = "requires_approval" in request.POST
    settings.save()
    record_action(
        "campaign.settings_changed", instance=settings, details={"requires_approval": settings.requires_approval}
    )
    messages.success(request, _("Saved."))
    return HttpResponseRedirect(reverse("admin:campaigns_campaign_changelist"))
