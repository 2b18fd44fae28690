"""The tables of sending."""

from recommendations.sending.models.channels import ChannelAccount, PushSubscription
from recommendations.sending.models.deliveries import (
    Delivery,
    DeliveryEvent,
    DeliveryStatus,
    OriginKind,
    OriginState,
    SkipReason,
    TestPart,
)
from recommendations.sending.models.global_holdout import GlobalHoldoutResult
from recommendations.sending.models.holds import SendingHold
from recommendations.sending.models.limits import RateSlot, WarmUpDay
from recommendations.sending.models.outbox import OutboxMessage
from recommendations.sending.models.suppressions import Suppression
from recommendations.sending.settings_model import GlobalHoldoutChange, SendingSettings

__all__ = [
    "ChannelAccount",
    "Delivery",
    "DeliveryEvent",
    "DeliveryStatus",
    "GlobalHoldoutChange",
    "GlobalHoldoutResult",
    "OriginKind",
    "OriginState",
    "OutboxMessage",
    "PushSubscription",
    "RateSlot",
    "SendingHold",
    "SendingSettings",
    "SkipReason",
    "Suppression",
    "TestPart",
    "WarmUpDay",
]
