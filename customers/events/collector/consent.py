"""Reads the consent that an event carries, in the formats of Segment, RudderStack and GA4."""

from typing import Any

from customers.identity.models import Consent

ANALYTICS, PERSONALISATION = Consent.Purpose.ANALYTICS, Consent.Purpose.PERSONALISATION
NO_PURPOSES: frozenset[str] = frozenset()
# the answer to a consent banner, as Segment, RudderStack and Perennial's own script call it
CONSENT_EVENT_NAMES = frozenset(
    {"consent preference updated", "segment consent preference updated", "consent preferences updated"}
)

# names of consent categories as shops and consent banners spell them (C0002 and C0003 are OneTrust's)
CATEGORY_PURPOSES: dict[str, str] = {
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


def is_consent_event(name: str) -> bool:
    """Return whether an event with this name answers a consent banner."""
    return name.strip().casefold() in CONSENT_EVENT_NAMES


def read_granted_purposes(context: dict[str, Any]) -> frozenset[str]:
    """Return the purposes that an event's context grants and does not deny, in the formats of `read_denied_purposes`."""
    consent, management = context.get("consent"), context.get("consentManagement")
    if consent is None and management is None:
        return NO_PURPOSES
    granted: list[str] = []
    preferences = consent.get("categoryPreferences") if isinstance(consent, dict) else None
    if isinstance(preferences, dict):
        granted += [category for category, is_granted in preferences.items() if is_granted is True]
    allowed_ids = management.get("allowedConsentIds") if isinstance(management, dict) else None
    if isinstance(allowed_ids, list):
        granted += [category for category in allowed_ids if isinstance(category, str)]
    names = {category.strip().casefold() for category in granted}
    return frozenset(CATEGORY_PURPOSES[name] for name in names if name in CATEGORY_PURPOSES) - read_denied_purposes(
        context
    )


def read_denied_purposes(context: dict[str, Any]) -> frozenset[str]:
    """Return the purposes (analytics, personalization) that an event's context denies.

    `consent.categoryPreferences` (Segment) is an object of booleans, `consentManagement.deniedConsentIds` (RudderStack) a list.
    If two categories of one purpose disagree, the denial wins.
    """
    consent, management = context.get("consent"), context.get("consentManagement")
    if consent is None and management is None:
        return NO_PURPOSES
    denied = []
    preferences = consent.get("categoryPreferences") if isinstance(consent, dict) else None
    if isinstance(preferences, dict):
        denied += [category for category, is_granted in preferences.items() if is_granted is False]
    denied_ids = management.get("deniedConsentIds") if isinstance(management, dict) else None
    if isinstance(denied_ids, list):
        denied += [category for category in denied_ids if isinstance(category, str)]
    return frozenset(
        CATEGORY_PURPOSES[name] for category in denied if (name := category.strip().casefold()) in CATEGORY_PURPOSES
    )
