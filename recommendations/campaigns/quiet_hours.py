"""How many messages of a campaign wait because of quiet hours: a condition, so that it is counted with the steps of the audience."""

from datetime import datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from django.db.models import BooleanField, Case, ExpressionWrapper, Q, TextField, Value, When
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce, Upper
from django.db.models.lookups import In

from config.foundation.shop.profile import get_phone_countries, get_time_zone
from recommendations.campaigns.models import Campaign
from recommendations.campaigns.schedule import build_schedule, find_next_run
from recommendations.sending.channels.registry import CHANNELS
from recommendations.sending.checks.quiet_hours import COUNTRY_ZONES, find_quiet_end
from recommendations.sending.models import SendingSettings
from recommendations.sending.sms.legal_hours import CHANNEL, find_closed_until

MAINLAND = "CN"
type QuietCondition = Case | ExpressionWrapper


def build_quiet_condition(campaign: Campaign, *, settings: SendingSettings, as_of: datetime) -> QuietCondition:
    """Return the condition that the next run reaches a customer in quiet hours, so that the message is sent later.

    SMS to mainland China also have legal hours; here the country of the customer says whether they apply.
    """
    channel = CHANNELS.get(campaign.channel)
    if channel is None or not channel.has_quiet_hours or campaign.is_transactional:
        return wrap_constant(False)
    run = find_next_run(build_schedule(campaign), after=as_of, launched_at=as_of)
    at = run.scheduled_for if run else as_of
    own = build_own_condition(campaign, settings=settings, at=at)
    if channel.key != CHANNEL or find_closed_until(at) is None:
        return own
    countries = [MAINLAND, *([""] if get_phone_countries().current == MAINLAND else [])]
    return Case(When(In(Upper("country"), countries), then=Value(True)), default=own, output_field=BooleanField())


def build_own_condition(campaign: Campaign, *, settings: SendingSettings, at: datetime) -> QuietCondition:
    """Return the condition that a moment lies in the quiet hours of the settings, in the time zone of each customer."""
    start, end, shop_zone = settings.quiet_from, settings.quiet_until, get_time_zone()
    if start is None or end is None:
        return wrap_constant(False)
    if campaign.uses_customer_time:  # everyone gets the message at the same time of the clock
        return wrap_constant(is_quiet(at, start, end, shop_zone))
    quiet_countries = [code for code, zone in COUNTRY_ZONES.items() if is_quiet(at, start, end, ZoneInfo(zone))]
    quiet_zones = [name for name in list_time_zones() if is_quiet(at, start, end, ZoneInfo(name))]
    trait = Coalesce(
        KeyTextTransform("time_zone", "traits"),
        KeyTextTransform("timezone", "traits"),
        Value(""),
        output_field=TextField(),
    )
    return Case(
        When(In(trait, quiet_zones), then=Value(True)),
        When(In(trait, list_time_zones()), then=Value(False)),
        When(In(Upper("country"), quiet_countries), then=Value(True)),
        When(In(Upper("country"), list(COUNTRY_ZONES)), then=Value(False)),
        default=Value(is_quiet(at, start, end, shop_zone)),
        output_field=BooleanField(),
    )


def is_quiet(at: datetime, start: time, end: time, zone: ZoneInfo) -> bool:
    return find_quiet_end(at=at, start=start, end=end, zone=zone) is not None


@lru_cache(maxsize=1)
def list_time_zones() -> tuple[str, ...]:
    return tuple(sorted(available_timezones()))


def wrap_constant(value: bool) -> ExpressionWrapper:
    return ExpressionWrapper(Q(pk__isnull=not value), BooleanField())
