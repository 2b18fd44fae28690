"""The text of the privacy policy, written from what is configured: purposes, consents, recipients, retention, decisions and rights."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from django.conf import settings
from django.urls import NoReverseMatch, reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from config.foundation.automated_decisions.registry import list_explainers
from config.foundation.number_formats import format_count
from config.foundation.privacy_facts.registry import list_recipients
from config.foundation.retention.periods import RetentionPeriod, list_retention_periods
from config.foundation.shop.profile import get_shop
from customers.identity.consent.regions import EUROPE, OTHER, REGION_LABELS, Purpose, get_consent_rules
from customers.identity.models import Consent
from customers.policy.models import DataRecipient, PolicySettings, ProcessingActivity, Transfer
from customers.policy.preferences.wordings import SEPARATE, WORDINGS
from customers.policy.records.defaults import list_default_activities

type Section = dict[str, Any]

# kinds of data that say nothing about customers
EVENTS = "events:"  # prefix of the key of a source's events
INTERNAL_KINDS = frozenset(
    {
        "analytics_results",
        "anomalies",
        "audit_log",
        "idempotent_responses",
        "job_runs",
        "logins",
        "performance_runs",
        "processing_runs",
    }
)


def load_policy_settings() -> PolicySettings:
    """Return the stored settings, or empty ones that are not saved yet."""
    return PolicySettings.objects.first() or PolicySettings(pk=1)


def build_sections(language: str) -> list[Section]:
    """Return the sections in the active language, each with key, title and lines; a section without lines is left out."""
    stored = load_policy_settings()
    sections = [
        ("controller", _("Who is responsible"), describe_controller(stored)),
        ("purposes", _("What we use your data for"), describe_purposes()),
        ("consent", _("What we ask your consent for"), describe_consents()),
        ("choices", _("Your choices"), describe_choices(stored)),
        ("browser", _("What is stored in your browser"), describe_browser()),
        ("recipients", _("Who gets your data"), describe_recipients()),
        ("transfers", _("Transfers abroad"), describe_transfers(stored)),
        ("retention", _("How long we keep your data"), describe_retention()),
        ("decisions", _("Automated decisions"), describe_decisions()),
        ("rights", _("Your rights"), describe_rights(stored)),
        ("extra", _("Further information"), iter(str(stored.extra.get(language, "")).splitlines())),
    ]
    built = [{"key": key, "title": title, "lines": [line for line in lines if line]} for key, title, lines in sections]
    return [section for section in built if section["lines"]]


def describe_controller(stored: PolicySettings) -> Iterator[str]:
    shop = get_shop()
    yield _("Controller: %(name)s") % {"name": stored.controller or shop.name}
    yield " · ".join(line.strip() for line in (stored.address or shop.postal_address).splitlines() if line.strip())
    yield _("Questions about privacy: %(email)s") % {"email": stored.contact or shop.reply_to or shop.sender_address}
    if stored.officer:
        yield _("Data protection officer: %(name)s") % {"name": stored.officer}
    if stored.representative:
        yield _("Representative: %(name)s") % {"name": stored.representative}


def describe_purposes() -> Iterator[str]:
    """Yield each activity in use with its lawful basis: the known ones in the active language, the shop's own as written."""
    switched_off = set(ProcessingActivity.objects.filter(is_active=False).values_list("key", flat=True))
    for known in list_default_activities():
        if known.key not in switched_off:
            basis = describe_basis(known.lawful_basis, known.consent_purposes)
            yield format_activity(known.name, known.purpose, basis, known.data)
    for own in ProcessingActivity.objects.filter(key="", is_active=True):
        basis = describe_basis(own.lawful_basis, own.consent_purposes)
        yield format_activity(own.name, own.purpose, basis, own.data)


def describe_basis(basis: str, purposes: Collection[str]) -> str:
    """Return the label of a lawful basis; consent is not the only basis if some region does not require it."""
    opt_in = get_consent_rules().opt_in.values()
    if basis == Consent.LawfulBasis.CONSENT and any(set(purposes).difference(region) for region in opt_in):
        return _("consent where it is needed, otherwise legitimate interest")
    return str(Consent.LawfulBasis(basis).label)


def format_activity(name: Any, purpose: Any, basis: str, data: Any) -> str:
    return _("%(name)s: %(purpose)s Data: %(data)s. Lawful basis: %(basis)s.") % {
        "name": name,
        "purpose": purpose,
        "data": str(data).rstrip(".。"),
        "basis": basis,
    }


def describe_consents() -> Iterator[str]:
    """Yield which purposes need a consent in which region."""
    rules = get_consent_rules()
    for region, label in REGION_LABELS.items():
        asked = [str(WORDINGS[purpose].label) for purpose in Purpose if purpose in rules.opt_in[region]]
        # purposes in SEPARATE are left out of the policy and of the preference center in regions where they need no consent
        assumed = [
            str(WORDINGS[purpose].label)
            for purpose in Purpose
            if purpose not in rules.opt_in[region] and purpose not in SEPARATE
        ]
        if asked:
            yield _("%(region)s: only if you have agreed: %(purposes)s.") % {
                "region": label,
                "purposes": _("; ").join(asked),
            }
        if assumed:
            yield _("%(region)s: unless you object: %(purposes)s.") % {
                "region": label,
                "purposes": _("; ").join(assumed),
            }


