"""Finds the campaigns that have a run ahead of them with a template, so that it is not archived meanwhile."""

from django.db.models import Q
from django.utils.translation import gettext as _

from recommendations.campaigns.launch.message_variants import KIND
from recommendations.campaigns.launch.runs import ACTIVE_STATUSES
from recommendations.campaigns.models import Campaign
from recommendations.experiments.models import Experiment

Status = Campaign.Status
HAS_RUN_AHEAD = Q(status=Status.WAITING) | Q(status__in=(*ACTIVE_STATUSES, Status.PAUSED), next_run_at__isnull=False)


def list_campaign_uses(template_key: str) -> list[str]:
    """Return the campaigns that will send a template, itself or in a running experiment on their messages."""
    experiments = Experiment.objects.filter(
        kind=KIND, status=Experiment.Status.RUNNING, variants__config__template=template_key
    )
    sends_it = (
        Q(template__key=template_key) | Q(test_template__key=template_key) | Q(key__in=experiments.values("subject"))
    )
    campaigns = Campaign.objects.filter(HAS_RUN_AHEAD, sends_it).order_by("name", "pk")
    return [_("the campaign “%(name)s”") % {"name": name} for name in campaigns.values_list("name", flat=True)]
