"""Which messages of a campaign are not sent at the time of the run: conditions, so that they are counted with the steps of the audience.

Messages wait until the customer's quiet hours end, and are sent at the launch if the customer's local time has already passed.
"""

from collections.abc import Callable
from datetime import datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from django.db.models import BooleanField, Case, ExpressionWrapper, Q, TextField, Value, When
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce, Upper
from django.db.models.lookups import In

from config.foundation.shop.profile import get_phone_countries, get_time_zone
from recommendations.campaigns.models import Campaign
from recommendations.campaigns.schedule import build_schedule, convert_local_time, find_next_run
from recommendations.sending.channels.registry import CHANNELS
from recommendations.sending.checks.quiet_hours import COUNTRY_ZONES, find_quiet_end
from recommendations.sending.models import SendingSettings
from recommendations.sending.sms.legal_hours import CHANNEL, find_closed_until

MAINLAND = "CN"
UNLAUNCHED = (Campaign.Status.DRAFT, Campaign.Status.WAITING)
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
    if campaign.follows_local_time:  # everyone gets the message at the same time of the clock
        return wrap_constant(is_quiet(at, start, end, shop_zone))
    return build_zone_condition(lambda zone: is_quiet(at, start, end, zone))


def build_already_due_condition(campaign: Campaign, *, as_of: datetime) -> QuietCondition:
    """Return the condition that the customer's local time of the first run has passed, so that a launch now sends the message at once."""
    if not campaign.follows_local_time or campaign.status not in UNLAUNCHED:
        return wrap_constant(False)
    run = find_next_run(build_schedule(campaign), after=as_of, launched_at=as_of)
    if run is None:
        return wrap_constant(False)
    local = run.scheduled_for.astimezone(get_time_zone())
    return build_zone_condition(lambda zone: convert_local_time(local, zone) < as_of)


def build_zone_condition(matches: Callable[[ZoneInfo], bool]) -> Case:
    """Return the condition that the time zone of the customer matches: that of the trait, else of the country, else of the shop."""
    countries = [code for code, zone in COUNTRY_ZONES.items() if matches(ZoneInfo(zone))]
    zones = [name for name in list_time_zones() if matches(ZoneInfo(name))]
    trait = Coalesce(
        KeyTextTransform("time_zone", "traits"),
        KeyTextTransform("timezone", "traits"),
        Value(""),
        output_field=TextField(),
    )
    return Case(
        When(In(trait, zones), then=Value(True)),
        When(In(trait, list_time_zones()), then=Value(False)),
        When(In(Upper("country"), countries), then=Value(True)),
        When(In(Upper("country"), list(COUNTRY_ZONES)), then=Value(False)),
        default=Value(matches(get_time_zone())),
        output_field=BooleanField(),
    )


def is_quiet(at: datetime, start: time, end: time, zone: ZoneInfo) -> bool:
    return find_quiet_end(at=at, start=start, end=end, zone=zone) is not None


@lru_cache(maxsize=1)
def list_time_zones() -> tuple[str, ...]:
    return tuple(sorted(available_timezones()))


def wrap_constant(value: bool) -> ExpressionWrapper:
    return ExpressionWrapper(Q(pk__isnull=not value), BooleanField())
