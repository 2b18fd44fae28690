"""The calendar: what was sent on each day of a month, and what is planned."""

from calendar import Calendar
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.dates import WEEKDAYS_ABBR
from django.utils.formats import date_format, time_format
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from config.foundation.backoffice.date_range import MAX_YEAR, MIN_YEAR
from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from config.foundation.calendars.public_holidays import name_holidays
from config.foundation.calendars.shopping_festivals import list_festivals
from config.foundation.shop.profile import get_time_zone
from customers.demand.models import load_demand_settings
from recommendations.campaigns.backoffice.access import ADD, VIEW
from recommendations.campaigns.models import Campaign, CampaignRun
from recommendations.campaigns.schedule import build_schedule, list_runs

PLANNED_STATUSES = (Campaign.Status.SCHEDULED, Campaign.Status.RUNNING, Campaign.Status.WAITING)


@dataclass(frozen=True)
class CalendarEntry:
    """A run that was sent, or that is planned."""

    at: datetime
    time_text: str
    name: str
    url: str
    is_planned: bool


@dataclass(frozen=True)
class CalendarDay:
    """A day of the grid."""

    day: date
    label: str
    is_in_month: bool
    is_today: bool
    entries: list[CalendarEntry]
    occasions: list[str]


def show_calendar(request: HttpRequest) -> HttpResponse:
    """Show a month; ``?month=2026-12`` chooses it."""
    check_permissions(request, VIEW)
    today = timezone.localdate()
    first = parse_month(request.GET.get("month", ""), today)
    weeks = build_weeks(first, today)
    entries = sum(len(day.entries) for week in weeks for day in week)
    return render_page(
        request,
        "admin/campaigns/calendar.html",
        title=_("Calendar"),
        verdict="" if entries else _("Nothing was sent and nothing is planned in this month."),
        weeks=weeks,
        weekdays=[WEEKDAYS_ABBR[number] for number in range(7)],
        month=date_format(first, "YEAR_MONTH_FORMAT"),
        previous_url=f"?month={first - timedelta(days=1):%Y-%m}",
        next_url=f"?month={first + timedelta(days=32):%Y-%m}",
        can_add=request.user.has_perm(ADD),
    )


def parse_month(text: str, today: date) -> date:
    """Return the first day of a month such as 2026-12; that of the current month if the text is not valid."""
    try:
        month = datetime.strptime(text, "%Y-%m").date()  # noqa: DTZ007 — a month has no time zone
    except ValueError:
        return today.replace(day=1)
    return month if MIN_YEAR <= month.year <= MAX_YEAR else today.replace(day=1)


def build_weeks(first: date, today: date) -> list[list[CalendarDay]]:
    """Return the weeks that contain a day of the month, from Monday to Sunday."""
    weeks = Calendar().monthdatescalendar(first.year, first.month)
    zone = get_time_zone()
    since = datetime.combine(weeks[0][0], time(), zone)
    until = datetime.combine(weeks[-1][-1] + timedelta(days=1), time(), zone)
    by_day: dict[date, list[CalendarEntry]] = defaultdict(list)
    for entry in sorted([*list_past_runs(since, until), *list_planned_runs(since, until)], key=lambda entry: entry.at):
        by_day[timezone.localdate(entry.at, zone)].append(entry)
    occasions = list_occasions(weeks[0][0], weeks[-1][-1])
    return [
        [
            CalendarDay(
                day,
                date_format(day, "DATE_FORMAT"),
                day.month == first.month,
                day == today,
                by_day[day],
                occasions.get(day, []),
            )
            for day in week
        ]
        for week in weeks
    ]


def list_occasions(first: date, last: date) -> dict[date, list[str]]:
    """Return the public holidays and the main days of shopping festivals, in the country of the demand settings."""
    country = load_demand_settings().country
    named = name_holidays(country, first.year, last.year, language=get_language() or "en")
    occasions: dict[date, list[str]] = {day: [name] for day, name in named.items() if first <= day <= last}
    for period in list_festivals(country, first, last):
        occasions.setdefault(period.main, []).append(str(period.label))
    return occasions


def list_past_runs(since: datetime, until: datetime) -> list[CalendarEntry]:
    runs = CampaignRun.objects.filter(scheduled_for__gte=since, scheduled_for__lt=until).select_related("campaign")
    return [make_entry(run.campaign, run.scheduled_for, is_planned=False) for run in runs]


def list_planned_runs(since: datetime, until: datetime) -> list[CalendarEntry]:
    """Return the runs to come of launched campaigns and of those that wait for approval."""
    now = timezone.now()
    entries = []
    for campaign in Campaign.objects.filter(status__in=PLANNED_STATUSES):
        after = max(since - timedelta(microseconds=1), now)
        if campaign.kind == Campaign.Kind.ONCE and campaign.runs.exists():
            continue
        planned = list_runs(build_schedule(campaign), after=after, until=until, launched_at=now)
        entries += [make_entry(campaign, run.scheduled_for, is_planned=True) for run in planned]
    return entries


def make_entry(campaign: Campaign, at: datetime, *, is_planned: bool) -> CalendarEntry:
    return CalendarEntry(
        at,
        time_format(timezone.localtime(at), "TIME_FORMAT"),
        campaign.name,
        reverse("admin:campaigns_campaign_change", args=[campaign.pk]),
        is_planned,
    )
