"""Previews of audiences for pages: kept for some minutes if counting all customers of a segment takes long."""

import json
from collections.abc import Sequence
from datetime import datetime
from hashlib import blake2b

from config.foundation.slow_figures import get_figures, get_figures_soon
from customers.segments.models import Segment
from recommendations.campaigns.audience import AudiencePreview, preview_audience
from recommendations.campaigns.models import Campaign
from recommendations.sending.settings_model import load_sending_settings


def get_preview(*, campaign: Campaign, as_of: datetime) -> AudiencePreview:
    """Return the audience, counted some minutes ago in a large shop; ``as_of`` of the preview says when.

    After a user changes the campaign, its segments or the sending settings, the audience is counted again.

    Raises:
        ConditionError: a segment is not valid.
    """
    excluded = list_excluded(campaign)
    return get_figures(
        build_key(campaign, excluded),
        AudiencePreview,
        lambda: preview_audience(campaign=campaign, as_of=as_of, excluded=excluded),
    )


def get_preview_soon(
    *, campaign: Campaign, as_of: datetime, excluded: Sequence[Segment] | None = None
) -> AudiencePreview | None:
    """Return the audience if it is known or counted within a moment; None while it is counted in the background.

    Raises:
        ConditionError: a segment is not valid.
    """
    chosen = list_excluded(campaign) if excluded is None else list(excluded)
    return get_figures_soon(
        build_key(campaign, chosen),
        AudiencePreview,
        lambda: preview_audience(campaign=campaign, as_of=as_of, excluded=chosen),
    )


def list_excluded(campaign: Campaign) -> list[Segment]:
    return list(campaign.excluded_segments.all()) if campaign.pk else []


def build_key(campaign: Campaign, excluded: Sequence[Segment]) -> str:
    """Return a key with everything that a user can change about the audience."""
    settings = load_sending_settings()
    depends_on = [
        campaign.channel,
        campaign.required_consent,
        f"{campaign.holdout_share:.4f}",
        campaign.salt,
        campaign.is_transactional,
        campaign.attribution_days,
        [[segment.pk, segment.kind, segment.condition] for segment in (campaign.segment, *excluded)],
        [settings.caps, str(settings.global_holdout_share), str(settings.quiet_from), str(settings.quiet_until)],
        [campaign.kind, str(campaign.starts_at), str(campaign.send_time), campaign.uses_customer_time],
    ]
    return f"campaigns.audience:{blake2b(json.dumps(depends_on).encode(), digest_size=16).hexdigest()}"
