"""Texts of campaigns: schedules, results and the reasons of skips."""

from collections.abc import Callable

from django.utils.formats import date_format, number_format, time_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from config.foundation.number_formats import (
    format_count,
    format_moment,
    format_money,
    format_percent,
    format_whole_money,
    join_list,
)
from config.foundation.statistics import ConfidenceInterval
from recommendations.campaigns.models import Campaign
from recommendations.campaigns.results.summary import CampaignResults

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
    """Return when the campaign is sent, in a sentence without a full stop."""
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


def format_points(difference: float) -> str:
    """Return a difference of two shares in percentage points with its sign: +1.9."""
    points = round(difference * 100, 2 if abs(difference) < 0.01 else 1)
    return f"{'+' if points > 0 else '−' if points < 0 else ''}{number_format(abs(points))}"


def format_interval(interval: ConfidenceInterval, form: Callable[[float], str]) -> str:
    """Return "low to high"."""
    return _("%(low)s to %(high)s") % {"low": form(interval.low), "high": form(interval.high)}


def format_signed_money(value: float, currency: str, *, exact: bool = False) -> str:
    """Return an amount with its sign, in whole units unless it is to be exact."""
    text = (format_money if exact else format_whole_money)(abs(value), currency)
    return f"+{text}" if value > 0 else f"−{text}" if value < 0 else text


def describe_results(campaign: Campaign, results: CampaignResults) -> str:
    """Return what the campaign caused, in one or two sentences."""
    if results.verdict == "no_runs":
        return _("Nothing has been sent yet.")
    if results.effect is None or results.verdict == "no_holdout":
        return _("There was no holdout group, so the effect of the message is unknown.")
    values = {
        "rate": format_percent(results.recipients.conversion_rate, 2),
        "holdout_rate": format_percent(results.holdout.conversion_rate, 2),
        "points": format_points(results.effect.conversion.value),
        "interval": format_interval(results.effect.conversion, format_points),
        "goal": campaign.get_goal_display(),
        "orders": format_count(round(abs(results.effect.orders.value))),
        "final_at": format_day_of(results),
    }
    if results.verdict == "uneven_groups":
        return _(
            "The group sizes do not match the holdout share, and the mismatch is too large to be random. Customers were not "
            "assigned at random, so the difference is not the effect of the message."
        )
    if results.verdict == "preliminary":
        return (
            _(
                "Not final before %(final_at)s. So far the goal (%(goal)s) was reached by %(rate)s of the recipients and %(holdout_rate)s of "
                "the holdout group."
            )
            % values
        )
    if results.verdict == "increase":
        return (
            _(
                "The message worked: the goal (%(goal)s) was reached by %(rate)s of the recipients and %(holdout_rate)s of the holdout group, "
                "%(points)s percentage points (95%% interval %(interval)s). That is about %(orders)s more customers."
            )
            % values
        )
    if results.verdict == "decrease":
        return (
            _(
                "The message had a negative effect: the goal (%(goal)s) was reached by %(rate)s of the recipients and %(holdout_rate)s of the "
                "holdout group, %(points)s percentage points (95%% interval %(interval)s)."
            )
            % values
        )
    return (
        _(
            "No effect found: the goal (%(goal)s) was reached by %(rate)s of the recipients and %(holdout_rate)s of the holdout group. "
            "With 95%% confidence, the true difference in percentage points is within %(interval)s."
        )
        % values
    )


def format_day_of(results: CampaignResults) -> str:
    return date_format(localtime(results.final_at)) if results.final_at else ""


def describe_revenue(results: CampaignResults, currency: str) -> str:
    """Return the additional revenue with its interval; empty without a holdout group, and before the result is final."""
    if results.effect is None or results.effect.revenue is None or results.verdict == "preliminary":
        return ""
    revenue = results.effect.revenue
    text = _("Additional revenue: %(value)s (95%% interval %(interval)s).") % {
        "value": format_signed_money(revenue.value, currency),
        "interval": format_interval(revenue, lambda value: format_signed_money(value, currency)),
    }
    if revenue.low <= 0 <= revenue.high:
        return text + " " + _("The interval contains 0: no effect on revenue was found.")
    return text


def describe_count(number: int) -> str:
    return ngettext("%(count)s customer", "%(count)s customers", number) % {"count": format_count(number)}
