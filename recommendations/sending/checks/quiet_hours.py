"""Quiet hours in the time zone of each customer, also over midnight and on days when the clocks change."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

# The zone where most people of the country live; for the others, set the customer's trait `time_zone`.
COUNTRY_ZONES = {
    "AT": "Europe/Vienna", "AU": "Australia/Sydney", "BE": "Europe/Brussels", "BR": "America/Sao_Paulo",
    "CA": "America/Toronto", "CH": "Europe/Zurich", "CN": "Asia/Shanghai", "CZ": "Europe/Prague",
    "DE": "Europe/Berlin", "DK": "Europe/Copenhagen", "ES": "Europe/Madrid", "FI": "Europe/Helsinki",
    "FR": "Europe/Paris", "GB": "Europe/London", "GR": "Europe/Athens", "HK": "Asia/Hong_Kong",
    "HU": "Europe/Budapest", "IE": "Europe/Dublin", "IN": "Asia/Kolkata", "IT": "Europe/Rome",
    "JP": "Asia/Tokyo", "KR": "Asia/Seoul", "MO": "Asia/Macau", "MX": "America/Mexico_City",
    "MY": "Asia/Kuala_Lumpur", "NL": "Europe/Amsterdam", "NO": "Europe/Oslo", "NZ": "Pacific/Auckland",
    "PL": "Europe/Warsaw", "PT": "Europe/Lisbon", "RO": "Europe/Bucharest", "SE": "Europe/Stockholm",
    "SG": "Asia/Singapore", "TH": "Asia/Bangkok", "TR": "Europe/Istanbul", "TW": "Asia/Taipei",
    "US": "America/New_York", "VN": "Asia/Ho_Chi_Minh", "ZA": "Africa/Johannesburg",
}  # fmt: skip


@lru_cache(maxsize=1024)
def find_time_zone(name: str) -> ZoneInfo | None:
    """Return a time zone by its name, such as Europe/Berlin; None if there is no such zone."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def choose_time_zone(*, trait: str, country: str, shop_zone: ZoneInfo) -> ZoneInfo:
    """Return the customer's time zone: that of the trait, else that of the country, else that of the shop."""
    return find_time_zone(trait) or find_time_zone(COUNTRY_ZONES.get(country.upper(), "")) or shop_zone


@lru_cache(maxsize=4096)
def _resolve(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """Return the moment of a local time; one that the clocks skip is moved forward by the skipped hour."""
    return datetime.combine(day, clock, tzinfo=zone).astimezone(UTC)


def find_quiet_end(*, at: datetime, start: time, end: time, zone: ZoneInfo) -> datetime | None:
    """Return the end of the quiet hours that contain a moment; None if it is outside of quiet hours.

    Quiet hours begin on every local day at ``start`` and last until the next ``end``, on the same day or the next one. Moments are
    compared in UTC, so that quiet hours match the customer's clock even when it repeats or skips an hour.
    """
    if start == end:
        return None
    today = at.astimezone(zone).date()
    for day in (today - timedelta(days=1), today):
        begins = _resolve(day, start, zone)
        ends = _resolve(day if start < end else day + timedelta(days=1), end, zone)
        if begins <= at < ends:
            return ends
    return None
