"""How a customer responds, by channel: what was sent or shown, opened or seen, clicked, and when last.

From events, and from what rooms above know of their own channel (`customers.lifecycle.signals.responses_asked`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import TextChoices
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from customers.events.event_taxonomy import Meaning, meaning_of
from customers.identity.models import Customer
from customers.lifecycle.facts.histories import moment_of
from customers.lifecycle.portrait.line import Form, Gap, Group, Line, Origin, listed, make_line
from customers.lifecycle.portrait.queries import SeenEvent
from customers.lifecycle.scoring.stages.order_gaps import DAY
from customers.lifecycle.signals import responses_asked


class Channel(TextChoices):
    RECOMMENDATIONS = "recommendations", gettext_lazy("recommendations on site")
    PROMOTIONS = "promotions", gettext_lazy("promotions on site")
    EMAIL = "email", pgettext_lazy("channel", "e-mail")
    PUSH = "push", gettext_lazy("push messages")
    SMS = "sms", gettext_lazy("text messages")
    CAMPAIGNS = "campaigns", gettext_lazy("visits by a campaign's link")


SENT, OPENED, CLICKED = "sent", "opened", "clicked"
STEPS = (SENT, OPENED, CLICKED)
STEP_OF: dict[Meaning, tuple[Channel, str]] = {
    Meaning.RECOMMENDATION_VIEW: (Channel.RECOMMENDATIONS, OPENED),
    Meaning.RECOMMENDATION_CLICK: (Channel.RECOMMENDATIONS, CLICKED),
    Meaning.PROMOTION_VIEW: (Channel.PROMOTIONS, OPENED),
    Meaning.PROMOTION_CLICK: (Channel.PROMOTIONS, CLICKED),
    Meaning.EMAIL_DELIVERED: (Channel.EMAIL, SENT),
    Meaning.EMAIL_OPENED: (Channel.EMAIL, OPENED),
    Meaning.EMAIL_CLICKED: (Channel.EMAIL, CLICKED),
    Meaning.PUSH_RECEIVED: (Channel.PUSH, SENT),
    Meaning.PUSH_TAPPED: (Channel.PUSH, CLICKED),
    Meaning.SMS_DELIVERED: (Channel.SMS, SENT),
    Meaning.SMS_CLICKED: (Channel.SMS, CLICKED),
}
# what a channel can tell at all; recommendations are counted as sent by the room that serves them
TOLD: dict[Channel, tuple[str, ...]] = {
    Channel.RECOMMENDATIONS: STEPS,
    Channel.PROMOTIONS: (OPENED, CLICKED),
    Channel.EMAIL: STEPS,
    Channel.PUSH: (SENT, CLICKED),
    Channel.SMS: (SENT, CLICKED),
    Channel.CAMPAIGNS: (CLICKED,),
}


@dataclass(frozen=True)
class Responses:
    """How often a step of a channel happened, and when last."""

    channel: str
    step: str
    number: int
    last_at: datetime


def respond_lines(*, customer_id: int, events: Sequence[SeenEvent], as_of: datetime) -> list[Line]:
    """Of the events before as_of; a line for each channel, also where nothing is known."""
    found = [*_of_events(events), *_of_rooms(customer_id, as_of)]
    return [_channel_line(channel, [one for one in found if one.channel == channel], as_of) for channel in Channel]


def _of_events(events: Sequence[SeenEvent]) -> Iterator[Responses]:
    moments: dict[tuple[str, str], list[int]] = {}
    campaign_days: set[int] = set()
    for event in events:
        meaning = meaning_of(event.name) if event.type == "track" else None
        if meaning in STEP_OF:
            moments.setdefault(STEP_OF[meaning], []).append(event.at)
        # every page of a visit names the campaign
        if event.of_campaign and event.at // DAY not in campaign_days:
            campaign_days.add(event.at // DAY)
            moments.setdefault((Channel.CAMPAIGNS, CLICKED), []).append(event.at)
    for (channel, step), at in moments.items():
        yield Responses(channel, step, len(at), moment_of(max(at)))


def _of_rooms(customer_id: int, as_of: datetime) -> list[Responses]:
    answers: list[tuple[Any, Any]] = responses_asked.send(sender=Customer, customer_id=customer_id, as_of=as_of)
    return [one for _receiver, answer in answers for one in answer or ()]


def _channel_line(channel: Channel, found: Sequence[Responses], as_of: datetime) -> Line:
    told = {one.step: one for one in found}
    facts = sum(one.number for one in found)
    newest = max((one.last_at for one in found), default=None)
    return make_line(
        key=f"responses.{channel.value}",
        group=Group.RESPONDS,
        name=channel.label,
        form=Form.RESPONSES,
        value={step: (told[step].number if step in told else 0) if step in TOLD[channel] else None for step in STEPS},
        words=listed([_step_words(channel, step, told[step]) for step in STEPS if step in told]),
        origin=Origin.RECOMMENDATIONS if channel == Channel.RECOMMENDATIONS else Origin.EVENTS,
        facts=facts,
        newest=newest,
        gap="" if facts else Gap.NOTHING_KNOWN,
        as_of=as_of,
    )


def _step_words(channel: Channel, step: str, found: Responses) -> str:
    """Shown, seen and clicked on site; sent, opened and clicked elsewhere."""
    on_site = channel in (Channel.RECOMMENDATIONS, Channel.PROMOTIONS)
    parts = {"n": found.number, "day": date_format(localtime(found.last_at), "SHORT_DATE_FORMAT")}
    if step == CLICKED:
        return _("%(n)s clicked (last %(day)s)") % parts
    if step == OPENED:
        return (_("%(n)s seen (last %(day)s)") if on_site else _("%(n)s opened (last %(day)s)")) % parts
    return (_("%(n)s served (last %(day)s)") if on_site else _("%(n)s sent (last %(day)s)")) % parts
