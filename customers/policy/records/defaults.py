"""What Perennial itself knows about the processing: the activities of its parts, and their likely risks and measures."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from django.db import transaction
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from config.foundation.number_formats import format_count
from config.foundation.privacy_facts.registry import list_recipients
from config.foundation.retention.periods import list_retention_periods
from customers.identity.models import Consent
from customers.policy.models import DataRecipient, ProcessingActivity

Basis, Purpose = Consent.LawfulBasis, Consent.Purpose
type Text = str | Promise


@dataclass(frozen=True, kw_only=True)
class DefaultActivity:
    """An activity of Perennial, with the texts of its record."""

    key: str
    name: Text
    purpose: Text
    lawful_basis: str
    data: Text
    consent_purposes: tuple[str, ...] = ()
    is_profiling: bool = False
    necessity: Text = ""
    risks: Text = ""
    measures: Text = ""


PEOPLE = gettext_lazy("customers and visitors of the shop")
SECURITY = gettext_lazy(
    "Names, addresses and phone numbers are encrypted. Roles decide who sees them unmasked, every read is recorded, and access needs a "
    "password with a second factor where the role requires it."
)
ACTIVITIES = (
    DefaultActivity(
        key="orders",
        name=gettext_lazy("Orders"),
        purpose=gettext_lazy("To fulfill contracts, and to answer questions about them."),
        lawful_basis=Basis.CONTRACT,
        data=gettext_lazy("orders, products, prices, country, user ID, email address"),
    ),
    DefaultActivity(
        key="accounting",
        name=gettext_lazy("Accounting"),
        purpose=gettext_lazy("To keep order amounts as required by tax law."),
        lawful_basis=Basis.LEGAL_OBLIGATION,
        data=gettext_lazy("orders with their amounts"),
    ),
    DefaultActivity(
        key="analytics",
        name=gettext_lazy("Statistics of visits and purchases"),
        purpose=gettext_lazy("To see what is viewed and bought, and to improve the shop."),
        lawful_basis=Basis.CONSENT,
        consent_purposes=(Purpose.ANALYTICS,),
        data=gettext_lazy("pages and products viewed, orders, device, a random number stored in the browser"),
        necessity=gettext_lazy(
            "Without events the shop cannot see which products and pages work. Contents of forms are not recorded."
        ),
        risks=gettext_lazy("Visits over months can reveal a person's interests, habits and daily routine."),
        measures=gettext_lazy(
            "Visits without consent are stored without identifiers. Events are deleted after their retention period; only counts remain."
        ),
    ),
    DefaultActivity(
        key="recommendations",
        name=gettext_lazy("Personal recommendations"),
        purpose=gettext_lazy("To show products that fit what a customer has viewed and bought."),
        lawful_basis=Basis.CONSENT,
        consent_purposes=(Purpose.PERSONALISATION,),
        data=gettext_lazy("products viewed, put into the cart, bought, rated or dismissed"),
        is_profiling=True,
        necessity=gettext_lazy(
            "The same list for everyone is of little help in a large catalog. Only product interactions are used, no contact data."
        ),
        risks=gettext_lazy(
            "Recommendations can reveal interests to others who see the screen, and narrow what a person sees."
        ),
        measures=gettext_lazy(
            "Reasons are shown. Everyone can switch personal recommendations off and dismiss individual products. Variety "
            "is part of the ranking, and models do not learn from customers who object."
        ),
    ),
    DefaultActivity(
        key="profiles",
        name=gettext_lazy("Customer profiles and predictions"),
        purpose=gettext_lazy(
            "To estimate when customers will order again and what they are worth, and to group them into stages and segments."
        ),
        lawful_basis=Basis.CONSENT,
        consent_purposes=(Purpose.ANALYTICS, Purpose.PERSONALISATION),
        data=gettext_lazy("orders, visits, attributes sent by the shop, predicted values"),
        is_profiling=True,
        necessity=gettext_lazy(
            "Messages sent at the right time replace many sent at the wrong time. The predictions use orders and visits only."
        ),
        risks=gettext_lazy(
            "A wrong prediction can deprive a person of offers; being assigned a stage can feel like a judgment."
        ),
        measures=gettext_lazy(
            "No prediction decides about a contract or a price. Predictions are checked every night against what happened, shown with "
            "their reasons, and withheld for customers who do not consent."
        ),
    ),
    DefaultActivity(
        key="messages",
        name=gettext_lazy("Marketing messages"),
        purpose=gettext_lazy("To send offers and news by email, text message and push notification."),
        lawful_basis=Basis.CONSENT,
        consent_purposes=(Purpose.EMAIL, Purpose.SMS, Purpose.PUSH),
        data=gettext_lazy(
            "email address, phone number, push address, language, opens and clicks, products in messages"
        ),
        is_profiling=True,
        necessity=gettext_lazy(
            "Contact details are used only with consent; frequency caps and quiet hours limit how many messages are sent."
        ),
        risks=gettext_lazy("Unwanted messages, and the tracking of opens and clicks."),
        measures=gettext_lazy(
            "Customers can unsubscribe with one click. Opens and clicks are stored without IP addresses. Contact details are masked."
        ),
    ),
    DefaultActivity(
        key="experiments",
        name=gettext_lazy("Experiments and measurement"),
        purpose=gettext_lazy(
            "To measure the effect of recommendations, offers and messages by comparing random groups."
        ),
        lawful_basis=Basis.LEGITIMATE_INTEREST,
        data=gettext_lazy("the group of a customer, and later orders"),
    ),
    DefaultActivity(
        key="feedback",
        name=gettext_lazy("Reviews and surveys"),
        purpose=gettext_lazy("To show reviews of products and to learn what customers think."),
        lawful_basis=Basis.LEGITIMATE_INTEREST,
        data=gettext_lazy("reviews, ratings, answers, and their automatically detected sentiment"),
    ),
    DefaultActivity(
        key="security",
        name=gettext_lazy("Security"),
        purpose=gettext_lazy("To protect the shop's data: logins and reads of personal data are recorded."),
        lawful_basis=Basis.LEGITIMATE_INTEREST,
        data=gettext_lazy("IP address and browser of staff; number of the customer whose data was read"),
    ),
)


def list_default_activities() -> tuple[DefaultActivity, ...]:
    """Return the activities of Perennial, with texts in the active language."""
    return ACTIVITIES


def describe_retention() -> str:
    """Return all retention periods as lines."""
    return "\n".join(
        _("%(label)s: %(text)s") % {"label": period.label, "text": describe_days(period.days)}
        for period in list_retention_periods()
    )


def describe_days(days: int | None) -> str:
    if days is None:
        return _("as long as the customer record exists")
    return ngettext("%(days)s day", "%(days)s days", days) % {"days": format_count(days)}


@transaction.atomic
def fill_records() -> int:
    """Add the activities and recipients that Perennial knows and the records lack, in the active language; return how many."""
    recipients = list(list_recipients())
    known = set(DataRecipient.objects.exclude(key="").values_list("key", flat=True))
    new_recipients = [
        DataRecipient(key=fact.key, name=fact.name, task=fact.task, data=fact.data, country=fact.country)
        for fact in recipients
        if fact.key not in known
    ]
    DataRecipient.objects.bulk_create(new_recipients)
    names = ", ".join(fact.name for fact in recipients)
    existing = set(ProcessingActivity.objects.exclude(key="").values_list("key", flat=True))
    retention = describe_retention()
    new = [build_activity(each, names, retention) for each in ACTIVITIES if each.key not in existing]
    ProcessingActivity.objects.bulk_create(new)
    return len(new_recipients) + len(new)


def build_activity(known: DefaultActivity, recipients: str, retention: str) -> ProcessingActivity:
    return ProcessingActivity(
        key=known.key,
        name=str(known.name),
        purpose=str(known.purpose),
        lawful_basis=known.lawful_basis,
        consent_purposes=list(known.consent_purposes),
        people=str(PEOPLE),
        data=str(known.data),
        recipients=recipients[:1000] if known.key in ("messages", "orders") else "",
        retention=retention,
        security=str(SECURITY),
        is_profiling=known.is_profiling,
        necessity=str(known.necessity),
        risks=str(known.risks),
        measures=str(known.measures),
    )


def list_unreviewed(*, today: date) -> Iterator[ProcessingActivity]:
    """Yield the profiling activities in use whose impact nobody has assessed within the last year."""
    for activity in ProcessingActivity.objects.filter(is_active=True, is_profiling=True):
        if activity.reviewed_at is None or not activity.risk or (today - activity.reviewed_at).days > 365:
            yield activity
