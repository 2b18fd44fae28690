"""The regulations of privacy requests, and the countries in which each applies."""

from django.db import models
from django.utils.translation import gettext_lazy as _

# European Economic Area and the United Kingdom, whose law kept the deadline.
GDPR_COUNTRIES = frozenset(
    {
        *("AT", "BE", "BG", "HR", "CY", "CZ", "DK", "EE", "FI", "FR", "DE", "GR", "HU", "IE", "IT", "LV", "LT", "LU"),
        *("MT", "NL", "PL", "PT", "RO", "SK", "SI", "ES", "SE", "IS", "LI", "NO", "GB"),
    }
)


class Regulation(models.TextChoices):
    GDPR = "gdpr", _("GDPR (EU, UK)")
    PIPL = "pipl", _("PIPL (China)")
    CCPA = "ccpa", _("CCPA (California)")


def choose_regulation(country: str, *, default: str) -> str:
    """Return the regulation for an ISO country code; the default for others and an unknown country."""
    code = country.strip().upper()
    if code in GDPR_COUNTRIES:
        return Regulation.GDPR
    return {"CN": Regulation.PIPL, "US": Regulation.CCPA}.get(code, default)
