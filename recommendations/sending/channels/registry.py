"""The channels by key."""

from recommendations.messaging.channels import Channel
from recommendations.sending.channels.base import ChannelAdapter
from recommendations.sending.channels.email import EmailChannel

CHANNELS: dict[str, ChannelAdapter] = {channel.key: channel for channel in (EmailChannel(),)}


def get_channel(key: str) -> ChannelAdapter:
    """Return a channel. Raises KeyError for one that cannot send."""
    return CHANNELS[key]


def get_channel_label(key: str) -> str:
    """Return what pages call a channel."""
    return str(Channel(key).label) if key in Channel.values else key