def describe_choices(stored: PolicySettings) -> Iterator[str]:
    yield _(
        "Every message has a link to your privacy choices, where you can give or withdraw each consent at any time."
    )
    yield _("A withdrawal takes effect immediately; processing before the withdrawal remains lawful.")
    yield _(
        "You can use the shop without personal recommendations: switch them off in your privacy choices to see the same products as everyone else."
    )


def describe_browser() -> Iterator[str]:
    yield _(
        "If you agree to statistics, the shop stores a random number in your browser (perennial_id, one year) to recognize your next visit."
    )
    yield _("If you do not agree, the number is kept only while the page is open.")


def describe_recipients() -> Iterator[str]:
    """Yield the services that are configured, and the recipients of the records."""
    recorded = list(DataRecipient.objects.filter(is_active=True))
    keys = {recipient.key for recipient in recorded}
    for fact in list_recipients():
        if fact.key not in keys:
            yield format_recipient(fact.name, "", fact.task, fact.data, fact.country)
    for recipient in recorded:
        yield format_recipient(
            recipient.name, recipient.get_role_display(), recipient.task, recipient.data, recipient.country
        )


def format_recipient(name: str, role: str, task: str, data: str, country: str) -> str:
    place = f" ({country})" if country else ""
    return f"{name}{place}: " + " · ".join(part for part in (task, data, role) if part)


def describe_transfers(stored: PolicySettings) -> Iterator[str]:
    if stored.hosting_country:
        yield _("Our servers are in %(country)s.") % {"country": stored.hosting_country}
    for transfer in Transfer.objects.filter(is_active=True).select_related("recipient"):
        line = _("%(recipient)s in %(country)s: %(purpose)s. Data: %(data)s. Protected by: %(mechanism)s.") % {
            "recipient": transfer.recipient.name,
            "country": transfer.country,
            "purpose": transfer.purpose.rstrip(".。"),
            "data": transfer.data.rstrip(".。"),
            "mechanism": transfer.get_mechanism_display(),
        }
        yield join_sentences(line, _("Only with your separate consent.")) if transfer.needs_consent else line


def describe_retention() -> Iterator[str]:
    yield label_text(_("Customer record, orders and consents"), end_sentence(_("until you ask us to delete it")))
    periods = [period for period in list_retention_periods() if period.key not in INTERNAL_KINDS]
    yield from describe_events([period for period in periods if period.key.startswith(EVENTS)])
    for period in periods:
        if not period.key.startswith(EVENTS):
            yield label_text(period.label, join_sentences(end_sentence(describe_days(period.days)), period.note))
    yield _(
        "Data that the law requires us to keep, such as invoices, is kept without your name for as long as the law requires."
    )


def describe_events(periods: Sequence[RetentionPeriod]) -> Iterator[str]:
    """Yield one line per retention period of events; sources are named only if their periods differ, as customers do not know them."""
    by_days: dict[int | None, RetentionPeriod] = {period.days: period for period in periods}
    for days, period in by_days.items():
        if len(by_days) == 1:
            label = _("Visits, clicks and other events in the shop")
        else:
            labels = [str(other.label) for other in periods if other.days == days]
            label = _("; ").join(labels)
        yield label_text(label, join_sentences(end_sentence(describe_days(days)), period.note))


def describe_days(days: int | None) -> str:
    if days is None:
        return _("until you ask us to delete it")
    return ngettext("%(days)s day", "%(days)s days", days) % {"days": format_count(days)}


def label_text(label: Any, text: Any) -> str:
    return _("%(label)s: %(text)s") % {"label": label, "text": text}


def join_sentences(first: Any, second: Any) -> str:
    return _("%(first)s %(second)s") % {"first": first, "second": second} if second else str(first)


def end_sentence(text: Any) -> str:
    return _("%(text)s.") % {"text": text}


def describe_decisions() -> Iterator[str]:
    for explainer in list_explainers():
        yield label_text(capfirst(str(explainer.label)), explainer.describe())
    yield _(
        "No automated decision has legal effects for you, such as refusing a contract. If you object, automated "
        "decisions about you stop immediately."
    )


def describe_rights(stored: PolicySettings) -> Iterator[str]:
    yield _(
        "You can access, correct, delete and transfer your data, restrict its use, and object to profiling and "
        "marketing. You can object to marketing without giving a reason."
    )
    url = find_self_service_url()
    if url:
        yield _("Ask for your data or for its deletion here: %(url)s") % {"url": url}
    yield _("We answer within one month (EU), 15 working days (China) or 45 days (California), free of charge.")
    rules = get_consent_rules()
    if any(rules.opt_in[region] != rules.opt_in[OTHER] for region in (EUROPE,)) or stored.authority:
        authority = stored.authority or _("the data protection authority where you live")
        yield _("You can complain to %(authority)s.") % {"authority": authority}


def find_self_service_url() -> str:
    """Return the address of the page on which customers ask for their data; "" without one."""
    try:
        return f"{settings.PUBLIC_URL}{reverse('privacy:start')}"
    except NoReverseMatch:
        return ""
