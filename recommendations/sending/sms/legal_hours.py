"""Marketing by SMS to numbers of mainland China is allowed from 8:00 to 22:00.

Tencent Cloud refuses it at other hours: https://cloud.tencent.com/document/product/382/3771, code 1029. China has one time zone.
"""

from datetime import datetime, time

from recommendations.sending.channels.accounts import find_account
from recommendations.sending.channels.providers import HOME_CODE
from recommendations.sending.checks.quiet_hours import find_quiet_end
from recommendations.sending.sms.pushes import CHINA, READERS

CHANNEL = "sms"
ENDS_AT, BEGINS_AT = time(22), time(8)


def find_legal_start(channel: str, address: str, *, at: datetime) -> datetime | None:
    """Return the next time a marketing message may be sent; None if it may be sent now."""
    if channel != CHANNEL or not is_mainland_number(address):
        return None
    return find_closed_until(at)


def find_closed_until(at: datetime) -> datetime | None:
    """Return the end of the hours without marketing that contain a moment."""
    return find_quiet_end(at=at, start=ENDS_AT, end=BEGINS_AT, zone=CHINA)


def is_mainland_number(address: str) -> bool:
    """Return whether a number belongs to mainland China. Like Chinese providers, treat a number without a country code as one."""
    if address.startswith("+"):
        return address.startswith(HOME_CODE)
    account = find_account(CHANNEL)
    return account is not None and account.provider in READERS
