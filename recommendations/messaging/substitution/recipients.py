"""The customers that messages are rendered for, with the fields that the message needs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import F, OuterRef, QuerySet, Subquery
from django.db.models.functions import JSONObject

from customers.identity.consent.ledger import find_granted
from customers.identity.models import Consent, Customer, Identifier
from recommendations.messaging.substitution.loyalty_fields import LOYALTY_FIELDS

# variables that are read from the profile: name after "customer." → its lookup
PROFILE_FIELDS: dict[str, str | JSONObject] = {
    "stage": "profile__stage",
    "orders": "profile__orders",
    "revenue": "profile__revenue",
    "average_order_value": "profile__average_order_value",
    "first_order_at": "profile__first_order_at",
    "last_order_at": "profile__last_order_at",
    "next_order_date": "profile__next_order_likely",
    "favorite_categories": "profile__favorite_categories",
    "favorite_brands": "profile__favorite_brands",
    **LOYALTY_FIELDS,
}
PERSONAL_FIELDS = ("name", "email", "phone", "birthday")  # encrypted: read only if needed
PLAIN_FIELDS = ("language", "country")
AUTOMATED_MARKETING = Consent.Purpose.AUTOMATED_MARKETING.value


@dataclass(frozen=True, slots=True)
class Recipient:
    """A customer as a message sees them.

    user_id: the first user ID of the shop, or "". traits: the shop's own attributes. fields: further values that `load_recipients`
    was asked for. event: what triggered the message. is_personalized: whether the products may be chosen for this customer.
    """

    customer_id: int
    user_id: str = ""
    email: str = ""
    phone: str = ""
    name: str = ""
    language: str = ""
    country: str = ""
    traits: dict[str, Any] = field(default_factory=dict)
    fields: dict[str, Any] = field(default_factory=dict)
    event: dict[str, Any] = field(default_factory=dict)
    is_personalized: bool = True


def load_recipients(
    customer_ids: Iterable[int],
    *,
    fields: Iterable[str],
    events: Mapping[int, dict[str, Any]] | None = None,
    as_of: datetime,
) -> dict[int, Recipient]:
    """Return recipients by customer ID with two queries. Unknown and erased customers are missing.

    fields: those of `CompiledTemplate.fields`, and what the channel needs, such as "email" or "phone"; only these are decrypted.
    """
    wanted, events = set(fields), events or {}
    personal = [name for name in PERSONAL_FIELDS if name in wanted]
    profile = {name: lookup for name, lookup in PROFILE_FIELDS.items() if name in wanted}
    columns = [*PLAIN_FIELDS, *personal, *(["traits"] if "traits" in wanted else [])]
    rows = _query_customers(list(customer_ids)).values("pk", "user_id", *columns, **_name_lookups(profile))
    recipients = {}
    automated = find_granted(customer_ids=[row["pk"] for row in rows], purposes=[AUTOMATED_MARKETING])
    for row in rows:
        extra = {name: row[f"profile_{name}"] for name in profile}
        if "birthday" in row:
            extra["birthday"] = row["birthday"]
        recipients[row["pk"]] = Recipient(
            customer_id=row["pk"],
            user_id=row["user_id"] or "",
            email=row.get("email") or "",
            phone=row.get("phone") or "",
            name=row.get("name") or "",
            language=row["language"],
            country=row["country"],
            traits=row.get("traits") or {},
            fields=extra,
            event=events.get(row["pk"], {}),
            is_personalized=(row["pk"], AUTOMATED_MARKETING) in automated,
        )
    return recipients


def _query_customers(customer_ids: list[int]) -> QuerySet[Customer]:
    user_ids = Identifier.objects.filter(customer=OuterRef("pk"), kind=Identifier.Kind.USER_ID).order_by("pk")
    return Customer.objects.filter(pk__in=customer_ids, erased_at__isnull=True).annotate(
        user_id=Subquery(user_ids.values("value")[:1])
    )


def _name_lookups(profile: Mapping[str, str | JSONObject]) -> dict[str, F | JSONObject]:
    return {f"profile_{name}": F(lookup) if isinstance(lookup, str) else lookup for name, lookup in profile.items()}
