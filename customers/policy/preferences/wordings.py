"""What the preference center and the privacy policy call each purpose."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from customers.identity.models import Consent

Purpose = Consent.Purpose
# changes whenever a text changes, so that a proof shows which text the customer has read
WORDING_VERSION = "2026-11-30-2"
# shown only where the region needs the consent, or where the customer has an entry
SEPARATE = (Purpose.AUTOMATED_MARKETING, Purpose.CROSS_BORDER, Purpose.SENSITIVE_DATA)


@dataclass(frozen=True)
class PurposeWording:
    """The words with which the page asks for consent to a purpose."""

    label: str | Promise
    explanation: str | Promise


WORDINGS: dict[str, PurposeWording] = {
    Purpose.PERSONALISATION: PurposeWording(
        _("Personal recommendations"),
        _(
            "We choose products for you based on what you have viewed and bought. Without this, you see the same products as everyone else."
        ),
    ),
    Purpose.ANALYTICS: PurposeWording(
        _("Use of my visits and orders for statistics"),
        _(
            "We count what is viewed and bought to improve the shop. Without this, your visits are stored without your name or number."
        ),
    ),
    Purpose.EMAIL: PurposeWording(_("Emails with offers and news"), ""),
    Purpose.SMS: PurposeWording(_("Text messages and WhatsApp"), ""),
    Purpose.PUSH: PurposeWording(_("Push notifications and WeCom messages"), ""),
    Purpose.SHARING: PurposeWording(
        _("Sharing with partners"), _("We may give your data to companies that use it for their own purposes.")
    ),
    Purpose.AUTOMATED_MARKETING: PurposeWording(
        _("Messages chosen by automated decisions"),
        _(
            "A program decides which products your messages contain. Without this, your messages contain the same products as everyone else's."
        ),
    ),
    Purpose.CROSS_BORDER: PurposeWording(
        _("Transfer abroad"), _("We may send your data to servers or companies in other countries.")
    ),
    Purpose.SENSITIVE_DATA: PurposeWording(
        _("Sensitive data"),
        _("We may use data about your health, beliefs or exact location, if you have given it to us."),
    ),
}
