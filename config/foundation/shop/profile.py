"""The shop as the rest of the project reads it, cached for some seconds in each process."""

import logging
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from psycopg import sql

from config.foundation.calendars.local_clock import LocalClock, get_local_clock
from config.foundation.shop.models import SINGLETON_ID, ShopSettings, load_shop_settings
from config.foundation.ttl_cache import TtlCache

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ShopProfile:
    """What is known about the shop; every field has a value except the optional ones of brand and e-mail."""

    name: str
    currency: str
    language: str
    time_zone: str
    color: str
    logo_version: str
    sender_name: str
    sender_address: str
    reply_to: str
    postal_address: str


@dataclass(frozen=True)
class PhoneCountries:
    """The country of numbers without a country code, and the one that stored numbers were hashed with; "" for none."""

    current: str
    applied: str


def build_shop_profile(stored: ShopSettings) -> ShopProfile:
    """Return the profile; empty fields take the values of the environment."""
    name = stored.name or settings.SHOP_NAME
    return ShopProfile(
        name=name,
        currency=stored.currency or settings.SHOP_CURRENCY,
        language=stored.language or settings.LANGUAGE_CODE,
        time_zone=stored.time_zone or settings.TIME_ZONE,
        color=stored.color,
        logo_version=sha256(bytes(stored.logo)).hexdigest()[:12] if stored.logo else "",
        sender_name=stored.sender_name or name,
        sender_address=stored.sender_address or settings.DEFAULT_FROM_EMAIL,
        reply_to=stored.reply_to,
        postal_address=stored.postal_address,
    )


def _load_profile(_key: str) -> ShopSettings:
    return load_shop_settings()


STORED_TIME_ZONE = sql.SQL("COALESCE((SELECT NULLIF(time_zone, '') FROM shop_shopsettings WHERE id = {id}), {default})")
_cache: TtlCache[ShopSettings] = TtlCache(_load_profile)


def get_shop() -> ShopProfile:
    """Return the shop; without a database, or before its migration, the values of the environment."""
    return build_shop_profile(_get_stored())


def get_phone_countries() -> PhoneCountries:
    """Return the countries with which phone numbers without a country code are read."""
    stored = _get_stored()
    return PhoneCountries(stored.country, stored.phone_country)


def get_shop_country() -> str:
    """Return the ISO code of the country in the shop settings; "" if none was chosen."""
    return _get_stored().country


def get_time_zone_name() -> str:
    """Return the shop's time zone, such as Europe/Berlin. Days, charts, schedules and counts by day follow it."""
    return _get_stored().time_zone or settings.TIME_ZONE


def get_time_zone() -> ZoneInfo:
    return ZoneInfo(get_time_zone_name())


def get_shop_clock() -> LocalClock:
    """Return the clock whose midnights separate the days of the shop."""
    return get_local_clock(get_time_zone())


def get_time_zone_change() -> datetime | None:
    """Return when the time zone was changed last; None if it never was."""
    return _get_stored().time_zone_changed_at


def read_time_zone_name() -> str:
    """Return the stored time zone without the cache, for counts by day, which would keep a wrong day."""
    stored = ShopSettings.objects.filter(pk=SINGLETON_ID).values_list("time_zone", flat=True).first()
    return stored or settings.TIME_ZONE


def build_time_zone() -> sql.Composable:
    """Return the stored time zone as a database expression, which needs no query of its own."""
    return STORED_TIME_ZONE.format(id=sql.Literal(SINGLETON_ID), default=sql.Literal(settings.TIME_ZONE))


def _get_stored() -> ShopSettings:
    try:
        return _cache.get("") or ShopSettings()
    except (DatabaseError, InterfaceError) as error:
        reason = str(error).split("\n")[0]
        logger.warning("The shop settings cannot be read (%s); the environment is used.", reason)
        return ShopSettings()


def forget_shop() -> None:
    """Drop the cached settings of this process; others see a change after some seconds."""
    _cache.forget()
