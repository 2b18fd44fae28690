"""Records delivery reports of SMS: a message is delivered or bounced, with the reason of the operator."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import connection

from customers.identity.personal_data.encrypted_field import decrypt
from recommendations.sending.models import DeliveryEvent
from recommendations.sending.sms.pushes import SmsReport
from recommendations.sending.tracking.storing import FeedbackEvent, store_events

Kind = DeliveryEvent.Kind
MIN_DIGITS = 8
# A report can arrive before the answer to the request that sent the message: until then, the provider is asked to repeat it.
UNKNOWN_FOR = timedelta(minutes=15)
FIND_DELIVERIES = """
SELECT d.provider_id, d.id, coalesce(c.phone, '') FROM sending_delivery d LEFT JOIN identity_customer c ON c.id = d.customer_id
WHERE d.channel = 'sms' AND d.provider_id <> '' AND d.provider_id = ANY(%s)
"""


def record_reports(reports: Sequence[SmsReport], *, now: datetime) -> int:
    """Record reports, each once however often it arrives; return how many new ones belong to a message that is not known yet."""
    deliveries: dict[str, list[tuple[int, str]]] = {}
    if reports:
        with connection.cursor() as cursor:
            cursor.execute(FIND_DELIVERIES, [sorted({report.message_id for report in reports})])
            for message_id, delivery_id, phone in cursor.fetchall():
                deliveries.setdefault(message_id, []).append((delivery_id, decrypt(phone) if phone else ""))
    events, unknown = [], 0
    for report in reports:
        delivery_id = find_delivery_id(report, deliveries.get(report.message_id, []))
        if delivery_id is None:
            unknown += report.message_id not in deliveries and now - report.at < UNKNOWN_FOR
            continue
        kind = Kind.DELIVERED if report.is_delivered else Kind.HARD_BOUNCE
        detail = "" if report.is_delivered else report.reason
        events.append(FeedbackEvent(f"sms:{delivery_id}:{kind}", delivery_id, kind, report.at, detail=detail))
    store_events(events)
    return unknown


def find_delivery_id(report: SmsReport, deliveries: Sequence[tuple[int, str]]) -> int | None:
    """Return the message of a report: the only one with its ID, or among several of one request the one to its number."""
    if len(deliveries) == 1:
        return deliveries[0][0]
    number = list_digits(report.phone)
    for delivery_id, phone in deliveries:
        digits = list_digits(phone)
        if min(len(digits), len(number)) >= MIN_DIGITS and (number.endswith(digits) or digits.endswith(number)):
            return delivery_id
    return None


def list_digits(phone: str) -> str:
    return "".join(character for character in phone if character in "0123456789")
