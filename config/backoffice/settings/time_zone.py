"""The shop's time zone: the choices, and a change, after which all daily counts are recomputed."""

from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from babel.dates import get_timezone_location
from django.db import transaction
from django_celery_beat.models import CrontabSchedule, PeriodicTask, PeriodicTasks

from config.foundation.number_formats import get_reader_locale
from config.foundation.shop.models import ShopSettings
from config.jobs.control import QueueError, start_job
from config.schedule import EVERY_HOUR
from customers.segments.event_counts.recounting import request_recount

RECOUNTING_TASKS = (
    "customers.lifecycle.tasks.refresh_profiles",
    "recommendations.serving.tasks.count_performance",
    "customers.segments.tasks.recount_changed_orders",
)
AREAS = ("Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")


@lru_cache(maxsize=1)
def list_time_zones() -> tuple[str, ...]:
    """Return the names of the IANA time zones of places, and UTC."""
    places = (name for name in available_timezones() if name.partition("/")[0] in AREAS)
    return ("UTC", *sorted(places))


def describe_time_zones(*, at: datetime) -> list[tuple[str, str]]:
    """Return each time zone with its current offset and its place in the reader's language."""
    places = list_places(get_reader_locale())
    return [(name, f"UTC{at.astimezone(ZoneInfo(name)):%:z} {places[name]}") for name in list_time_zones()]


@lru_cache(maxsize=4)
def list_places(locale: str) -> dict[str, str]:
    return {name: get_timezone_location(name, locale=locale) for name in list_time_zones()}


def save_time_zone(shop: ShopSettings, *, before: str, at: datetime) -> None:
    """Save the settings with a new time zone; schedules follow it, and daily counts are marked to be recomputed.

    All of this happens in one transaction: counts use the stored time zone, so none remains in the old one.
    """
    shop.time_zone_changed_at = at
    with transaction.atomic():
        shop.save()
        CrontabSchedule.objects.filter(timezone=before).exclude(hour=EVERY_HOUR).update(timezone=shop.time_zone)
        PeriodicTasks.update_changed()
        request_recount()


def start_recounts(*, started_by: str) -> bool:
    """Start the jobs that count again; return whether the queue accepted them. Otherwise they start as scheduled."""
    try:
        for job in PeriodicTask.objects.filter(task__in=RECOUNTING_TASKS):
            start_job(job, started_by=started_by)
    except QueueError:
        return False
    return True
