"""Decides what a missing entry in the consent ledger means, by the region of the customer's country and the consent settings."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

import msgspec
from babel import Locale
from django.db import DatabaseError, InterfaceError
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from config.foundation.ttl_cache import TtlCache
from customers.identity.models import Consent, ConsentSettings

Purpose = Consent.Purpose
SETTINGS_ID = 1
EUROPE, CHINA, OTHER = "europe", "china", "other"
REGION_LABELS: dict[str, str | Promise] = {
    EUROPE: _("EU, EEA, United Kingdom and Switzerland"),
    CHINA: _("Mainland China"),
    OTHER: _("Everywhere else"),
}
COUNTRY_CODES: dict[str, tuple[str, ...]] = {
    # the EU, the other members of the EEA, the United Kingdom and Switzerland
    EUROPE: (
        *("AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT", "LU"),
        *("LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK", "IS", "LI", "NO", "GB", "CH"),
    ),
    CHINA: ("CN",),
}
EXTRA_NAMES: dict[str, tuple[str, ...]] = {
    EUROPE: ("UK", "EL", "GREAT BRITAIN", "ENGLAND", "HOLLAND", "CZECH REPUBLIC", "EU", "EIRE"),
    CHINA: ("CHN", "PRC", "MAINLAND CHINA", "中国大陆"),
}
# languages of these countries, in which shops write the names of countries
NAME_LANGUAGES = ("en", "zh", "de", "fr", "es", "it", "nl", "pl", "pt", "sv", "da", "nb", "fi", "cs", "el", "hu", "ro")
MESSAGES = (Purpose.EMAIL, Purpose.SMS, Purpose.PUSH)
# messages need a consent everywhere; GDPR and PIPL ask for one before profiling too, and PIPL for four separate ones
DEFAULT_OPT_IN: dict[str, tuple[str, ...]] = {
    EUROPE: (Purpose.ANALYTICS, Purpose.PERSONALISATION, *MESSAGES, Purpose.SHARING, Purpose.SENSITIVE_DATA),
    CHINA: tuple(Purpose.values),
    OTHER: (*MESSAGES, Purpose.SHARING, Purpose.SENSITIVE_DATA),
}


@dataclass(frozen=True)
class ConsentRules:
    """The settings in the form in which they are applied.

    opt_in: region → purposes that need a consent. regions: upper-case name or code of a country → region. unknown: the region of
    customers without a country. renewal_since: grants for ``renewed`` before it count as no entry.
    """

    opt_in: dict[str, frozenset[str]]
    regions: dict[str, str]
    unknown: str = OTHER
    renewal_since: datetime | None = None
    renewed: frozenset[str] = field(default_factory=frozenset)

    def find_region(self, country: str) -> str:
        name = country.strip().upper()
        return self.regions.get(name, OTHER) if name else self.unknown

    def needs_consent(self, purpose: str, country: str) -> bool:
        """Return whether a purpose needs a consent of a customer from this country."""
        return purpose in self.opt_in[self.find_region(country)]

    def may_assume(self, purpose: str) -> bool:
        """Return whether silence allows the purpose in some region."""
        return any(purpose not in purposes for purposes in self.opt_in.values())

    def must_ask(self, purpose: str) -> bool:
        """Return whether silence forbids the purpose in some region."""
        return any(purpose in purposes for purposes in self.opt_in.values())

    def list_countries(self, region: str) -> list[str]:
        """Return the upper-case names and codes of a region's countries."""
        return [name for name, own in self.regions.items() if own == region]

    def is_outdated(self, purpose: str, recorded_at: datetime) -> bool:
        """Return whether a grant has to be renewed, because the privacy policy has changed since."""
        return self.renewal_since is not None and purpose in self.renewed and recorded_at < self.renewal_since

    def get_renewal(self, purpose: str) -> datetime | None:
        """Return the moment before which grants of the purpose are outdated."""
        return self.renewal_since if purpose in self.renewed else None

    def make_parameters(self) -> dict[str, Any]:
        """Return the parameters of the statements that contain `EFFECTIVE_CONSENT`."""
        return {
            "opt_in": msgspec.json.encode({key: sorted(values) for key, values in self.opt_in.items()}).decode(),
            "regions": msgspec.json.encode(self.regions).decode(),
            "unknown_region": self.unknown,
            "renewal_since": self.renewal_since,
            "renewed": sorted(self.renewed),
        }


