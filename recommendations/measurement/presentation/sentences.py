"""What a comparison says, in sentences: what the messages earned, how sure that is, and what to do about too few customers."""

from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from config.foundation.number_formats import (
    format_count,
    format_decimals,
    format_percent,
    format_whole_money,
    join_sentences,
)
from recommendations.measurement.comparison import ComparisonVerdict, GroupComparison
from recommendations.measurement.detectability import Detectability
from recommendations.measurement.measures import FEW
from recommendations.measurement.presentation.formats import (
    format_interval,
    format_points,
    format_signed_money,
    format_signed_percent,
)

Verdict = ComparisonVerdict


def describe_comparison(comparison: GroupComparison, currency: str) -> str:
    """Return the headline: the additional revenue with its interval, in one to three sentences."""
    if comparison.verdict == Verdict.NO_RUNS:
        return _("Nothing has been sent yet.")
    if comparison.revenue is None and comparison.has_holdout:
        return _("Too few customers to compare: at least two are needed in each group.")
    if comparison.revenue is None:
        return _("There was no holdout group, so the effect of the message is unknown.")
    if comparison.verdict == Verdict.UNEVEN_GROUPS:
        return _(
            "The group sizes do not match the holdout share, and the mismatch is too large to be random. Customers were not "
            "assigned at random, so the difference is not the effect of the message."
        )
    if not comparison.treated.orders and not comparison.control.orders:
        sentences = [_("No customer of either group has ordered yet, so nothing can be said about the effect.")]
    else:
        sentences = [describe_revenue(comparison, currency)]
    if not comparison.is_final:
        sentences.append(describe_waiting(comparison))
    if comparison.verdict == Verdict.TOO_FEW and comparison.detectability is not None:
        sentences.append(describe_detectability(comparison, comparison.detectability, currency))
    return join_sentences(sentences)


def describe_revenue(comparison: GroupComparison, currency: str) -> str:
    """Return what was earned with the interval, without what follows from it."""
    assert comparison.revenue is not None
    total = comparison.revenue.total
    values = {
        "value": format_whole_money(abs(total.value), currency),
        "low": format_whole_money(min(abs(total.low), abs(total.high)), currency),
        "high": format_whole_money(max(abs(total.low), abs(total.high)), currency),
        "lowest": format_signed_money(total.low, currency),
        "highest": format_signed_money(total.high, currency),
        "interval": format_interval(total, lambda value: format_signed_money(value, currency)),
    }
    if comparison.verdict == Verdict.INCREASE:
        if comparison.is_final:
            text = _(
                "The messages brought in about %(value)s of additional revenue: between %(low)s and %(high)s (95%%)."
            )
        else:
            text = _(
                "So far, the messages have brought in about %(value)s of additional revenue: between %(low)s and %(high)s (95%%)."
            )
    elif comparison.verdict == Verdict.DECREASE:
        if comparison.is_final:
            text = _("The messages reduced revenue by about %(value)s: between %(low)s and %(high)s (95%%).")
        else:
            text = _(
                "So far, the messages have reduced revenue by about %(value)s: between %(low)s and %(high)s (95%%)."
            )
    elif comparison.verdict == Verdict.NO_EFFECT:
        text = _(
            "No effect found: the messages changed the revenue by %(interval)s (95%%), which is less than 10%% of it."
        )
    elif few := describe_few_buyers(comparison):
        text = join_sentences([few, _("The effect on revenue is between %(lowest)s and %(highest)s (95%%).")])
    else:
        text = _("Too few customers to tell: the effect on revenue is between %(lowest)s and %(highest)s (95%%).")
    return text % values


def describe_few_buyers(comparison: GroupComparison) -> str:
    """Return in which group only FEW customers have ordered; empty if there are more in both. The interval is wide then."""
    held_out, recipients = comparison.control.buyers, comparison.treated.buyers
    if min(held_out, recipients) >= FEW:
        return ""
    if held_out <= recipients:
        text = ngettext(
            "Too few orders to tell: only %(count)s customer in the holdout group has ordered.",
            "Too few orders to tell: only %(count)s customers in the holdout group have ordered.",
            held_out,
        )
        none = _("Too few orders to tell: no customer in the holdout group has ordered.")
    else:
        text = ngettext(
            "Too few orders to tell: only %(count)s recipient has ordered.",
            "Too few orders to tell: only %(count)s recipients have ordered.",
            recipients,
        )
        none = _("Too few orders to tell: no recipient has ordered.")
    few = min(held_out, recipients)
    return text % {"count": format_count(few)} if few else none


