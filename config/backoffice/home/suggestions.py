"""Suggested campaigns: a group of customers worth writing to, with a draft that one click makes."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from config.foundation.number_formats import format_count
from config.foundation.slow_figures import get_figures
from customers.segments.membership import query_matching
from customers.segments.models import Segment
from customers.segments.starter_segments import STARTERS
from recommendations.campaigns.keys import find_free_key
from recommendations.campaigns.models import Campaign
from recommendations.messaging.models import MessageTemplate
from recommendations.messaging.starters.installation import ensure_starter_templates
from recommendations.messaging.starters.texts import STARTERS as STARTER_TEMPLATES

PERMISSIONS = ("segments.add_segment", "campaigns.add_campaign")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A group, as a starter segment, and why to write to it."""

    segment_key: str
    headline: Any  # a plural of ngettext_lazy with %(count)s
    advice: str | Promise
    campaign_name: str | Promise
    template_key: str  # a ready-made message


SUGGESTIONS = (
    Suggestion(
        "at-risk",
        ngettext_lazy(
            "%(number)s customer is at risk of leaving", "%(number)s customers are at risk of leaving", "count"
        ),
        _("They have been away for longer than usual. A reminder works best before they get used to another shop."),
        _("Reminder for customers at risk"),
        "win-back",
    ),
    Suggestion(
        "dormant-loyal",
        ngettext_lazy(
            "%(number)s formerly loyal customer has stopped ordering",
            "%(number)s formerly loyal customers have stopped ordering",
            "count",
        ),
        _("Each of them ordered five times or more. Ask what happened, and offer a reason to come back."),
        _("Win back formerly loyal customers"),
        "win-back",
    ),
    Suggestion(
        "new-customers",
        ngettext_lazy(
            "%(number)s customer ordered for the first time in the last 30 days",
            "%(number)s customers ordered for the first time in the last 30 days",
            "count",
        ),
        _("Encourage a second order: show what goes with the first one."),
        _("Second order of new customers"),
        "first-to-second-order",
    ),
    Suggestion(
        "champions",
        ngettext_lazy(
            "%(number)s customer buys most often and spends most",
            "%(number)s customers buy most often and spend most",
            "count",
        ),
        _("Thank them, and show them new products first."),
        _("Thank the best customers"),
        "vip",
    ),
)
SUGGESTIONS_BY_KEY = {suggestion.segment_key: suggestion for suggestion in SUGGESTIONS}
CLOSED = (Campaign.Status.ENDED, Campaign.Status.CANCELED)
CONDITIONS = {key: condition for key, _name, _description, condition in STARTERS}


@dataclass(frozen=True, slots=True)
class SuggestionCard:
    """A suggestion as the page shows it; ``campaign_url`` is set if there is a draft or running campaign already."""

    key: str
    headline: str
    advice: str | Promise
    people_url: str
    campaign_url: str
    campaign_name: str


def list_suggestions(*, as_of: datetime) -> list[SuggestionCard]:
    """Return the suggestions for groups with customers, with the campaign that exists for one."""
    segments = Segment.objects.in_bulk([suggestion.segment_key for suggestion in SUGGESTIONS], field_name="key")
    campaigns = {
        campaign.segment_id: campaign
        for campaign in Campaign.objects.filter(segment__in=segments.values())
        .exclude(status__in=CLOSED)
        .order_by("created_at")
    }
    cards = []
    for suggestion in SUGGESTIONS:
        segment = segments.get(suggestion.segment_key)
        size = count_customers(suggestion.segment_key, segment, as_of=as_of)
        if not size:
            continue
        campaign = campaigns.get(segment.pk) if segment else None
        cards.append(
            SuggestionCard(
                key=suggestion.segment_key,
                headline=str(suggestion.headline % {"count": size, "number": format_count(size)}),
                advice=suggestion.advice,
                people_url=reverse("admin:segments_segment_change", args=[segment.pk]) if segment else "",
                campaign_url=reverse("admin:campaigns_campaign_change", args=[campaign.pk]) if campaign else "",
                campaign_name=campaign.name if campaign else "",
            )
        )
    return cards


def count_customers(key: str, segment: Segment | None, *, as_of: datetime) -> int:
    """Return the size of the segment's latest evaluation, or count its customers if there is none."""
    if segment is not None and segment.size is not None:
        return segment.size
    condition = segment.condition if segment is not None else CONDITIONS[key]
    return get_figures(
        f"suggestion:{key}:{segment.pk if segment else ''}",
        int,
        lambda: query_matching(condition=condition, as_of=as_of, within=(key,)).count(),
    )


def create_draft(suggestion: Suggestion, *, by: User | None = None) -> tuple[Campaign, bool]:
    """Return the draft for a suggestion, and whether it is new: a second click finds the first one's draft."""
    with transaction.atomic():
        segment = ensure_segment(suggestion.segment_key)
        Segment.objects.select_for_update().get(pk=segment.pk)  # a double click waits here
        existing = Campaign.objects.filter(Q(segment=segment) & ~Q(status__in=CLOSED)).first()
        if existing:
            return existing, False
        name = str(suggestion.campaign_name)
        campaign = Campaign.objects.create(
            key=find_free_key(slugify(f"{suggestion.segment_key}-campaign")),
            name=name,
            description=str(suggestion.advice),
            segment=segment,
            channel=Campaign.Channel.EMAIL,
            template=find_template(suggestion.template_key),
            created_by=by,
        )
        return campaign, True


def ensure_segment(key: str) -> Segment:
    name, description, condition = next(row[1:] for row in STARTERS if row[0] == key)
    return Segment.objects.get_or_create(
        key=key, defaults={"name": str(name), "description": str(description), "condition": condition}
    )[0]


def find_template(key: str) -> MessageTemplate | None:
    """Return the ready-made message with this key, created if it is missing; None if there is no such message."""
    if key not in {starter.key for starter in STARTER_TEMPLATES}:
        return None
    return ensure_starter_templates([key])[key]
