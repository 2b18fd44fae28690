"""What an event itself says about consent, as Segment, RudderStack and GA4 write it, in our two purposes at collection."""

from typing import Any

from customers.identity.models import Consent

ANALYTICS, PERSONALISATION = Consent.Purpose.ANALYTICS, Consent.Purpose.PERSONALISATION
NOTHING: frozenset[str] = frozenset()

# names of consent categories as shops and consent banners spell them (C0002 and C0003 are OneTrust's)
PURPOSES: dict[str, str] = {
    **dict.fromkeys(
        ("analytics", "analytics_storage", "statistics", "statistical", "measurement", "performance", "c0002"),
        ANALYTICS,
    ),
    **dict.fromkeys(
        (
            "personalisation",
            "personalization",
            "personalization_storage",
            "ad_personalization",
            "functional",
            "functionality",
            "functionality_storage",
            "preferences",
            "c0003",
        ),
        PERSONALISATION,
    ),
}


def refused_purposes(context: dict[str, Any]) -> frozenset[str]:
    """The purposes among analytics and personalisation that an event's context says are refused.

    `consent.categoryPreferences` (Segment) is an object of true and false, `consentManagement.deniedConsentIds`
    (RudderStack) a list. Where two categories of one purpose disagree, the refusal counts.
    """
    consent, management = context.get("consent"), context.get("consentManagement")
    if consent is None and management is None:
        return NOTHING
    refused = []
    preferences = consent.get("categoryPreferences") if isinstance(consent, dict) else None
    if isinstance(preferences, dict):
        refused += [category for category, given in preferences.items() if given is False]
    denied = management.get("deniedConsentIds") if isinstance(management, dict) else None
    if isinstance(denied, list):
        refused += [category for category in denied if isinstance(category, str)]
    return frozenset(PURPOSES[name] for category in refused if (name := category.strip().casefold()) in PURPOSES)
