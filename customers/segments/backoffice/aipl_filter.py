"""Whose AIPL is shown: all customers, those of a segment, or those who ordered through a channel."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.core.cache import cache
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.identity.models import Customer
from customers.orders.models import Order
from customers.segments.conditions.condition_tree import ConditionError
from customers.segments.membership import query_customers, query_members
from customers.segments.models import Segment

MAX_CHANNELS = 50
CHANNELS_KEY, CHANNELS_SECONDS = "segments:order-channels", 600


@dataclass(frozen=True)
class AiplFilter:
    """The customers of a page. within: None for all. parameters: of the URL. label: in words. problem: why it cannot be applied."""

    within: QuerySet[Customer] | None = None
    parameters: tuple[tuple[str, str], ...] = ()
    label: str = ""
    problem: str = ""


def parse_aipl_filter(parameters: Mapping[str, str]) -> AiplFilter:
    """Return the filter in the URL."""
    key, channel = parameters.get("segment", "")[:100], parameters.get("channel", "")[:100].replace("\0", "")
    within: QuerySet[Customer] | None = None
    labels: list[str] = []
    if key:
        segment = Segment.objects.filter(key=key.replace("\0", "")).first()
        if segment is None:
            return AiplFilter(problem=_("There is no segment “%(key)s”. Choose another one.") % {"key": key})
        try:
            within = query_members(segment=segment, as_of=timezone.now())
        except ConditionError:
            return AiplFilter(problem=_("The condition of this segment is not valid. Open the segment and correct it."))
        labels.append(segment.name)
    if channel:
        buyers = Order.objects.sales().known().filter(channel=channel).values("customer_id")
        within = (query_customers() if within is None else within).filter(pk__in=buyers)
        labels.append(channel)
    named = (("segment", key), ("channel", channel))
    return AiplFilter(within, tuple((name, value) for name, value in named if value), " · ".join(labels))


def list_channels() -> list[str]:
    """Return the channels of orders; they are read again after ten minutes."""
    channels: list[str] | None = cache.get(CHANNELS_KEY)
    if channels is None:
        names = (
            Order.objects.sales().exclude(channel="").order_by("channel").values_list("channel", flat=True).distinct()
        )
        channels = list(names[:MAX_CHANNELS])
        cache.set(CHANNELS_KEY, channels, CHANNELS_SECONDS)
    return channels