# Whether a customer allows a purpose: the latest entry of the ledger, unless it is a grant that has to be renewed; without one, what the
# region of the country says. {customer}, {country} and {purpose} are SQL expressions, {until} a condition on the entries `k`.
EFFECTIVE_CONSENT = """
coalesce(
    (SELECT CASE WHEN k.status = 'granted' AND k.purpose = ANY(%(renewed)s::text[])
                  AND k.recorded_at < %(renewal_since)s::timestamptz THEN NULL ELSE k.status = 'granted' END
     FROM identity_consent k WHERE k.customer_id = {customer} AND k.purpose = {purpose}{until}
     ORDER BY k.recorded_at DESC, k.id DESC LIMIT 1),
    NOT coalesce(%(opt_in)s::jsonb -> CASE WHEN btrim({country}) = '' THEN %(unknown_region)s::text
        ELSE coalesce(%(regions)s::jsonb ->> upper(btrim({country})), 'other') END @> to_jsonb({purpose}::text), true)
)"""


def format_effective_consent(*, customer: str, country: str, purpose: str, until: str = "") -> str:
    """Return the SQL expression of whether a customer allows a purpose, for `ConsentRules.make_parameters`."""
    return EFFECTIVE_CONSENT.format(
        customer=customer, country=country, purpose=purpose, until=f" AND {until}" if until else ""
    )


def build_rules(stored: ConsentSettings | None) -> ConsentRules:
    """Return the rules of stored settings; missing settings take the defaults."""
    stored = stored or ConsentSettings()
    regions = {**list_country_names()}
    for region, names in stored.countries.items():
        regions |= {str(name).strip().upper(): region for name in names if region in REGION_LABELS}
    return ConsentRules(
        {region: frozenset(stored.opt_in.get(region, DEFAULT_OPT_IN[region])) for region in REGION_LABELS},
        regions,
        stored.unknown_region if stored.unknown_region in REGION_LABELS else OTHER,
        stored.renewal_since,
        frozenset(stored.renewal_purposes if stored.renewal_since else ()),
    )


@cache
def list_country_names() -> dict[str, str]:
    """Return codes and names of the countries of the regions, in upper case, each with its region."""
    locales = [Locale.parse(language) for language in NAME_LANGUAGES]
    names: dict[str, str] = {}
    for region, codes in COUNTRY_CODES.items():
        for code in codes:
            names[code] = region
            names |= {locale.territories[code].upper(): region for locale in locales if code in locale.territories}
        names |= dict.fromkeys(EXTRA_NAMES[region], region)
    return names


def get_consent_rules() -> ConsentRules:
    """Return the rules, cached for some seconds in each process; without a database, the defaults."""
    try:
        rules = _cache.get("")
    except (DatabaseError, InterfaceError):
        rules = None
    return rules or build_rules(None)


def forget_consent_rules() -> None:
    """Drop the cached rules of this process; others see a change after some seconds."""
    _cache.forget()


def load_consent_settings() -> ConsentSettings:
    """Return the stored settings, or empty ones that are not saved yet."""
    return ConsentSettings.objects.filter(pk=SETTINGS_ID).first() or ConsentSettings(pk=SETTINGS_ID)


def _load(_key: str) -> ConsentRules:
    return build_rules(ConsentSettings.objects.filter(pk=SETTINGS_ID).first())


_cache: TtlCache[ConsentRules] = TtlCache(_load)
