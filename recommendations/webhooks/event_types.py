"""The events that endpoints can subscribe to."""

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

EVENT_TYPES: Mapping[str, str | Promise] = {
    "campaign.launched": _("a campaign is launched"),
    "campaign.run_started": _("a run of a campaign starts"),
    "campaign.run_finished": _("a run of a campaign is finished"),
    "campaign.paused": _("a campaign is paused"),
    "campaign.resumed": _("a campaign is resumed"),
    "campaign.canceled": _("a campaign is canceled"),
    "campaign.ended": _("a campaign has ended"),
    "message.sent": _("messages are sent (in batches)"),
    "message.skipped": _("messages are not sent, with the reason (in batches)"),
    "message.failed": _("messages failed (in batches)"),
    "message.canceled": _("messages are canceled (in batches)"),
    "flow.published": _("a version of a flow is published"),
    "flow.paused": _("a flow is paused"),
    "flow.resumed": _("a flow is resumed"),
    "flow.ending": _("a flow stops accepting new customers"),
    "flow.ended": _("a flow has ended"),
    "message.delivered": _("a message is delivered"),
    "message.opened": _("a message is opened"),
    "message.clicked": _("a link is clicked"),
    "message.unsubscribed": _("a customer unsubscribes"),
    "message.complained": _("a customer complains"),
    "message.bounced": _("a message bounces"),
}
# kind of a DeliveryEvent → type
MESSAGE_TYPES = {
    "delivered": "message.delivered",
    "open": "message.opened",
    "click": "message.clicked",
    "unsubscribe": "message.unsubscribed",
    "complaint": "message.complained",
    "hard_bounce": "message.bounced",
    "soft_bounce": "message.bounced",
}
# status of a delivery → type; an uncertain message may have been sent, but counts as failed
STATUS_TYPES = {
    "sent": "message.sent",
    "skipped": "message.skipped",
    "failed": "message.failed",
    "uncertain": "message.failed",
    "canceled": "message.canceled",
}
