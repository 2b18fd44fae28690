"""Texts of the audience preview: the steps with their numbers, and the effect that a test can detect."""

from typing import TypedDict

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from config.foundation.number_formats import format_decimals, join_list
from customers.identity.models import Consent
from recommendations.campaigns.audience import AudiencePreview
from recommendations.campaigns.audience_hints import find_hints
from recommendations.campaigns.models import Campaign


class WaterfallStep(TypedDict):
    name: str
    customers: int
    lost: int
    count_text: str
    lost_text: str
    description: str


def build_waterfall_context(preview: AudiencePreview | None) -> dict[str, object]:
    """Return what the waterfall of a page shows; nothing while the audience is being counted."""
    if preview is None:
        return {"steps": []}
    return {
        "steps": build_waterfall(preview),
        "effect": describe_effect(preview),
        "too_small": is_too_small(preview),
        "hints": find_hints(preview),
        "counted_at": preview.as_of,
    }


def build_waterfall(preview: AudiencePreview) -> list[WaterfallStep]:
    """Return each step with its customers, the number lost, and the reason."""
    steps = (
        (_("Segment"), preview.segment, _("All customers in the segment.")),
        (_("Exclusions"), preview.included, _("Not in an excluded segment.")),
        (_("Reachable"), preview.reachable, describe_reach(preview.channel)),
        (_("Consent"), preview.consented, describe_consent(preview.consent)),
        (
            _("Suppression list"),
            preview.consented - preview.suppressed,
            _("Address not on the suppression list."),
        ),
        (
            _("Frequency cap"),
            preview.consented - preview.suppressed - preview.capped,
            describe_cap(preview.channel),
        ),
        (
            _("Quiet hours"),
            preview.consented - preview.suppressed - preview.capped,
            describe_quiet_hours(preview),
        ),
        (
            _("Global holdout group"),
            preview.audience + preview.held_out,
            _("Not in the global holdout group, which gets no marketing at all."),
        ),
        (_("To be sent"), preview.audience, describe_recipients(preview)),
    )
    earlier_counts = (steps[0][1], *(customers for _name, customers, _description in steps[:-1]))
    return [
        {
            "name": name,
            "customers": customers,
            "lost": earlier - customers,
            "count_text": format_count(customers),
            "lost_text": format_count(earlier - customers),
            "description": description,
        }
        for (name, customers, description), earlier in zip(steps, earlier_counts, strict=True)
    ]


def describe_reach(channel: str) -> str:
    return {
        Campaign.Channel.EMAIL: _("With an email address."),
        Campaign.Channel.SMS: _("With a phone number."),
        Campaign.Channel.WHATSAPP: _("With a phone number."),
        Campaign.Channel.PUSH: _("With a browser that is subscribed to notifications."),
        Campaign.Channel.WECOM: _("With a WeCom contact."),
        Campaign.Channel.ON_SITE: _("With a user ID or a known browser."),
    }.get(Campaign.Channel(channel), _("With a user ID."))


def describe_consent(purposes: list[str]) -> str:
    if not purposes:
        return _("No consent required by the channel or the campaign.")
    labels = join_list(Consent.Purpose(purpose).label for purpose in purposes)
    return _("Consent granted: %(purposes)s.") % {"purposes": labels}


def describe_cap(channel: str) -> str:
    if channel == Campaign.Channel.EXPORT:
        return _("Fewer messages than the caps allow. Messages that another system sends are not counted.")
    return _("Fewer messages than the caps allow. The cap is checked again when a message is sent.")


def describe_quiet_hours(preview: AudiencePreview) -> str:
    if preview.channel == Campaign.Channel.EXPORT:
        return _("Nobody is left out: another system sends the messages.")
    if not preview.postponed:
        return _("Nobody is left out: messages that fall into a customer's quiet hours wait until they end.")
    return ngettext(
        "Nobody is left out: %(count)s message is sent later, after the customer's quiet hours.",
        "Nobody is left out: %(count)s messages are sent later, after the customers' quiet hours.",
        preview.postponed,
    ) % {"count": format_count(preview.postponed)}


def describe_recipients(preview: AudiencePreview) -> str:
    """Describe the holdout group, and who gets the message before the time that the campaign states."""
    if not preview.already_due:
        return describe_holdout(preview)
    already_due = ngettext(
        "%(count)s customer gets the message as soon as the campaign is launched, because the time of the run has already passed in the "
        "customer's time zone.",
        "%(count)s customers get the message as soon as the campaign is launched, because the time of the run has already passed in their "
        "time zones.",
        preview.already_due,
    ) % {"count": format_count(preview.already_due)}
    return f"{describe_holdout(preview)} {already_due}"


def describe_holdout(preview: AudiencePreview) -> str:
    return ngettext(
        "%(count)s customer is in the holdout group (%(share)s%%).",
        "%(count)s customers are in the holdout group (%(share)s%%).",
        preview.held_out,
    ) % {"count": format_count(preview.held_out), "share": format_decimals(preview.holdout_share * 100, 2)}


def describe_effect(preview: AudiencePreview) -> str:
    """Describe the minimum detectable effect, or why there is none."""
    if preview.mde is None or preview.rate is None:
        return describe_missing_effect(preview)
    return _(
        "%(rate)s%% of the reachable customers bought in the last %(days)d days. With %(audience)s recipients and "
        "%(held_out)s customers in the holdout group, a difference of %(mde)s percentage points or more is "
        "detected with %(power)d%% probability. A smaller effect may not be detected."
    ) % {
        "rate": format_decimals(preview.rate * 100, 2),
        "days": preview.rate_days,
        "audience": format_count(preview.audience),
        "held_out": format_count(preview.held_out),
        "mde": format_decimals(preview.mde * 100, 2),
        "power": round(preview.power * 100),
    }


def describe_missing_effect(preview: AudiencePreview) -> str:
    days = {"days": preview.rate_days}
    return {
        "no_audience": _("The audience is empty, so no effect can be measured."),
        "no_holdout": _("There is no holdout group, so the effect cannot be measured. Set a holdout share."),
        "no_buyers": _(
            "No reachable customer bought in the last %(days)d days, so the minimum detectable effect cannot be computed."
        )
        % days,
        "all_bought": _(
            "All reachable customers bought in the last %(days)d days, so the conversion rate cannot increase."
        )
        % days,
        "too_small": _(
            "%(rate)s%% of the reachable customers bought in the last %(days)d days. With %(audience)s recipients and "
            "%(held_out)s customers in the holdout group, even the largest possible increase would not be detected with "
            "%(power)d%% probability, because the rate cannot exceed 100%%. Use a larger segment or a larger holdout group."
        )
        % {
            "rate": format_decimals((preview.rate or 0) * 100, 2),
            "audience": format_count(preview.audience),
            "held_out": format_count(preview.held_out),
            "power": round(preview.power * 100),
            **days,
        },
    }[preview.mde_missing]


def is_too_small(preview: AudiencePreview) -> bool:
    """Return whether only a lift of more than 50% of the rate would be detected."""
    return preview.mde is not None and preview.rate is not None and preview.mde > preview.rate / 2


def format_count(number: int) -> str:
    return number_format(number, force_grouping=True)
