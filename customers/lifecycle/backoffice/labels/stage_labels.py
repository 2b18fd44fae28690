"""The stage of one customer in words: how often they order, and how unusual their current gap is."""

from datetime import datetime

from django.utils.formats import date_format, number_format
from django.utils.text import capfirst
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from config.foundation.number_formats import format_whole_percent, join_sentences
from customers.lifecycle.scoring.stages.gap_summary import GapSummary

USUAL_SHARE = 0.4  # a gap is still usual if more than 40 % of the customer's gaps are longer
MAX_ODDS = 1000


def describe_gaps(gaps: GapSummary) -> str:
    """Return two sentences, and a third where the gap is unusual but too short for the stage rules."""
    text = _("%(usual)s; %(since)s. %(comparison)s") % {
        "usual": _describe_usual_gap(gaps),
        "since": _describe_days(gaps.days),
        "comparison": _describe_present_gap(gaps),
    }
    return join_sentences([text, _describe_floor(gaps)])


def describe_quantile_rules(*, days: float, active_days: float, dormant_days: float) -> str:
    """Return, for rules by quantiles, the time since the last order compared with the 75th and 90th percentile of the shop's gaps."""
    return _(
        "%(since)s. In this shop, three of four gaps between orders are at most %(active)s days long, and nine of ten at most "
        "%(dormant)s days; customers with enough orders are compared with their own gaps."
    ) % {
        "since": capfirst(_describe_days(days)),
        "active": number_format(round(active_days), force_grouping=True),
        "dormant": number_format(round(dormant_days), force_grouping=True),
    }


def describe_missing_orders(missing_since: datetime | None) -> str:
    """Return since when orders of the whole shop have been overdue, for any type of stage rules; "" if they are not."""
    if missing_since is None:
        return ""
    return _(
        "Orders for the whole shop have been overdue since %(day)s, so stages do not change over time at the moment."
    ) % {"day": date_format(localtime(missing_since), "DATE_FORMAT")}


def describe_guard(gaps: GapSummary) -> str:
    """Return why the customer is not dormant although the gap is long enough; "" if the guard of the stage rules does not apply."""
    if not gaps.guarded:
        return ""
    return _(
        "A gap this long would make them dormant, but according to the purchase model of the stage rules, their "
        "probability active is %(p_alive)s and their churn risk is only %(churn)s."
    ) % {"p_alive": format_whole_percent(gaps.p_alive), "churn": format_whole_percent(gaps.churn)}


def _describe_days(days: float) -> str:
    whole_days = max(int(days), 0)
    text = ngettext("%(days)s day since the last order", "%(days)s days since the last order", whole_days)
    return text % {"days": number_format(whole_days, force_grouping=True)}


def _describe_floor(gaps: GapSummary) -> str:
    """Return that nobody is at risk after so few days; "" if the gap is usual or long enough."""
    if gaps.longer_share > USUAL_SHARE or gaps.days >= gaps.floor_days:
        return ""
    text = ngettext(
        "Under the stage rules, no customer is at risk before %(days)s day without an order.",
        "Under the stage rules, no customer is at risk before %(days)s days without an order.",
        round(gaps.floor_days),
    )
    return text % {"days": number_format(round(gaps.floor_days), force_grouping=True)}


def _describe_usual_gap(gaps: GapSummary) -> str:
    usual = max(round(gaps.usual_days), 1)
    values = {"days": number_format(usual, force_grouping=True)}
    if gaps.own_gaps:
        # not plural forms: Chinese has one form only, which would say "every 1 days"
        return _("Usually orders every day") if usual == 1 else _("Usually orders every %(days)s days") % values
    text = ngettext(
        "Has ordered on one day; customers who order again usually do so after a day",
        "Has ordered on one day; customers who order again usually do so after %(days)s days",
        usual,
    )
    return text % values


def _describe_present_gap(gaps: GapSummary) -> str:
    if gaps.longer_share > USUAL_SHARE:
        return _("That is within the usual gap.")
    values = {"n": number_format(round_odds(gaps.longer_share), force_grouping=True)}
    if gaps.longer_share * MAX_ODDS < 1.0:
        return _("Fewer than 1 in %(n)s such gaps are that long.") % values
    if gaps.own_gaps:
        return _("Only about 1 in %(n)s of their gaps is that long.") % values
    return _("Only about 1 in %(n)s such gaps is that long.") % values


def round_odds(share: float) -> int:
    """Return the n of "1 in n", as a whole number up to 30 and rounded more coarsely above: 3, 12, 25, 200, at most 1,000."""
    odds = min(1.0 / max(share, 1.0 / MAX_ODDS), MAX_ODDS)
    step = 1 if odds < 30 else 10 if odds < 100 else 50 if odds < 500 else 100
    return round(odds / step) * step
