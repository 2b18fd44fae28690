"""The sentences and formats of the pages of feedback."""

from collections.abc import Sequence

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from catalog.categories import format_path
from config.foundation.number_formats import (
    format_count,
    format_count_change,
    format_percent,
    format_whole_percent,
    join_list,
    join_sentences,
)
from customers.feedback.analysis.categories import RatedCategory
from customers.feedback.analysis.products import RatedProduct
from customers.feedback.analysis.ratings import Ratings
from customers.feedback.analysis.repeat_orders import MIN_REVIEWERS, RepeatOrderEffect
from customers.feedback.analysis.satisfaction import SatisfactionEstimate
from customers.feedback.phrases.log_odds import DistinctivePhrase


def format_stars(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}★"


def format_points(value: float) -> str:
    """Return a difference of shares in percentage points, such as +2.5."""
    return f"{round(100 * value, 1) or 0.0:+.1f}".replace("-", "−")


def describe_ratings(ratings: Ratings, worst: Sequence[RatedProduct]) -> str:
    """Return the sentence at the top of the overview."""
    if not ratings.count:
        return _("No reviews in this period.")
    sentence = ngettext(
        "%(average)s on average in %(count)s review; %(share)s have 1–2★.",
        "%(average)s on average in %(count)s reviews; %(share)s have 1–2★.",
        ratings.count,
    ) % {
        "average": format_stars(ratings.average),
        "count": format_count(ratings.count),
        "share": format_whole_percent(ratings.low / ratings.count),
    }
    if worst and worst[0].low:
        return join_sentences([sentence, describe_worst(worst[0])])
    return sentence


def describe_worst(rated: RatedProduct | RatedCategory) -> str:
    name = rated.title if isinstance(rated, RatedProduct) else format_path(rated.path)
    values = {"product": name, "average": format_stars(rated.average)}
    if rated.reasons:
        return _("Worst rated: %(product)s (%(average)s); typical words: %(reasons)s.") % {
            **values,
            "reasons": format_reasons(rated.reasons),
        }
    return _("Worst rated: %(product)s (%(average)s).") % values


def format_reasons(phrases: Sequence[DistinctivePhrase]) -> str:
    """Return phrases as a text; they are quoted as customers wrote them."""
    return join_list(f"“{phrase.text}”" for phrase in phrases)


def describe_estimate(estimate: SatisfactionEstimate, *, is_share: bool) -> str:
    """Return the interval and the number of answers of a figure."""
    if estimate.low is None or estimate.high is None:
        return _("no answers")
    low, high = (
        (format_whole_percent(estimate.low), format_whole_percent(estimate.high))
        if is_share
        else (format_count_change(round(estimate.low)), format_count_change(round(estimate.high)))
    )
    return ngettext(
        "95%% interval %(low)s to %(high)s, %(count)s answer",
        "95%% interval %(low)s to %(high)s, %(count)s answers",
        estimate.answers,
    ) % {"low": low, "high": high, "count": format_count(estimate.answers)}


def describe_effect(effect: RepeatOrderEffect) -> str:
    """Return what customers did after bad and after good reviews."""
    if effect.difference is None or effect.interval_low is None or effect.interval_high is None:
        return _(
            "Not enough reviews to compare: %(least)d customers with 1–2★ and %(least)d comparable ones with 4–5★ are needed; "
            "there are %(low)s and %(high)s."
        ) % {"least": MIN_REVIEWERS, "low": format_count(effect.low), "high": format_count(effect.high)}
    sentence = _(
        "%(low_share)s of the %(low)s customers who gave 1–2★ ordered again within %(days)d days, compared with "
        "%(high_share)s of similar customers who gave 4–5★."
    ) % {
        "low": format_count(effect.low),
        "days": effect.horizon_days,
        "low_share": format_percent(effect.low_share),
        "high_share": format_percent(effect.high_share),
    }
    interval = {
        "difference": format_points(effect.difference),
        "from": format_points(effect.interval_low),
        "to": format_points(effect.interval_high),
    }
    if effect.interval_low <= 0 <= effect.interval_high:
        return (
            f"{sentence} "
            + _("The difference of %(difference)s percentage points (95%% interval %(from)s to %(to)s) may be chance.")
            % interval
        )
    return (
        f"{sentence} "
        + _("The difference is %(difference)s percentage points (95%% interval %(from)s to %(to)s).") % interval
    )
