"""Replies that unsubscribe: they withdraw the consent to SMS and suppress the number immediately."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from django.db import connection, transaction

from config.foundation.audit_log import record_action
from customers.identity.consent.ledger import ConsentChange, record_consent_changes
from customers.identity.consent.proofs import ConsentProof
from customers.identity.models import Consent, Identifier
from customers.identity.personal_data.hashing import adopt_addresses, list_phone_hashes
from recommendations.sending.channels.providers import HOME_CODE
from recommendations.sending.models import Suppression
from recommendations.sending.sms.pushes import SmsReply
from recommendations.sending.suppressions.suppression_list import ParsedAddress, suppress
from recommendations.sending.tracking.storing import FeedbackEvent, store_events

UNSUBSCRIBE_WORDS = {"td", "t", "r", "n", "stop", "unsubscribe"}
UNSUBSCRIBE_PARTS = ("退订", "退訂", "拒收")
SOURCE = "SMS reply"
MAX_PROOF = 50
FIND_LATER_GRANTS = """
SELECT row.number FROM unnest(%s::int[], %s::bigint[], %s::timestamptz[]) AS row (number, customer_id, at)
WHERE EXISTS (
    SELECT FROM identity_consent c WHERE c.customer_id = row.customer_id AND c.purpose = 'sms' AND c.status = 'granted'
      AND c.recorded_at > row.at
)
"""
# A reply answers the latest message that the customer had received when it was written.
FIND_ANSWERED = """
SELECT DISTINCT ON (d.customer_id) d.id, row.at
FROM unnest(%s::bigint[], %s::timestamptz[]) AS row (customer_id, at)
JOIN sending_delivery d ON d.customer_id = row.customer_id AND d.channel = 'sms' AND d.sent_at <= row.at
ORDER BY d.customer_id, d.id DESC
"""


def is_unsubscribing(text: str) -> bool:
    """Return whether a reply unsubscribes: 退订, TD, T, R and the like, in any width and case, also with punctuation."""
    plain = re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", text)).lower()
    return plain in UNSUBSCRIBE_WORDS or any(part in plain for part in UNSUBSCRIBE_PARTS)


def record_replies(replies: Sequence[SmsReply], *, provider: str) -> int:
    """Unsubscribe the numbers whose owners ask for it; return how many. Other replies are not stored.

    A repeated reply changes nothing, and neither does a reply that is older than the customer's latest consent.
    """
    wanted = {reply.phone: reply for reply in replies if is_unsubscribing(reply.text)}
    if not wanted:
        return 0
    hashes = list_reply_hashes(wanted)
    with transaction.atomic():
        customers = Identifier.objects.filter(
            kind=Identifier.Kind.PHONE_HASH, value__in={value for values in hashes.values() for value in values}
        ).values_list("value", "customer_id")
        by_hash: dict[str, set[int]] = {}
        for value, customer_id in customers:
            by_hash.setdefault(value, set()).add(customer_id)
        owners = {phone: set().union(*(by_hash.get(value, ()) for value in values)) for phone, values in hashes.items()}
        rows = [(wanted[phone], customer_id) for phone, ids in owners.items() for customer_id in sorted(ids)]
        outdated = find_outdated(rows)
        unsubscribe_customers([row for number, row in enumerate(rows) if number not in outdated])
        consenting = {rows[number][0].phone for number in outdated}
        phones = [phone for phone in wanted if phone not in consenting]
        suppressed = sum(suppress_numbers(hashes[phone], wanted[phone]) for phone in phones)
        if suppressed:
            details = {"provider": provider, "numbers": len(phones)}
            record_action("sms.unsubscribed", model=Suppression, label=SOURCE, details=details)
    return len(phones)


def list_reply_hashes(wanted: dict[str, SmsReply]) -> dict[str, list[str]]:
    """Return the hashes under which each number may be stored: with the country code, and as it is dialed in China."""
    forms = {
        phone: [phone, *([phone.removeprefix(HOME_CODE)] if phone.startswith(HOME_CODE) else [])] for phone in wanted
    }
    adopt_addresses(phones=[form for group in forms.values() for form in group])
    return {
        phone: list(dict.fromkeys(value for form in group for value in list_phone_hashes(form)))
        for phone, group in forms.items()
    }


def find_outdated(rows: Sequence[tuple[SmsReply, int]]) -> set[int]:
    """Return the positions of replies after which the customer has consented again."""
    if not rows:
        return set()
    with connection.cursor() as cursor:
        columns: list[Any] = [
            list(range(len(rows))),
            [customer_id for _reply, customer_id in rows],
            [reply.at for reply, _id in rows],
        ]
        cursor.execute(FIND_LATER_GRANTS, columns)
        return {row[0] for row in cursor.fetchall()}


def unsubscribe_customers(rows: Sequence[tuple[SmsReply, int]]) -> None:
    """Withdraw the consents to SMS, and count the replies with the messages that they answer."""
    if not rows:
        return
    status, purpose = Consent.Status.WITHDRAWN.value, Consent.Purpose.SMS.value
    record_consent_changes(
        ConsentChange(
            customer_id,
            purpose,
            status,
            reply.at,
            SOURCE,
            proof=ConsentProof("message", SOURCE, reply.text[:MAX_PROOF]),
        )
        for reply, customer_id in rows
    )
    with connection.cursor() as cursor:
        cursor.execute(
            FIND_ANSWERED, [[customer_id for _reply, customer_id in rows], [reply.at for reply, _id in rows]]
        )
        answered = cursor.fetchall()
    store_events([FeedbackEvent(f"unsubscribe:{pk}", pk, "unsubscribe", at) for pk, at in answered])


def suppress_numbers(hashes: Sequence[str], reply: SmsReply) -> int:
    addresses = [ParsedAddress(Suppression.Kind.PHONE, value) for value in hashes]
    return suppress(addresses, reason=Suppression.Reason.UNSUBSCRIBED, source=SOURCE, at=reply.at)
