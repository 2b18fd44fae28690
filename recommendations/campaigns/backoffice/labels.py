"""Texts of campaigns: schedules, results and the reasons of skips."""

from django.utils.formats import date_format, time_format
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from config.foundation.number_formats import (
    format_count,
    format_moment,
    join_list,
)
from recommendations.campaigns.models import EXPORTED, EXPORTED_LABEL, Campaign

WEEKDAYS = (
    gettext_lazy("Monday"),
    gettext_lazy("Tuesday"),
    gettext_lazy("Wednesday"),
    gettext_lazy("Thursday"),
    gettext_lazy("Friday"),
    gettext_lazy("Saturday"),
    gettext_lazy("Sunday"),
)
STATUS_KINDS = {
    Campaign.Status.DRAFT: "neutral",
    Campaign.Status.WAITING: "warns",
    Campaign.Status.SCHEDULED: "good",
    Campaign.Status.RUNNING: "good",
    Campaign.Status.PAUSED: "warns",
    Campaign.Status.ENDED: "neutral",
    Campaign.Status.CANCELED: "neutral",
}


def describe_schedule(campaign: Campaign) -> str:
    """Return when the campaign is sent, in a sentence without a period."""
    if campaign.channel == Campaign.Channel.EXPORT:
        return _("When another system sends the messages")
    if campaign.kind == Campaign.Kind.ONCE:
        if campaign.starts_at is None:
            return _("Once, as soon as it is launched")
        if campaign.uses_customer_time:
            return _("Once, on %(time)s in each customer's time zone") % {"time": format_moment(campaign.starts_at)}
        return _("Once, on %(time)s") % {"time": format_moment(campaign.starts_at)}
    values = {"time": time_format(campaign.send_time, "TIME_FORMAT")}
    if campaign.frequency == Campaign.Frequency.MONTHLY:
        text = _("On day %(day)d of every month at %(time)s") % {"day": campaign.month_day, **values}
    else:
        days = join_list(WEEKDAYS[day - 1] for day in sorted(set(campaign.weekdays)) if 1 <= day <= 7)
        text = _("Every %(days)s at %(time)s") % {"days": days or "…", **values}
    if campaign.uses_customer_time:
        text = _("%(schedule)s, in each customer's time zone") % {"schedule": text}
    if campaign.ends_on:
        text = _("%(schedule)s, until %(day)s") % {"schedule": text, "day": date_format(campaign.ends_on)}
    return text


def list_statuses() -> list[tuple[str, str]]:
    """Return the statuses that users see with their capitalized labels; drafts are followed by exported campaigns."""
    statuses = [(str(key), capfirst(str(label))) for key, label in Campaign.Status.choices]
    return [statuses[0], (EXPORTED, capfirst(str(EXPORTED_LABEL))), *statuses[1:]]


def describe_status(campaign: Campaign) -> str:
    """Return the status that users see, capitalized."""
    return capfirst(campaign.get_shown_status_display())


def describe_goal(campaign: Campaign) -> str:
    """Return what counts as the goal, and when: with several runs, the same period for everyone, as it is measured."""
    values = {"goal": campaign.get_goal_display(), "days": campaign.attribution_days}
    if campaign.kind != Campaign.Kind.RECURRING:
        return _("%(goal)s within %(days)d days") % values
    text = ngettext(
        "%(goal)s from the first run to %(days)d day after the latest one",
        "%(goal)s from the first run to %(days)d days after the latest one",
        campaign.attribution_days,
    )
    return text % values


def describe_count(number: int) -> str:
    return ngettext("%(count)s customer", "%(count)s customers", number) % {"count": format_count(number)}
