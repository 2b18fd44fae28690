"""The texts of the page about the effects of marketing and recommendations."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from babel import dates
from django.utils.functional import Promise
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from config.foundation.number_formats import (
    format_change,
    format_count,
    format_day,
    format_full_day,
    format_percent,
    get_reader_locale,
    join_sentences,
)
from config.foundation.shop.profile import get_time_zone
from recommendations.measurement.comparison import ComparisonVerdict, GroupFigures
from recommendations.measurement.presentation.formats import format_interval, format_points, format_signed_money
from recommendations.sending.backoffice.holdout.sentences import SENTENCES
from recommendations.sending.global_holdout.report import HoldoutEffect, find_end
from recommendations.sending.models import GlobalHoldoutResult

DAY = timedelta(days=1)
MAX_WRITTEN = 0.01  # share of the holdout group that was sent marketing; above it, the page says so
VERDICTS: dict[ComparisonVerdict, str | Promise] = {
    ComparisonVerdict.NO_HOLDOUT: gettext_lazy("nobody to compare with"),
    ComparisonVerdict.UNEVEN_GROUPS: gettext_lazy("groups are uneven"),
    ComparisonVerdict.INCREASE: gettext_lazy("increase"),
    ComparisonVerdict.DECREASE: gettext_lazy("decrease"),
    ComparisonVerdict.NO_EFFECT: gettext_lazy("no effect found"),
    ComparisonVerdict.TOO_FEW: gettext_lazy("too few to tell"),
}


def format_month(month: date) -> str:
    """Return a month with its year: Nov 2026, 2026年11月."""
    return dates.format_skeleton("yMMM", month, locale=get_reader_locale())


def format_revenue(effect: HoldoutEffect) -> Callable[[float], str]:
    """Return the format of amounts of this effect."""
    return lambda value: format_signed_money(value, effect.currency)


def describe_effect(effect: HoldoutEffect) -> str:
    """Return the headline: what was caused since the holdout group began, in money and with its interval."""
    sentences, revenue = SENTENCES[effect.subject], effect.comparison.revenue
    if effect.verdict == ComparisonVerdict.NO_HOLDOUT or revenue is None:
        return str(sentences.nobody)
    if effect.verdict == ComparisonVerdict.UNEVEN_GROUPS:
        return str(sentences.uneven)
    if not effect.is_readable:
        return str(sentences.few_orders)
    money = format_revenue(effect)
    values = {
        "start": format_full_day(localtime(effect.since).date()),
        "amount": money(revenue.total.value).lstrip("+−"),
        "interval": format_interval(revenue.total, money),
    }
    if effect.verdict == ComparisonVerdict.INCREASE:
        return join_sentences([str(sentences.increase % values), describe_relative(effect)])
    if effect.verdict == ComparisonVerdict.DECREASE:
        return str(sentences.decrease % values)
    if effect.verdict == ComparisonVerdict.NO_EFFECT:
        return str(sentences.no_effect % values)
    return join_sentences([str(sentences.too_few % values), describe_needs(effect)])


def describe_relative(effect: HoldoutEffect) -> str:
    """Return the relative lift of the revenue per customer in a sentence."""
    relative = effect.comparison.revenue.relative if effect.comparison.revenue else None
    if relative is None:
        return ""
    return _("That is %(lift)s per customer.") % {"lift": format_change(relative.value)}


def describe_needs(effect: HoldoutEffect) -> str:
    """Return how long it takes to show a difference of 10%."""
    months = effect.needed_months
    if not months or effect.needed_customers is None:
        return ""
    if months > 120:
        return (
            _(
                "With so few customers in the holdout group, a difference of 10%% could not be detected within ten years."
            )
            % {}
        )
    return ngettext(
        "A difference of 10%% could be detected after about %(count)s month, or in the same time with %(customers)s customers.",
        "A difference of 10%% could be detected after about %(count)s months, or in the same time with %(customers)s customers.",
        months,
    ) % {"count": format_count(months), "customers": format_count(round_customers(effect.needed_customers))}


def round_customers(number: int) -> int:
    """Return a number rounded to two digits, because the estimate is no more precise."""
    digits = len(str(number)) - 2
    return round(number, -digits) if digits > 0 else number


def describe_cost(effect: HoldoutEffect) -> str:
    """Return a sentence about what the holdout group has cost."""
    if effect.cost is None:
        return ""
    money = format_revenue(effect)
    values = {
        "amount": money(effect.cost.value).lstrip("+−"),
        "interval": format_interval(effect.cost, money),
        "customers": format_count(effect.holdout.moments.n),
    }
    sentences = SENTENCES[effect.subject]
    return str((sentences.cost if effect.cost.low > 0 else sentences.unclear_cost) % values)


def build_figures(effect: HoldoutEffect) -> list[dict[str, Any]]:
    """Return the figures of the whole time."""
    comparison = effect.comparison
    figures = [
        {
            "label": str(SENTENCES[effect.subject].group),
            "value": format_count(comparison.treated.customers),
            "note": describe_written(effect, effect.treated.written, comparison.treated.customers),
        },
        {
            "label": _("Holdout group"),
            "value": format_count(comparison.control.customers),
            "note": describe_written(effect, effect.holdout.written, comparison.control.customers),
        },
    ]
    for label, measure in (
        (_("Additional revenue"), comparison.revenue),
        (_("Additional margin"), comparison.margin),
        (_("Additional orders"), comparison.orders),
    ):
        if measure is not None and effect.is_readable:
            is_count = measure is comparison.orders
            form = format_signed_count if is_count else format_revenue(effect)
            figures.append(
                {
                    "label": label,
                    "value": form(measure.total.value),
                    "note": _("95%% interval: %(interval)s") % {"interval": format_interval(measure.total, form)},
                }
            )
    return figures


def describe_written(effect: HoldoutEffect, written: int, customers: int) -> str:
    """Return how many customers of a group were sent marketing."""
    if not customers or effect.subject != GlobalHoldoutResult.Subject.MARKETING:
        return ""
    return _("%(share)s were sent a message") % {"share": format_percent(written / customers)}


def format_signed_count(value: float) -> str:
    text = format_count(round(abs(value)))
    return f"+{text}" if round(value) > 0 else f"−{text}" if round(value) < 0 else text


def format_month_row(effect: HoldoutEffect) -> dict[str, Any]:
    """Return the cells of a month."""
    comparison = effect.comparison
    money = format_revenue(effect)
    cells: dict[str, Any] = {
        "month": label_month(effect),
        "verdict": VERDICTS.get(effect.verdict, ""),
        "rate": describe_rate(comparison.treated),
        "holdout_rate": describe_rate(comparison.control),
    }
    if effect.is_readable and comparison.conversion and comparison.revenue:
        exact = lambda value: format_signed_money(value, effect.currency, exact=True)  # noqa: E731 — a format
        cells |= {
            "points": format_points(comparison.conversion.effect.value),
            "per_customer": exact(comparison.revenue.effect.value),
            "revenue": money(comparison.revenue.total.value),
            "interval": format_interval(comparison.revenue.total, money),
        }
    return cells


def describe_rate(figures: GroupFigures) -> str:
    """Return the share of a group that ordered, and its size."""
    return _("%(share)s of %(customers)s") % {
        "share": format_percent(figures.conversion_rate),
        "customers": format_count(figures.customers),
    }


def describe_contact(effect: HoldoutEffect) -> str:
    """Return a warning if marketing reached more than a few customers of the holdout group."""
    customers = effect.holdout.moments.n
    if not customers or effect.holdout.written / customers <= MAX_WRITTEN:
        return ""
    return _(
        "%(share)s of the holdout group were sent marketing anyway, for example customers who had two accounts. The "
        "true effect is larger than the one shown."
    ) % {"share": format_percent(effect.holdout.written / customers)}


def label_month(effect: HoldoutEffect) -> str:
    """Return the name of a month; the current one is marked "so far", and a partial month shows its days."""
    assert effect.month is not None
    name = format_month(effect.month)
    if effect.is_part and not effect.is_running:
        first, last = (localtime(at, get_time_zone()).date() for at in (effect.since, effect.until))
        return _("%(month)s, %(first)s to %(last)s") % {
            "month": name,
            "first": format_day(first),
            "last": format_day(last if effect.until < find_end(effect.month) else last - DAY),
        }
    return _("%(month)s so far") % {"month": name} if effect.is_running else name
