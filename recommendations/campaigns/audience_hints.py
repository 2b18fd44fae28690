"""What to do about an audience that loses everyone at one step."""

from dataclasses import dataclass

from django.db.models import TextChoices
from django.utils.translation import gettext as _

from config.foundation.number_formats import join_list
from customers.identity.models import Consent
from recommendations.campaigns.audience import AudiencePreview


class HintCode(TextChoices):
    NO_ADDRESS = "no_address"
    NO_CONSENT = "no_consent"


@dataclass(frozen=True)
class AudienceHint:
    """Why nobody is left after a step, and what to do."""

    code: HintCode
    text: str


def find_hints(preview: AudiencePreview) -> list[AudienceHint]:
    """Return the hint for the first step that nobody passes; none if someone passes it."""
    if preview.included and not preview.reachable:
        return [AudienceHint(HintCode.NO_ADDRESS, describe_missing_addresses(preview.channel))]
    if preview.reachable and not preview.consented:
        purposes = join_list(Consent.Purpose(purpose).label for purpose in preview.consent)
        text = _(
            "None of the reachable customers in this segment has given the required consent: %(purposes)s. Import the "
            "consents that you have collected together with the customers (columns such as “Consent to emails”), or send "
            "them with your events or the API. After that, newsletter forms and preference pages record new consents."
        )
        return [AudienceHint(HintCode.NO_CONSENT, text % {"purposes": purposes})]
    return []


def describe_missing_addresses(channel: str) -> str:
    if channel == "email":
        return _("No customer of this segment has an email address. Import customers with their addresses.")
    return _(
        "No customer of this segment can be reached on this channel. Import customers with user IDs and addresses."
    )
