"""Three sentences on one customer: who they are, where they stand and why, and the next step that follows from it.

The step is a rule of thumb. The next best action, which is learned from past campaigns, is another panel of the page.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from django.utils.formats import date_format, number_format
from django.utils.functional import Promise
from django.utils.timezone import localdate, localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext, pgettext_lazy

from config.foundation.number_formats import format_full_day, format_whole_percent
from customers.identity.models import Consent
from customers.lifecycle.backoffice.labels.difference_labels import GOOD_STAGES, LIKELY
from customers.lifecycle.backoffice.labels.stage_labels import MAX_ODDS, USUAL_SHARE, round_odds
from customers.lifecycle.models import ScoreModel, Stage
from customers.lifecycle.scoring.stages.gap_summary import GapSummary

MIN_ORDERS = 5  # fewer orders say nothing about times and favorites
MOSTLY = 0.5
LATE_SHARE = 0.2  # a good customer is called late if at most 20% of their gaps are longer
LEFT_STAGES = (Stage.DORMANT, Stage.CHURNED)
HOURS_OF_PART = 6
# Imports of dates without a time give orders at midnight, so the hour of such an order is unknown.
MIDNIGHT = (0, 0)
WHO: Mapping[str, str | Promise] = {
    Stage.VISITOR: gettext_lazy("A visitor"),
    Stage.PROSPECT: gettext_lazy("A prospect"),
    Stage.NEW: gettext_lazy("A new customer"),
    Stage.ACTIVE: gettext_lazy("An active customer"),
    Stage.LOYAL: gettext_lazy("A loyal customer"),
    Stage.AT_RISK: gettext_lazy("A customer at risk"),
    Stage.DORMANT: gettext_lazy("A dormant customer"),
    Stage.CHURNED: gettext_lazy("A churned customer"),
    Stage.REACTIVATED: gettext_lazy("A won-back customer"),
}
ON_WEEKDAYS: Sequence[str | Promise] = (
    gettext_lazy("on Mondays"),
    gettext_lazy("on Tuesdays"),
    gettext_lazy("on Wednesdays"),
    gettext_lazy("on Thursdays"),
    gettext_lazy("on Fridays"),
    gettext_lazy("on Saturdays"),
    gettext_lazy("on Sundays"),
)
IN_PARTS_OF_DAY: Sequence[str | Promise] = (
    gettext_lazy("at night"),
    gettext_lazy("in the morning"),
    gettext_lazy("in the afternoon"),
    gettext_lazy("in the evening"),
)
CHANNELS: Mapping[str, str | Promise] = {
    Consent.Purpose.EMAIL: pgettext_lazy("message", "by email"),
    Consent.Purpose.PUSH: pgettext_lazy("message", "by push"),
    Consent.Purpose.SMS: pgettext_lazy("message", "by SMS"),
}


def describe_customer(
    profile: Mapping[str, Any],
    *,
    order_times: Sequence[datetime],
    granted: Collection[str] | None,
    withheld_name: str,
    as_of: datetime,
) -> list[str]:
    """Return the three sentences.

    Args:
        profile: of `build_customer_profile`. order_times: of the customer's orders. granted: purposes with consent; None if the
        reader may not see them. withheld_name: why data derived from behavior is withheld, "" if it is not.
    """
    return [
        _describe_person(profile, [] if withheld_name else order_times),
        _describe_position(profile),
        _("Rule of thumb: %(action)s")
        % {
            "action": _("none, because data derived from behavior is not used: %(reason)s.") % {"reason": withheld_name}
            if withheld_name
            else _describe_action(profile, granted, as_of)
        },
    ]


def _describe_person(profile: Mapping[str, Any], order_times: Sequence[datetime]) -> str:
    """Return who the customer is: stage, orders, when they order, and their favorite category."""
    text = _describe_orders(profile)
    if when := describe_order_times(order_times):
        text = _("%(text)s, mostly %(when)s") % {"text": text, "when": when}
    favorites = profile["interests"]["categories"]
    if favorites and profile["counters"]["orders"] >= MIN_ORDERS:
        favorite = favorites[0]
        words = (
            _("%(text)s; buys mostly %(category)s")
            if favorite["share"] >= MOSTLY
            else _("%(text)s; buys %(category)s most often")
        )
        text = words % {"text": text, "category": favorite["name"]}
    return _("%(text)s.") % {"text": text}


def _describe_orders(profile: Mapping[str, Any]) -> str:
    counters, stage, gaps = profile["counters"], profile["stage"]["key"], profile["gaps"]
    who, first, last = WHO[stage], counters["first_order_at"], counters["last_order_at"]
    orders: int = counters["orders"]
    if not orders or first is None or last is None:
        return _("%(who)s without an order so far") % {"who": who}
    values = {
        "who": who,
        "orders": number_format(orders, force_grouping=True),
        "since": date_format(localtime(first), "YEAR_MONTH_FORMAT"),
        "until": date_format(localtime(last), "YEAR_MONTH_FORMAT"),
        "day": format_full_day(localtime(first).date()),
        "every": _describe_interval(gaps.usual_days) if gaps else "",
    }
    if orders == 1:
        return _("%(who)s whose only order was on %(day)s") % values
    if stage in LEFT_STAGES:
        return _("%(who)s with %(orders)s orders, the first in %(since)s and the last in %(until)s") % values
    if gaps is None or not gaps.own_gaps:
        return _("%(who)s with %(orders)s orders since %(since)s") % values
    return _("%(who)s with %(orders)s orders since %(since)s who usually orders %(every)s") % values


def describe_order_times(order_times: Sequence[datetime]) -> str:
    """Return the weekday and part of the day of most orders; "" where there is none."""
    if len(order_times) < MIN_ORDERS:
        return ""
    local = [localtime(moment) for moment in order_times]
    weekday = np.array([moment.weekday() for moment in local])
    part = np.array(
        [-1 if (moment.hour, moment.minute) == MIDNIGHT else moment.hour // HOURS_OF_PART for moment in local]
    )
    day, most_days = _find_most_frequent(weekday)
    hours, most_hours = _find_most_frequent(part)
    both = day >= 0 and hours >= 0 and np.mean((weekday == day) & (part == hours)) >= MOSTLY
    if both:
        return _("%(weekday)s %(part)s") % {"weekday": ON_WEEKDAYS[day], "part": IN_PARTS_OF_DAY[hours]}
    if max(most_days, most_hours) < MOSTLY:
        return ""
    return str(IN_PARTS_OF_DAY[hours] if most_hours >= most_days else ON_WEEKDAYS[day])


def _find_most_frequent(codes: "np.ndarray") -> tuple[int, float]:
    """Return the most frequent code and its share of all codes; (−1, 0) without a known code."""
    counts = np.bincount(codes[codes >= 0]) if (codes >= 0).any() else np.zeros(0, np.int64)
    return (int(counts.argmax()), float(counts.max() / len(codes))) if len(counts) else (-1, 0.0)


def _describe_position(profile: Mapping[str, Any]) -> str:
    """Return the stage of the customer and the reason."""
    stage, gaps, missing_since = profile["stage"], profile["gaps"], profile["orders_missing_since"]
    values = {"stage": _capitalize(stage["name"]), "reason": stage["reason_name"]}
    if not profile["counters"]["orders"] or gaps is None:
        if not stage["since"] or not stage["reason_name"]:
            return _("%(text)s.") % {"text": values["stage"]}
        values["day"] = format_full_day(localtime(stage["since"]).date())
        return _("%(stage)s since %(day)s: %(reason)s.") % values
    text = _describe_gap(stage["key"], values["stage"], gaps)
    if missing_since is None:
        return _("%(text)s.") % {"text": text}
    return _("%(text)s; this may be out of date, because orders of the whole shop have been overdue since %(day)s.") % {
        "text": text,
        "day": format_full_day(localtime(missing_since).date()),
    }


def _describe_gap(stage: str, stage_name: str, gaps: GapSummary) -> str:
    """Return how the time since the last order compares with the usual gap."""
    # compares the numbers of the sentence: 1.4 days and 1.1 days are both shown as 1 day
    is_later = int(gaps.days) > max(round(gaps.usual_days), 1)
    is_good, is_late = stage in GOOD_STAGES, is_later and gaps.longer_share <= LATE_SHARE
    values = {
        "stage": stage_name,
        "since": _describe_days(gaps.days, whole=True),
        "usual": _describe_days(gaps.usual_days),
        "n": number_format(round_odds(gaps.longer_share), force_grouping=True),
    }
    if not gaps.own_gaps:
        compared = _(
            "the only day with an order was %(since)s ago; customers who order again usually do so after %(usual)s"
        )
    elif gaps.longer_share > USUAL_SHARE or (is_good and not is_late):
        compared = _("the last order was %(since)s ago, and the usual gap is %(usual)s")
    elif gaps.longer_share * MAX_ODDS < 1.0:
        compared = _(
            "the last order was %(since)s ago, the usual gap is %(usual)s, and fewer than 1 in %(n)s gaps are that long"
        )
    else:
        compared = _(
            "the last order was %(since)s ago, the usual gap is %(usual)s, and only about 1 in %(n)s gaps is that long"
        )
    values["why"] = compared % values
    if is_good and (gaps.longer_share > USUAL_SHARE or not is_later):
        return _("%(stage)s and on time: %(why)s") % values
    if is_good and is_late:
        return _("%(stage)s, but later than usual: %(why)s") % values
    return _("%(stage)s: %(why)s") % values


def _describe_action(profile: Mapping[str, Any], granted: Collection[str] | None, as_of: datetime) -> str:
    """Return what to do next, on a channel with consent."""
    stage, orders = profile["stage"]["key"], profile["counters"]["orders"]
    if profile["orders_missing_since"] is not None:
        return _("check the order import before you message this customer.")
    if granted is not None and not set(granted) & set(CHANNELS):
        return _describe_action_without_message(stage, orders)
    channel = next((str(name) for key, name in CHANNELS.items() if granted and key in granted), "")
    values = {"channel": channel or _("if the customer has consented")}
    if not orders:
        return _("send a welcome message with popular products %(channel)s.") % values
    if stage in LEFT_STAGES:
        return _("send a win-back offer %(channel)s.") % values
    churn = next((row for row in profile["propensities"] if row["key"] == ScoreModel.Kind.CHURN), None)
    risk = churn["probability"] if churn else None
    if churn and risk is not None and churn["horizon_days"]:
        values |= {
            "horizon": _describe_days(churn["horizon_days"], whole=True),
            "churn": format_whole_percent(risk),
            "again": format_whole_percent(1 - risk),
        }
    if stage == Stage.AT_RISK:
        if risk is None or risk >= LIKELY or "again" not in values:
            return _("send a win-back message %(channel)s.") % values
        return (
            _(
                "send a reminder without a discount %(channel)s; %(again)s of customers with a similar history order again "
                "within %(horizon)s."
            )
            % values
        )
    if risk is not None and risk >= LIKELY and "churn" in values:
        return (
            _(
                "send a reminder %(channel)s; %(churn)s of customers with a similar history do not order within %(horizon)s."
            )
            % values
        )
    return _describe_action_on_time(profile, as_of)


def _describe_action_without_message(stage: str, orders: int) -> str:
    if not orders:
        return _("show popular products on the next visit and ask for consent to messages.")
    if stage in GOOD_STAGES:
        return _("show Buy again on the next visit. Messages are not possible without consent to email, push or SMS.")
    return _(
        "show a personal offer on the next visit. Messages are not possible without consent to email, push or SMS."
    )


def _describe_action_on_time(profile: Mapping[str, Any], as_of: datetime) -> str:
    if profile["counters"]["orders"] == 1:
        return _("recommend products for a second order on the next visit; no message needed yet.")
    likeliest = profile["next_order"]["likeliest"]
    if likeliest is None or likeliest < localdate(as_of):
        return _("show Buy again on the next visit; no message needed.")
    return _("show Buy again on the next visit; no message needed, the next order is likely around %(day)s.") % {
        "day": format_full_day(likeliest)
    }


def _describe_days(days: float, *, whole: bool = False) -> str:
    """Return a number of days in words: 1 day, 12 days. whole: only full days count; else it is at least 1 day."""
    number = max(int(days), 0) if whole else max(round(days), 1)
    if number == 0:
        return _("less than a day")
    return ngettext("%(n)s day", "%(n)s days", number) % {"n": number_format(number, force_grouping=True)}


def _describe_interval(days: float) -> str:
    number = max(round(days), 1)
    if number == 1:  # not a plural form: Chinese has one form only, and "every 1 days" is wrong in both languages
        return pgettext("orders", "every day")
    return pgettext("orders", "every %(every)d days") % {"every": number}


def _capitalize(text: str) -> str:
    return text[:1].upper() + text[1:]