def describe_waiting(comparison: GroupComparison) -> str:
    """Return when the result is final, and that it may be read before."""
    if comparison.final_at is None:
        return _("You can check the result every day: the interval accounts for repeated looks.")
    return _(
        "The result will be final on %(day)s. You can check it every day: the interval accounts for repeated looks."
    ) % {"day": date_format(localtime(comparison.final_at))}


def describe_detectability(comparison: GroupComparison, possible: Detectability, currency: str) -> str:
    """Return the smallest effect that could be shown, and when or with how many customers 10% could be."""
    text = _("The data so far is enough to detect an effect of %(smallest)s or more.") % {
        "smallest": format_whole_money(possible.total, currency)
        + (f" ({format_signed_percent(possible.relative)})" if possible.relative is not None else "")
    }
    if possible.wanted is None or possible.factor is None:
        return text
    if possible.possible_at is not None:
        day = date_format(localtime(possible.possible_at))
        wanted = _("An effect of 10%% can be detected from about %(day)s onward.") % {"day": day}
        return join_sentences([text, wanted])
    customers = round((comparison.treated.customers + comparison.control.customers) * possible.factor)
    digits = max(len(str(customers)) - 2, 0)
    wanted = _("It would take about %(customers)s customers with the same holdout share to show an effect of 10%%.")
    return join_sentences([text, wanted % {"customers": format_count(round(customers, -digits))}])


def describe_conversion(comparison: GroupComparison, goal: str) -> str:
    """Return how many customers reached the goal in both groups."""
    if comparison.conversion is None:
        return ""
    measure = comparison.conversion
    values = {
        "goal": goal,
        "rate": format_percent(measure.treated, 2),
        "holdout_rate": format_percent(measure.control, 2),
        "points": format_points(measure.effect.value),
        "interval": format_interval(measure.effect, format_points),
    }
    if measure.effect.value == measure.difference.value:
        text = _(
            "The goal (%(goal)s) was reached by %(rate)s of the recipients and %(holdout_rate)s of the holdout group: %(points)s percentage "
            "points (95%% interval %(interval)s)."
        )
    else:
        text = _(
            "The goal (%(goal)s) was reached by %(rate)s of the recipients and %(holdout_rate)s of the holdout group. Adjusted for what "
            "customers ordered before, the effect is %(points)s percentage points (95%% interval %(interval)s)."
        )
    return text % values


def describe_margin_basis(comparison: GroupComparison) -> str:
    """Return what the margin is computed from, or why there is none."""
    match comparison.margin_basis:
        case "costs":
            return _("The margin is the revenue without tax, shipping and the costs of the products.")
        case "setting":
            return _(
                "Too few products have a cost, so the margin is the revenue times the margin that is set for the shop."
            )
        case "unknown":
            return _(
                "The margin cannot be computed, because too few products have a cost. Import product costs to see it."
            )
    return ""


def describe_removed(comparison: GroupComparison) -> str:
    """Return how much the adjustment by earlier orders narrows the interval of the revenue."""
    if comparison.revenue is None or comparison.revenue.removed < 0.005:
        return ""
    removed = comparison.revenue.removed
    narrower = 1 - (1 - removed) ** 0.5
    text = _(
        "Earlier orders explain %(removed)s of the variance in revenue. Adjusting for them makes the interval "
        "%(narrower)s narrower, as if there were %(factor)s times as many customers."
    ) % {
        "removed": format_percent(removed, 0),
        "narrower": format_percent(narrower, 0),
        "factor": format_decimals(1 / (1 - removed), 1) if removed < 1 else "∞",
    }
    adjusted = _(
        "The effect is adjusted for what customers ordered before the start, so it can differ from the difference of the two means."
    )
    return join_sentences(
        [text, adjusted, _("The relative change is based on the adjusted mean of the control group.")]
    )
