"""Previews of audiences for pages: kept for some minutes if counting all customers of a segment takes long."""

import json
from collections.abc import Sequence
from datetime import datetime
from hashlib import blake2b

from config.foundation.slow_figures import get_figures
from customers.segments.models import Segment
from recommendations.campaigns.audience import AudiencePreview, preview_audience
from recommendations.campaigns.models import Campaign
from recommendations.sending.settings_model import load_sending_settings


def get_preview(*, campaign: Campaign, as_of: datetime, excluded: Sequence[Segment] | None = None) -> AudiencePreview:
    """Return the audience, counted some minutes ago in a large shop; ``as_of`` of the preview says when.

    What a user changes, in the campaign, its segments or the settings of sending, is counted at once.

    Raises:
        ConditionError: a segment is not valid.
    """
    if excluded is None:
        excluded = list(campaign.excluded_segments.all()) if campaign.pk else []
    settings = load_sending_settings()
    depends_on = [
        campaign.channel,
        campaign.required_consent,
        str(campaign.holdout_share),
        campaign.salt,
        campaign.is_transactional,
        campaign.attribution_days,
        [[segment.pk, segment.kind, segment.condition] for segment in (campaign.segment, *excluded)],
        [settings.caps, str(settings.global_holdout_share), str(settings.quiet_from), str(settings.quiet_until)],
        [campaign.kind, str(campaign.starts_at), str(campaign.send_time), campaign.uses_customer_time],
    ]
    digest = blake2b(json.dumps(depends_on).encode(), digest_size=16).hexdigest()
    return get_figures(
        f"campaigns.audience:{digest}",
        AudiencePreview,
        lambda: preview_audience(campaign=campaign, as_of=as_of, excluded=excluded),
    )
