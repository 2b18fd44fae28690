"""Engagement of a customer by channel: messages sent, opened and clicked, and the last time of each.

Counted from events, and by apps that have more data on a channel (`customers.lifecycle.signals.channel_responses_requested`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from django.db.models import TextChoices
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from config.foundation.shop.profile import get_shop_clock
from customers.events.event_taxonomy import Meaning, lookup_meaning
from customers.identity.models import Customer
from customers.lifecycle.facts.histories import from_microseconds
from customers.lifecycle.portrait.line import (
    FactSource,
    MissingReason,
    PortraitGroup,
    PortraitLine,
    ValueFormat,
    join_list,
    make_line,
)
from customers.lifecycle.portrait.queries import CustomerEvent
from customers.lifecycle.signals import channel_responses_requested


class ResponseChannel(TextChoices):
    RECOMMENDATIONS = "recommendations", gettext_lazy("on-site recommendations")
    PROMOTIONS = "promotions", gettext_lazy("on-site promotions")
    EMAIL = "email", pgettext_lazy("channel", "email")
    PUSH = "push", gettext_lazy("push messages")
    SMS = "sms", gettext_lazy("text messages")
    CAMPAIGNS = "campaigns", gettext_lazy("visits from campaign links")


SENT, OPENED, CLICKED = "sent", "opened", "clicked"
STEPS = (SENT, OPENED, CLICKED)
STEP_BY_MEANING: dict[Meaning, tuple[ResponseChannel, str]] = {
    Meaning.RECOMMENDATION_VIEW: (ResponseChannel.RECOMMENDATIONS, OPENED),
    Meaning.RECOMMENDATION_CLICK: (ResponseChannel.RECOMMENDATIONS, CLICKED),
    Meaning.PROMOTION_VIEW: (ResponseChannel.PROMOTIONS, OPENED),
    Meaning.PROMOTION_CLICK: (ResponseChannel.PROMOTIONS, CLICKED),
    Meaning.EMAIL_DELIVERED: (ResponseChannel.EMAIL, SENT),
    Meaning.EMAIL_OPENED: (ResponseChannel.EMAIL, OPENED),
    Meaning.EMAIL_CLICKED: (ResponseChannel.EMAIL, CLICKED),
    Meaning.PUSH_RECEIVED: (ResponseChannel.PUSH, SENT),
    Meaning.PUSH_TAPPED: (ResponseChannel.PUSH, CLICKED),
    Meaning.SMS_DELIVERED: (ResponseChannel.SMS, SENT),
    Meaning.SMS_CLICKED: (ResponseChannel.SMS, CLICKED),
}
# The steps that a channel reports. Recommendations that were sent are reported by the serving app, not by events.
MEASURED_STEPS: dict[ResponseChannel, tuple[str, ...]] = {
    ResponseChannel.RECOMMENDATIONS: STEPS,
    ResponseChannel.PROMOTIONS: (OPENED, CLICKED),
    ResponseChannel.EMAIL: STEPS,
    ResponseChannel.PUSH: (SENT, CLICKED),
    ResponseChannel.SMS: (SENT, CLICKED),
    ResponseChannel.CAMPAIGNS: (CLICKED,),
}


@dataclass(frozen=True)
class ChannelResponses:
    """The number of times a step of a channel happened, and the last time."""

    channel: str
    step: str
    number: int
    last_at: datetime


def make_response_lines(*, customer_id: int, events: Sequence[CustomerEvent], as_of: datetime) -> list[PortraitLine]:
    """Return a line per channel from the events before as_of, also for channels without data."""
    responses = [*_count_event_responses(events), *_collect_signal_responses(customer_id, as_of)]
    return [
        _make_channel_line(channel, [response for response in responses if response.channel == channel], as_of)
        for channel in ResponseChannel
    ]


def _count_event_responses(events: Sequence[CustomerEvent]) -> Iterator[ChannelResponses]:
    times_by_step: dict[tuple[str, str], list[int]] = {}
    campaign_days: set[int] = set()
    days = get_shop_clock().count_days(np.array([event.at for event in events], np.int64)).tolist()
    for event, day in zip(events, days, strict=True):
        meaning = lookup_meaning(event.name) if event.type == "track" else None
        if meaning in STEP_BY_MEANING:
            times_by_step.setdefault(STEP_BY_MEANING[meaning], []).append(event.at)
        # Every page view of a visit has the campaign, so each day counts once.
        if event.of_campaign and day not in campaign_days:
            campaign_days.add(day)
            times_by_step.setdefault((ResponseChannel.CAMPAIGNS, CLICKED), []).append(event.at)
    for (channel, step), at in times_by_step.items():
        yield ChannelResponses(channel, step, len(at), from_microseconds(max(at)))


def _collect_signal_responses(customer_id: int, as_of: datetime) -> list[ChannelResponses]:
    results: list[tuple[Any, Any]] = channel_responses_requested.send(
        sender=Customer, customer_id=customer_id, as_of=as_of
    )
    return [response for _receiver, responses in results for response in responses or ()]


def _add_responses(step: str, responses: Sequence[ChannelResponses]) -> ChannelResponses | None:
    """Return the total of a step: a channel can be reported by events of other programs and by an app of our own."""
    same = [response for response in responses if response.step == step]
    if not same:
        return None
    return ChannelResponses(
        same[0].channel, step, sum(each.number for each in same), max(each.last_at for each in same)
    )


def _make_channel_line(
    channel: ResponseChannel, responses: Sequence[ChannelResponses], as_of: datetime
) -> PortraitLine:
    by_step = {step: total for step in STEPS if (total := _add_responses(step, responses)) is not None}
    facts = sum(response.number for response in responses)
    newest = max((response.last_at for response in responses), default=None)
    return make_line(
        key=f"responses.{channel.value}",
        group=PortraitGroup.ENGAGEMENT,
        name=channel.label,
        format=ValueFormat.RESPONSES,
        value={
            step: (by_step[step].number if step in by_step else 0) if step in MEASURED_STEPS[channel] else None
            for step in STEPS
        },
        text=join_list([_format_step(channel, step, by_step[step]) for step in STEPS if step in by_step]),
        source=FactSource.RECOMMENDATIONS if channel == ResponseChannel.RECOMMENDATIONS else FactSource.EVENTS,
        facts=facts,
        newest=newest,
        missing="" if facts else MissingReason.NOTHING_KNOWN,
        as_of=as_of,
    )


def _format_step(channel: ResponseChannel, step: str, response: ChannelResponses) -> str:
    """Return the text of a step.

    On site it is served, viewed or clicked, elsewhere sent, opened or clicked.
    """
    on_site = channel in (ResponseChannel.RECOMMENDATIONS, ResponseChannel.PROMOTIONS)
    parts = {"n": response.number, "day": date_format(localtime(response.last_at), "SHORT_DATE_FORMAT")}
    if step == CLICKED:
        return _("%(n)s clicked (last %(day)s)") % parts
    if step == OPENED:
        return (_("%(n)s viewed (last %(day)s)") if on_site else _("%(n)s opened (last %(day)s)")) % parts
    return (_("%(n)s served (last %(day)s)") if on_site else _("%(n)s sent (last %(day)s)")) % parts
