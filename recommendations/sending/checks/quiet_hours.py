"""Quiet hours in the time zone of each customer, also over midnight and on days when the clocks change."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel.core import get_global

# The zone where most people of a country with several zones live; for the others, set the customer's trait `time_zone`.
MAIN_ZONES = {
    "AR": "America/Argentina/Buenos_Aires", "AU": "Australia/Sydney", "BR": "America/Sao_Paulo", "CA": "America/Toronto",
    "CD": "Africa/Kinshasa", "CL": "America/Santiago", "CN": "Asia/Shanghai", "CY": "Asia/Nicosia", "DE": "Europe/Berlin",
    "EC": "America/Guayaquil", "ES": "Europe/Madrid", "FM": "Pacific/Chuuk", "GL": "America/Nuuk", "ID": "Asia/Jakarta",
    "KI": "Pacific/Tarawa", "KZ": "Asia/Almaty", "MH": "Pacific/Majuro", "MN": "Asia/Ulaanbaatar", "MX": "America/Mexico_City",
    "MY": "Asia/Kuala_Lumpur", "NZ": "Pacific/Auckland", "PF": "Pacific/Tahiti", "PG": "Pacific/Port_Moresby",
    "PS": "Asia/Gaza", "PT": "Europe/Lisbon", "RU": "Europe/Moscow", "UA": "Europe/Kyiv", "US": "America/New_York",
    "UZ": "Asia/Tashkent", "VN": "Asia/Ho_Chi_Minh",
}  # fmt: skip


@lru_cache(maxsize=1024)
def find_time_zone(name: str) -> ZoneInfo | None:
    """Return a time zone by its name, such as Europe/Berlin; None if there is no such zone."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def list_country_zones() -> dict[str, str]:
    """Return the time zone of each country: its only one according to the tz database, else that where most people live."""
    only = {country: zones[0] for country, zones in get_global("territory_zones").items() if len(zones) == 1}
    return {country: zone for country, zone in sorted({**only, **MAIN_ZONES}.items()) if find_time_zone(zone)}


COUNTRY_ZONES = list_country_zones()


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
