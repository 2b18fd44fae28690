"""The channels by key."""

from recommendations.sending.channels.base import ChannelAdapter
from recommendations.sending.channels.email import EmailChannel

CHANNELS: dict[str, ChannelAdapter] = {channel.key: channel for channel in (EmailChannel(),)}


def get_channel(key: str) -> ChannelAdapter:
    """Return a channel. Raises KeyError for one that cannot send."""
    return CHANNELS[key]
