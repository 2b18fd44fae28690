"""The kinds of actions by key."""

from recommendations.uplift.kinds.action_kind import ActionKind
from recommendations.uplift.kinds.campaign import CAMPAIGN
from recommendations.uplift.kinds.flow import FLOW
from recommendations.uplift.kinds.offer import OFFER

KINDS: dict[str, ActionKind] = {kind.key: kind for kind in (CAMPAIGN, FLOW, OFFER)}
