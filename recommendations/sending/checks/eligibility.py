"""Decides about due deliveries: send, skip with a reason, or wait."""

from collections.abc import Callable, Sequence
from datetime import datetime

from django.db import connection

from config.foundation.shop.profile import get_time_zone
from customers.identity.models import ProcessingRestriction
from customers.identity.personal_data.hashing import adopt_addresses, hash_email, list_phone_hashes, normalize_phone
from recommendations.measurement.assignment import is_held_out
from recommendations.sending.channels.registry import CHANNELS
from recommendations.sending.checks.candidates import CustomerState, DueDelivery, load_customers, read_address
from recommendations.sending.checks.frequency import check_frequency, read_caps
from recommendations.sending.checks.holdout_groups import check_holdout_groups
from recommendations.sending.checks.merged_customers import follow_merges
from recommendations.sending.checks.quiet_hours import choose_time_zone, find_quiet_end
from recommendations.sending.checks.rate_limits import check_rate_limits
from recommendations.sending.email_format import normalize_address
from recommendations.sending.models import SkipReason, Suppression
from recommendations.sending.settings_model import SendingSettings, load_sending_settings
from recommendations.sending.sms.legal_hours import find_legal_start

PHONE, UNSUBSCRIBED = Suppression.Kind.PHONE, Suppression.Reason.UNSUBSCRIBED
NORMAL_FORMS: dict[str, Callable[[str], str]] = {"email": normalize_address, "phone": normalize_phone}
FIND_SUPPRESSED = "SELECT value_hash, reason FROM sending_suppression WHERE kind = %s AND value_hash = ANY(%s)"


def decide(candidates: Sequence[DueDelivery], *, settings: SendingSettings, now: datetime) -> None:
    """Decide about every candidate; those that stay open are to be sent now. Runs in the transaction that has locked them."""
    load_customers(candidates)
    follow_merges(candidates)
    for candidate in candidates:
        if candidate.is_open:
            check_customer(candidate, now=now)
    check_suppressions(candidates)
    check_holdout_groups(candidates)
    check_global_holdout(candidates, settings=settings)
    check_quiet_hours(candidates, settings=settings, now=now)
    zone = get_time_zone()
    check_frequency(candidates, caps=read_caps(settings.caps), now=now, zone=zone)
    check_rate_limits(candidates, settings=settings, now=now, zone=zone)


def preview_skip_reason(*, customer_id: int, channel: str, is_transactional: bool, now: datetime) -> str:
    """Return why a message that is due now would be skipped; empty if nothing lasting stops it.

    Frequency caps, quiet hours and rate limits are not checked, because they depend on the moment.
    """
    candidate = DueDelivery(
        id=0,
        origin_kind="",
        origin_id=0,
        customer_id=customer_id,
        template_version_id=0,
        channel=channel,
        is_transactional=is_transactional,
        due_at=now,
        expires_at=None,
        attempts=0,
        reserved=0,
        event={},
    )
    load_customers([candidate])
    check_customer(candidate, now=now)
    check_suppressions([candidate])
    check_global_holdout([candidate], settings=load_sending_settings())
    return candidate.skip_reason


def check_customer(candidate: DueDelivery, *, now: datetime) -> None:
    """Check that the customer exists, can be reached on the channel, and has granted the consent that it needs."""
    channel = CHANNELS.get(candidate.channel)
    customer = candidate.customer
    if customer is None or customer.is_erased:
        candidate.skip(SkipReason.ERASED)
    elif candidate.expires_at is not None and candidate.expires_at <= now:
        candidate.skip(SkipReason.EXPIRED)
    elif channel is None:
        candidate.skip(SkipReason.NOT_REACHABLE)
    elif reason := find_restriction(candidate, customer, channel.purpose):
        candidate.skip(reason)
    elif channel.purpose and not candidate.is_transactional and channel.purpose not in customer.granted:
        candidate.skip(SkipReason.NO_CONSENT)
    elif channel.address:
        address = read_address(customer, channel.address)
        candidate.address = NORMAL_FORMS.get(channel.address, str)(address) if address else ""
        if not candidate.address:
            candidate.skip(SkipReason.NOT_REACHABLE)


def find_restriction(candidate: DueDelivery, customer: CustomerState, purpose: str) -> str:
    """Return the reason why a restriction or objection stops a message; empty for messages about an order or account.

    An objection to marketing withdraws all consents; a consent granted after it allows messages on its channel again.
    """
    if candidate.is_transactional:
        return ""
    if ProcessingRestriction.Scope.ALL in customer.restrictions:
        return SkipReason.RESTRICTED
    has_objected = ProcessingRestriction.Scope.MARKETING in customer.restrictions
    return SkipReason.OBJECTED if has_objected and purpose not in customer.granted else ""


def check_suppressions(candidates: Sequence[DueDelivery]) -> None:
    """Skip those whose address is on the suppression list. A number that unsubscribed still gets messages about its orders."""
    for kind, list_hashes in ((Suppression.Kind.EMAIL, list_email_hashes), (Suppression.Kind.PHONE, list_phone_hashes)):
        adopt_addresses(
            emails=[candidate.address for candidate in candidates if kind == Suppression.Kind.EMAIL],
            phones=[candidate.address for candidate in candidates if kind == Suppression.Kind.PHONE],
        )
        hashes = {
            candidate.id: list_hashes(candidate.address)
            for candidate in candidates
            if candidate.is_open and candidate.address and CHANNELS[candidate.channel].address == kind
        }
        if not hashes:
            continue
        with connection.cursor() as cursor:
            cursor.execute(FIND_SUPPRESSED, [kind, sorted({value for values in hashes.values() for value in values})])
            rows = cursor.fetchall()
        suppressed = {value for value, _reason in rows}
        unsubscribed = {value for value, reason in rows if reason == UNSUBSCRIBED} if kind == PHONE else set()
        for candidate in candidates:
            found = suppressed.intersection(hashes.get(candidate.id, ()))
            if found - (unsubscribed if candidate.is_transactional else set()):
                candidate.skip(SkipReason.SUPPRESSED)


def list_email_hashes(address: str) -> list[str]:
    return [hash_email(address)]


def check_global_holdout(candidates: Sequence[DueDelivery], *, settings: SendingSettings) -> None:
    """Skip marketing messages to the global holdout group, against which all marketing is measured."""
    if not settings.global_holdout_share:
        return
    share, salt = settings.global_holdout_share, settings.global_holdout_salt
    for candidate in candidates:
        is_marketing = candidate.is_open and not candidate.is_transactional
        if is_marketing and is_held_out(salt=salt, customer_id=candidate.customer_id, share=share):
            candidate.skip(SkipReason.GLOBAL_HOLDOUT)


def check_quiet_hours(candidates: Sequence[DueDelivery], *, settings: SendingSettings, now: datetime) -> None:
    """Postpone messages that would arrive in the customer's quiet hours, or when the law forbids them, to the end of that time."""
    start, end = settings.quiet_from, settings.quiet_until
    shop_zone = get_time_zone()
    for candidate in candidates:
        if not candidate.is_open or candidate.is_transactional or not CHANNELS[candidate.channel].has_quiet_hours:
            continue
        assert candidate.customer is not None
        ends = [find_legal_start(candidate.channel, candidate.address, at=now)]
        if start is not None and end is not None:
            zone = choose_time_zone(
                trait=candidate.customer.time_zone, country=candidate.customer.country, shop_zone=shop_zone
            )
            ends.append(find_quiet_end(at=now, start=start, end=end, zone=zone))
        if found := [moment for moment in ends if moment is not None]:
            candidate.postpone(max(found))
