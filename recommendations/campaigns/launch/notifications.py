"""Notifications of changes of campaigns to the endpoints of the shop."""

from typing import Any
from uuid import uuid4

from django.utils import timezone

from recommendations.campaigns.models import Campaign, CampaignRun
from recommendations.webhooks.event_types import EVENT_TYPES
from recommendations.webhooks.publishing import publish


def publish_campaign_event(event_type: str, campaign: Campaign, run: CampaignRun | None = None) -> None:
    """Publish a change in the transaction that makes it; changes without an event of their own are not published."""
    if event_type not in EVENT_TYPES:
        return
    data: dict[str, Any] = {"campaign": campaign.key, "name": campaign.name, "status": campaign.status}
    if run is not None:
        data |= {"run": run.number, "counts": run.counts}
    key = f"{event_type}:{run.pk}" if run is not None else f"{event_type}:{campaign.pk}:{uuid4()}"
    publish(event_type, key=key, data=data, at=timezone.now())
