"""The audience preview for people: the steps with their numbers, and what a test can show, in plain words."""

from typing import TypedDict

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from customers.identity.models import Consent
from recommendations.campaigns.audience import AudiencePreview
from recommendations.campaigns.models import Campaign


class Step(TypedDict):
    name: str
    customers: int
    lost: int
    shown: str
    shown_lost: str
    why: str


def waterfall(preview: AudiencePreview) -> list[Step]:
    """One entry a step: who is left, how many went, and why."""
    steps = (
        (_("Segment"), preview.segment, _("Everybody in the segment.")),
        (_("Reachable"), preview.reachable, reach_in_words(preview.channel)),
        (_("Consent"), preview.consented, consent_in_words(preview.consent)),
        (_("Audience"), preview.audience, holdout_in_words(preview)),
    )
    before = (steps[0][1], *(customers for _name, customers, _why in steps[:-1]))
    return [
        {
            "name": name,
            "customers": customers,
            "lost": earlier - customers,
            "shown": grouped(customers),
            "shown_lost": grouped(earlier - customers),
            "why": why,
        }
        for (name, customers, why), earlier in zip(steps, before, strict=True)
    ]


def reach_in_words(channel: str) -> str:
    if channel == Campaign.Channel.EMAIL:
        return _("With an e-mail address.")
    if channel == Campaign.Channel.ON_SITE:
        return _("With a user id or a known browser.")
    return _("With a user id.")


def consent_in_words(purposes: list[str]) -> str:
    if not purposes:
        return _("No consent is asked for: the channel does not need one, and the campaign names none.")
    labels = ", ".join(str(Consent.Purpose(purpose).label) for purpose in purposes)
    return _("Granted and not withdrawn: %(purposes)s.") % {"purposes": labels}


def holdout_in_words(preview: AudiencePreview) -> str:
    return ngettext(
        "%(count)s customer is held out, to compare with (%(share)s %%).",
        "%(count)s customers are held out, to compare with (%(share)s %%).",
        preview.held_out,
    ) % {"count": grouped(preview.held_out), "share": number_format(preview.holdout_share * 100, 2)}


def effect_in_words(preview: AudiencePreview) -> str:
    """What the smallest detectable effect means, or why there is none."""
    if preview.mde is None or preview.rate is None:
        return missing_in_words(preview)
    return _(
        "%(rate)s %% of this segment bought in the last %(days)d days. With %(audience)s customers who get the message and "
        "%(held_out)s held out, a difference of %(mde)s percentage points or more will be seen with %(power)d %% "
        "probability; a smaller effect may well stay hidden."
    ) % {
        "rate": number_format(preview.rate * 100, 2),
        "days": preview.rate_days,
        "audience": grouped(preview.audience),
        "held_out": grouped(preview.held_out),
        "mde": number_format(preview.mde * 100, 2),
        "power": round(preview.power * 100),
    }


def missing_in_words(preview: AudiencePreview) -> str:
    days = {"days": preview.rate_days}
    return {
        "no_audience": _("Nobody is left to write to, so no effect can be measured."),
        "no_holdout": _("Nobody is held out, so it cannot be known whether the campaign helped. Hold out a share."),
        "nobody_bought": _(
            "Nobody in this segment bought in the last %(days)d days, so the smallest effect cannot be computed from its own rate."
        )
        % days,
        "everybody_bought": _(
            "Everybody in this segment bought in the last %(days)d days: there is nothing left to gain in this share."
        )
        % days,
    }[preview.mde_missing]


def is_too_small(preview: AudiencePreview) -> bool:
    """When the campaign would have to lift the rate by more than half to be seen."""
    return preview.mde is not None and preview.rate is not None and preview.mde > preview.rate / 2


def grouped(number: int) -> str:
    return number_format(number, force_grouping=True)
