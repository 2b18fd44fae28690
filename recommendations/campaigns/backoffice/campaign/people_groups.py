"""The customers behind each number of a campaign's page."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from customers.identity.models import Customer
from recommendations.campaigns.models import Campaign
from recommendations.campaigns.results.groups import LAUNCH_CLAIM
from recommendations.sending.models import Delivery, SkipReason

Status = Delivery.Status


@dataclass(frozen=True)
class PeopleGroup:
    """A group of a campaign's customers, by a condition on their deliveries."""

    label: str | Promise
    condition: Q


SENT = Q(sent_at__isnull=False)
GROUPS: Mapping[str, PeopleGroup] = {
    "recipients": PeopleGroup(_("Recipients"), ~Q(skip_reason=SkipReason.HOLDOUT) & ~Q(claim=LAUNCH_CLAIM)),
    "waiting": PeopleGroup(_("Waiting"), Q(status__in=[Status.PENDING, Status.SENDING])),
    "sent": PeopleGroup(_("Sent"), SENT),
    "delivered": PeopleGroup(_("Delivered"), Q(delivered_at__isnull=False)),
    "opened": PeopleGroup(_("Opened"), Q(opened_at__isnull=False)),
    "machine_opened": PeopleGroup(_("Opened by a machine only"), Q(machine_opened_at__isnull=False, opened_at=None)),
    "clicked": PeopleGroup(_("Clicked"), Q(clicked_at__isnull=False)),
    "not_clicked": PeopleGroup(_("Sent, not clicked"), SENT & Q(clicked_at=None)),
    "unsubscribed": PeopleGroup(_("Unsubscribed"), Q(unsubscribed_at__isnull=False)),
    "complained": PeopleGroup(_("Complained"), Q(complained_at__isnull=False)),
    "bounced": PeopleGroup(_("Bounced"), Q(status=Status.BOUNCED)),
    "failed": PeopleGroup(_("Failed"), Q(status=Status.FAILED)),
    "uncertain": PeopleGroup(_("Uncertain: not known whether it was sent"), Q(status=Status.UNCERTAIN)),
    "canceled": PeopleGroup(_("Canceled"), Q(status=Status.CANCELED)),
    **{
        f"skipped_{reason.value}": PeopleGroup(reason.label, Q(status=Status.SKIPPED, skip_reason=reason.value))
        for reason in SkipReason
    },
}


def query_people(campaign: Campaign, group: PeopleGroup) -> QuerySet[Customer]:
    """Return the customers of a group, over all runs of the campaign."""
    deliveries = Delivery.objects.filter(
        group.condition,
        origin_kind="campaign",
        origin_id__in=list(campaign.runs.values_list("pk", flat=True)),
        customer_id=OuterRef("pk"),
    )
    return Customer.objects.filter(Exists(deliveries), erased_at__isnull=True)
