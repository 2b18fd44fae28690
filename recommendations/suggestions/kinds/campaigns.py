"""Suggested campaigns: a group of customers worth writing to, and what earlier campaigns with the message caused."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.urls import reverse
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from config.foundation.number_formats import format_count, join_sentences
from customers.segments.conditions.condition_tree import ConditionError
from customers.segments.models import Segment
from recommendations.campaigns.kept_previews import get_preview_soon
from recommendations.campaigns.keys import find_free_key
from recommendations.campaigns.launch.readiness import LaunchError
from recommendations.campaigns.launch.transitions import launch
from recommendations.campaigns.models import Campaign
from recommendations.measurement.presentation.formats import format_points
from recommendations.messaging.models import MessageTemplate
from recommendations.messaging.starters.installation import ensure_starter_templates
from recommendations.messaging.starters.texts import STARTERS
from recommendations.suggestions.kinds.campaign_groups import GROUPS, GROUPS_BY_KEY, CampaignGroup
from recommendations.suggestions.kinds.campaign_texts import describe_campaign_effect
from recommendations.suggestions.models import SuggestionDecision
from recommendations.suggestions.past_effects import ExpectedEffect, expect_effect, load_past_effects
from recommendations.suggestions.suggestion import Draft, LaterEffect, StartError, Suggestion

CLOSED = (Campaign.Status.ENDED, Campaign.Status.CANCELED)
ASSUMED_EFFECT = 0.01  # ranks suggestions whose effect is unknown


class CampaignSuggestions:
    """Campaigns to groups of customers."""

    key = "campaign"
    label = gettext_lazy("Campaign")
    permissions = ("segments.add_segment", "campaigns.add_campaign")
    start_permissions = ("campaigns.change_campaign",)

    def find(self, *, as_of: datetime) -> list[Suggestion]:
        open_campaigns = list(
            Campaign.objects.exclude(status__in=CLOSED).select_related("segment").order_by("created_at", "pk")
        )
        segments = Segment.objects.in_bulk([group.key for group in GROUPS], field_name="key")
        past = load_past_effects(as_of=as_of)
        suggestions = []
        for group in GROUPS:
            if size := group.count(group.key, segments.get(group.key), as_of):
                campaign = next((found for found in open_campaigns if is_about(found.segment, group)), None)
                expected = expect_effect(group.template_key, past or [])
                if expected is not None and expected.conversion.value <= 0:
                    continue  # the message has not helped so far
                people = segments.get(group.key)
                recipients = None
                if expected is not None:
                    planned = campaign or plan_campaign(group, people)
                    recipients = count_recipients(planned, size, as_of=as_of)
                found = build_suggestion(group, size, expected, campaign=campaign, people=people, recipients=recipients)
                suggestions.append(
                    found
                    if past is not None
                    else replace(found, expectation=_("Its expected effect is being computed."))
                )
        return suggestions

    def create_draft(self, key: str, *, by: User, now: datetime) -> Draft:
        group = GROUPS_BY_KEY[key]
        with transaction.atomic():
            segment = group.ensure_segment(group.key, now)
            Segment.objects.select_for_update().get(pk=segment.pk)  # a double click waits here
            campaigns = (
                Campaign.objects.exclude(status__in=CLOSED).select_related("segment").order_by("created_at", "pk")
            )
            existing = next((found for found in campaigns if is_about(found.segment, group)), None)
            if existing is not None:
                return Draft(reverse("admin:campaigns_campaign_change", args=[existing.pk]), existing.pk, is_new=False)
            campaign = Campaign.objects.create(
                key=find_free_key(slugify(f"{group.key}-campaign")),
                name=str(group.campaign_name),
                description=str(group.advice),
                segment=segment,
                channel=Campaign.Channel.EMAIL,
                template=find_template(group.template_key),
                created_by=by,
            )
        page = "edit" if by.has_perm("campaigns.change_campaign") else "change"
        return Draft(reverse(f"admin:campaigns_campaign_{page}", args=[campaign.pk]), campaign.pk)

    def start(self, draft: Draft, *, by: User, now: datetime) -> None:
        campaign = Campaign.objects.get(pk=draft.created_id or 0)
        try:
            launch(campaign, by=by, now=now)
        except LaunchError as error:
            raise StartError(draft, [problem.message for problem in error.problems]) from error
        except ConditionError as error:
            raise StartError(draft, [str(error)]) from error
        if campaign.problem:
            raise StartError(draft, [campaign.problem])
        if campaign.status == Campaign.Status.WAITING:
            raise StartError(draft, [_("The campaign is waiting for approval by a second person.")])

    def describe_effects(self, decisions: Sequence[SuggestionDecision], *, as_of: datetime) -> dict[int, LaterEffect]:
        campaigns = (
            Campaign.objects.with_shown_status()
            .select_related("segment")
            .in_bulk([decision.created_id for decision in decisions if decision.created_id])
        )
        return {
            decision.pk: LaterEffect(
                describe_campaign_effect(campaigns[decision.created_id], as_of=as_of),
                reverse("admin:campaigns_campaign_change", args=[decision.created_id]),
            )
            for decision in decisions
            if decision.created_id in campaigns
        }


def is_about(segment: Segment, group: CampaignGroup) -> bool:
    """Return whether a segment belongs to a group; the key of a static one ends with the day."""
    return segment.key == group.key or (segment.kind == Segment.Kind.STATIC and segment.key.startswith(f"{group.key}-"))


def build_suggestion(
    group: CampaignGroup,
    size: int,
    expected: ExpectedEffect | None,
    *,
    campaign: Campaign | None,
    people: Segment | None,
    recipients: int | None,
) -> Suggestion:
    """Return the suggestion. recipients: who of the group would get the message; None while they are counted or if the effect is unknown."""
    effect = expected.conversion.value if expected else ASSUMED_EFFECT
    return Suggestion(
        kind=CampaignSuggestions.key,
        key=group.key,
        headline=str(group.headline % {"count": size, "number": format_count(size)}),
        advice=str(group.advice),
        expectation=describe_expectation(expected, size, recipients),
        value=max(effect, 0.0) * (size if recipients is None else recipients),
        people_url=reverse("admin:segments_segment_change", args=[people.pk]) if people else "",
        draft_url=reverse("admin:campaigns_campaign_change", args=[campaign.pk]) if campaign else "",
        draft_name=campaign.name if campaign else "",
        figures={
            "customers": size,
            "recipients": recipients,
            "expected": asdict(expected.conversion) if expected else None,
        },
    )


def plan_campaign(group: CampaignGroup, people: Segment | None) -> Campaign:
    """Return the campaign of the draft that accepting the suggestion would create, without storing it.

    Its holdout group is always the same one: the audience is counted once for many pages.
    """
    segment = people or Segment(key=group.key, condition=group.condition)
    return Campaign(segment=segment, channel=Campaign.Channel.EMAIL, salt=f"suggestion-{group.key}")


def count_recipients(campaign: Campaign, size: int, *, as_of: datetime) -> int | None:
    """Return how many of a group of customers would get the message of a campaign; None while its audience is being counted.

    Effects are measured per customer who was due to get the message, so only these customers can contribute to the total.
    """
    try:
        preview = get_preview_soon(campaign=campaign, as_of=as_of)
    except ConditionError:
        return 0  # nothing can be sent until the segment is corrected
    if preview is None:
        return None
    return round(size * preview.audience / preview.segment) if preview.segment else 0


def describe_expectation(expected: ExpectedEffect | None, size: int, recipients: int | None) -> str:
    """Return the expected effect and the number of earlier campaigns it is based on, or that it is not known yet."""
    if expected is None:
        return _("Its effect is not known yet. The draft has a holdout group, so the effect will be measured.")
    if recipients is None:
        return _("Its expected effect is being computed.")
    effect = expected.conversion
    text = ngettext(
        "Expected: %(points)s percentage points, %(low)s to %(high)s, about %(orders)s additional customers with an order. From "
        "%(campaigns)s campaign with this message and a holdout group.",
        "Expected: %(points)s percentage points, %(low)s to %(high)s, about %(orders)s additional customers with an order. From "
        "%(campaigns)s campaigns with this message and a holdout group.",
        expected.campaigns,
    )
    sentence = text % {
        "points": format_points(effect.value),
        "low": format_points(effect.low),
        "high": format_points(effect.high),
        "orders": format_count(max(round(effect.value * recipients), 0)),
        "campaigns": format_count(expected.campaigns),
    }
    if recipients >= size:
        return sentence
    limits = _(
        "%(count)s of these customers would get the message; the others lack an address or consent, or are held out."
    )
    return join_sentences([sentence, limits % {"count": format_count(recipients)}])


def find_template(key: str) -> MessageTemplate | None:
    """Return the ready-made message with this key, created if it is missing; None if there is no such message."""
    if key not in {starter.key for starter in STARTERS}:
        return None
    return ensure_starter_templates([key])[key]
