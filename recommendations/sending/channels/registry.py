"""The channels by key, and the providers of each."""

from dataclasses import replace

from customers.identity.models import Consent
from recommendations.messaging.channels import Channel
from recommendations.sending.channels.aliyun import AliyunProvider
from recommendations.sending.channels.base import ChannelAdapter
from recommendations.sending.channels.email import EmailChannel
from recommendations.sending.channels.providers import ProviderChannel
from recommendations.sending.channels.tencent import TencentProvider
from recommendations.sending.channels.twilio import TwilioProvider
from recommendations.sending.channels.web_push import WebPushProvider
from recommendations.sending.channels.webhook import WebhookProvider
from recommendations.sending.channels.wecom import WeComProvider, find_contact_limit
from recommendations.sending.transport.journal import SendResult

PROVIDER_CHANNELS = (
    ProviderChannel(
        "sms",
        Consent.Purpose.SMS,
        "phone",
        {provider.key: provider for provider in (TwilioProvider(), AliyunProvider(), TencentProvider())},
    ),
    ProviderChannel("whatsapp", Consent.Purpose.SMS, "phone", {"twilio": TwilioProvider("whatsapp:")}),
    ProviderChannel(
        "wecom", Consent.Purpose.PUSH, "wecom", {"wecom": WeComProvider()}, find_contact_limit=find_contact_limit
    ),
    ProviderChannel("push", Consent.Purpose.PUSH, "push", {"vapid": WebPushProvider()}),
    ProviderChannel("webhook", "", "", {"webhook": WebhookProvider()}, has_quiet_hours=False),
)
CHANNELS: dict[str, ChannelAdapter] = {channel.key: channel for channel in (EmailChannel(), *PROVIDER_CHANNELS)}


def get_channel(key: str) -> ChannelAdapter:
    """Return a channel. Raises KeyError for one that cannot send."""
    return CHANNELS[key]


def get_channel_label(key: str) -> str:
    """Return the name of a channel on pages."""
    return str(Channel(key).label) if key in Channel.values else key


def understand(result: SendResult, channel: ChannelAdapter) -> SendResult:
    """Return the result as the channel interprets it; without an answer, the message is sent again if the provider recognizes repetitions."""
    understood = channel.read_result(result)
    if understood.outcome == "uncertain" and channel.is_idempotent:
        return replace(understood, outcome="temporary")
    return understood
