"""Gives the demo's households names, contact details and consents. All of them are invented; the package has none.

The addresses end in example.com and the telephone numbers have an area code that does not exist, so that nothing can be sent to anyone.
"""

import tomllib
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt
from django.db import connection

from config.clickstream.random_draws import Keys, draw_uniform, hash_to_keys
from customers.identity.consent.consent_denials import refresh_denials_in_blocks
from customers.identity.customer_upsert import CustomerChange, upsert_customers
from customers.identity.models import Consent, Identifier

SEED = 2
HOUSEHOLD_PREFIX = "household-"
CONSENT_SOURCES = {"en": "demo (simulated)", "zh-hans": "演示（模拟）"}
POLICY_VERSION = "2026-01"
BIRTHDAY_SHARE = 0.6
PHONE_SHARE = 0.7
# Purpose → the share of customers who granted it and who withdrew it again; the others were never asked.
CONSENT_SHARES = {
    # everyone accepts the consent banner of the demo shop, so that both languages show the same recommendations
    Consent.Purpose.ANALYTICS: (1.0, 0.0),
    Consent.Purpose.PERSONALISATION: (1.0, 0.0),
    Consent.Purpose.EMAIL: (0.68, 0.07),
    Consent.Purpose.SMS: (0.24, 0.03),
    Consent.Purpose.PUSH: (0.15, 0.02),
}
# like the consents, addresses are as old as the first visit, so that the customers could be contacted from that time
DATE_ADDRESSES = """
UPDATE identity_identifier i SET created_at = least(c.first_seen_at, i.created_at) FROM identity_customer c
WHERE c.id = i.customer_id AND i.kind IN ('email_hash', 'phone_hash') AND c.id = ANY(%s)
"""


@dataclass(frozen=True, slots=True)
class NameStyle:
    """How names, languages and telephone numbers look in a language of the demo."""

    language: str
    country: str
    phone_prefix: str


STYLES = {"en": NameStyle("en-US", "US", "+1 555 0"), "zh-hans": NameStyle("zh-CN", "CN", "+86 100 0")}


def load_customers(*, loaded_at: datetime, language: str = "en") -> int:
    """Name every household that has no name yet; return how many were changed. A second run changes nothing."""
    households = (
        Identifier.objects.filter(kind=Identifier.Kind.USER_ID, customer__name="", customer__erased_at=None)
        .filter(value__startswith=HOUSEHOLD_PREFIX)
        .order_by("value")
        .values_list("value", "customer_id", "customer__first_seen_at")
    )
    # other user IDs can come from the account page of the demo shop, which accepts any
    rows = [row for row in households if row[0].removeprefix(HOUSEHOLD_PREFIX).isdecimal()]
    if not rows:
        return 0
    keys = hash_to_keys([user_id for user_id, _customer, _seen in rows], seed=SEED)
    changes = build_changes([user_id for user_id, _customer, _seen in rows], keys, language=language)
    upsert_customers(changes=changes, seen_at=loaded_at)
    with connection.cursor() as cursor:
        cursor.execute(DATE_ADDRESSES, [[customer for _user, customer, _seen in rows]])
    record_consents(
        [customer for _user, customer, _seen in rows],
        [seen or loaded_at for *_ids, seen in rows],
        keys,
        CONSENT_SOURCES[language],
    )
    return len(rows)


def build_changes(user_ids: list[str], keys: Keys, *, language: str) -> list[CustomerChange]:
    """Return the names and contact details of each household, which depend on its user ID only."""
    style = STYLES[language]
    names = read_names(language)
    family, given = draw_uniform(keys, 1), draw_uniform(keys, 2)
    has_phone, has_birthday = draw_uniform(keys, 3) < PHONE_SHARE, draw_uniform(keys, 4) < BIRTHDAY_SHARE
    births = np.datetime64("1945-01-01") + (draw_uniform(keys, 5) * 58 * 365.25).astype("timedelta64[D]")
    changes = []
    for row, user_id in enumerate(user_ids):
        number = int(user_id.rpartition("-")[2])
        if language == "zh-hans":
            name = pick(names["family"], family[row]) + pick(names["given"], given[row])
            mailbox = f"customer{number}"
        else:
            first, last = pick(names["given"], given[row]), pick(names["family"], family[row])
            name, mailbox = f"{first} {last}", f"{first}.{last}.{number}".lower()
        fields = {
            "name": name,
            "email": f"{mailbox}@example.com",
            "language": style.language,
            "country": style.country,
        }
        if has_phone[row]:
            fields["phone"] = f"{style.phone_prefix}{number:06d}"
        if has_birthday[row]:
            fields["birthday"] = str(births[row])
        changes.append(CustomerChange(user_id, fields))
    return changes


@cache
def read_names(language: str) -> dict[str, list[str]]:
    """Return the given and family names of a language."""
    tables = tomllib.loads(files("config.demo").joinpath("names.toml").read_text(encoding="utf-8"))
    return {kind: text.split() for kind, text in tables[language].items()}


def pick(names: list[str], draw: float) -> str:
    return names[int(draw * len(names))]


def record_consents(customer_ids: list[int], first_seen: list[datetime], keys: Keys, source: str) -> None:
    """Add entries to the ledger at each customer's first visit, and apply them."""
    entries = []
    for number, (purpose, (granted, withdrawn)) in enumerate(CONSENT_SHARES.items()):
        draws: npt.NDArray[np.float64] = draw_uniform(keys, 8 + number)
        for customer_id, at, draw in zip(customer_ids, first_seen, draws, strict=True):
            if draw < granted + withdrawn:
                status = Consent.Status.GRANTED if draw < granted else Consent.Status.WITHDRAWN
                entries.append((customer_id, purpose.value, status.value, POLICY_VERSION, source, at))
    with (
        connection.cursor() as cursor,
        cursor.copy(
            "COPY identity_consent (customer_id, purpose, status, policy_version, source, recorded_at) FROM STDIN"
        ) as copy,
    ):
        for entry in entries:
            copy.write_row(entry)
    refresh_denials_in_blocks(customer_ids)
