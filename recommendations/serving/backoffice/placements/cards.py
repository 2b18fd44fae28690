"""The cards of the placements page: state, one sentence, figures of whole days, and products."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils.functional import Promise
from django.utils.timezone import localdate
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from config.foundation.number_formats import (
    format_count,
    format_full_day,
    format_percent,
    format_whole_money,
    join_sentences,
)
from config.foundation.shop.profile import get_time_zone
from config.foundation.statistics import compute_change
from recommendations.engine.placements import PLACEMENTS
from recommendations.placement_labels import get_placement_label
from recommendations.serving.backoffice.placements.samples import PlacementSample
from recommendations.serving.backoffice.placements.states import FallbackCause, PlacementState, ServedBy
from recommendations.serving.impressions.comparison import FiguresComparison
from recommendations.serving.pipeline.candidates import NONE_LEFT

STATE_LABELS: dict[ServedBy, tuple[str | Promise, str]] = {
    ServedBy.MODEL: (gettext_lazy("Model"), "good"),
    ServedBy.FACTS: (gettext_lazy("On, needs no model"), "good"),
    ServedBy.FALLBACK: (gettext_lazy("Fallback"), "warns"),
    ServedBy.OFF: (gettext_lazy("Off"), "neutral"),
}


@dataclass(frozen=True)
class PlacementCard:
    """A placement on the page. state_kind: the kind of its badge."""

    placement: str
    label: str
    state_label: str | Promise
    state_kind: str
    since: str
    sentence: str
    figures: list[dict[str, Any]]
    sample: PlacementSample
    sample_label: str
    is_requested: bool


def build_card(
    state: PlacementState,
    comparison: FiguresComparison | None,
    sample: PlacementSample,
    *,
    is_requested_today: bool = False,
) -> PlacementCard:
    label, kind = STATE_LABELS[find_actual_source(state, sample)]
    return PlacementCard(
        placement=state.placement,
        label=get_placement_label(state.placement),
        state_label=label,
        state_kind=kind,
        since=describe_since(state),
        sentence=join_sentences((describe_state(state, sample), describe_result(comparison, is_requested_today))),
        figures=format_figures(comparison) if comparison is not None else [],
        sample=sample,
        sample_label=describe_sample(sample),
        is_requested=is_requested_today or (comparison is not None and comparison.now.shown > 0),
    )


def find_actual_source(state: PlacementState, sample: PlacementSample) -> ServedBy:
    """Return what fills the placement; this is the fallback, too, if the placement has nothing to show to anyone."""
    is_empty = bool(sample.fallback) and not sample.is_for_customer and sample.start is None
    return ServedBy.FALLBACK if is_empty and state.served_by != ServedBy.OFF else state.served_by


def describe_since(state: PlacementState) -> str:
    if state.since is None:
        return ""
    return _("since %(day)s") % {"day": format_full_day(localdate(state.since, get_time_zone()))}


def describe_state(state: PlacementState, sample: PlacementSample) -> str:
    """Return the sentence on what is shown instead; empty if the placement shows its own products."""
    values = {"fallback": get_placement_label(state.fallback)}
    if state.served_by == ServedBy.OFF:
        return _("You turned it off: “%(fallback)s” is shown instead.") % values
    if state.cause == FallbackCause.NO_MODEL:
        return _("No model has been trained yet, so the newest products are shown.")
    if state.cause == FallbackCause.LOADING:
        return _("The web server has just started and is loading the model. Reload this page in a minute.")
    if state.cause == FallbackCause.NOT_EVALUATED and was_skipped(state):
        return (
            _("“%(fallback)s” is shown instead: the last training had no time to evaluate this placement. Train again.")
            % values
        )
    if state.cause == FallbackCause.NOT_EVALUATED:
        return _("“%(fallback)s” is shown instead: there is not enough data to evaluate this placement.") % values
    if state.cause == FallbackCause.NOT_BETTER:
        return describe_evaluation(state)
    if sample.fallback:
        values = {"fallback": get_placement_label(sample.fallback)}
        if sample.is_for_customer and sample.fallback_reason != NONE_LEFT:
            return _("Too little is known about this customer, so “%(fallback)s” is shown.") % values
        if state.cause == FallbackCause.NO_PUBLICATION_DATES:
            text = _(
                "No product has a publication date, so “%(fallback)s” is shown. Send published_at with the products."
            )
            return text % values
        return _("It has nothing to show at the moment, so “%(fallback)s” is shown.") % values
    return ""


def describe_evaluation(state: PlacementState) -> str:
    """Return the sentence on a placement that the evaluation found no better than its usual fallback, which may be off itself."""
    compared = PLACEMENTS[state.placement].fallback or state.fallback
    values = {"fallback": get_placement_label(state.fallback), "compared": get_placement_label(compared)}
    if compared == state.fallback:
        return _("“%(fallback)s” is shown instead: in the evaluation, this placement was not better than it.") % values
    return (
        _("“%(fallback)s” is shown instead: in the evaluation, this placement was not better than “%(compared)s”.")
        % values
    )


def was_skipped(state: PlacementState) -> bool:
    """Return whether the training that made the active model had no time left for the placement."""
    reason = (state.evaluation or {}).get("why") or {}
    return reason.get("code") == "place_no_time"


def describe_result(comparison: FiguresComparison | None, is_requested_today: bool = False) -> str:
    """Return the sentence on what the placement earned, or on the step that is missing before it can earn anything."""
    if comparison is None or not comparison.now.shown:
        if is_requested_today:
            return describe_first_day()
        return _("Your shop did not request it in these 28 days.")
    now = comparison.now
    if now.orders:
        values = {
            "revenue": format_whole_money(comparison.revenue, comparison.currency),
            "orders": ngettext("%(number)s order", "%(number)s orders", now.orders)
            % {"number": format_count(now.orders)},
            "window": describe_window(),
        }
        return _("Earned %(revenue)s from %(orders)s %(window)s.") % values
    if now.clicked:
        return _("People click it, but no order followed %(window)s.") % {"window": describe_window()}
    return _("It is shown, but no clicks are recorded: send the recommendation_id of the response with your events.")


def describe_first_day() -> str:
    """Return the sentence on what was requested today and has no figures yet, because they are of whole days."""
    return _("Requested today. Figures appear tomorrow.")


def describe_window() -> str:
    """Return the attribution window in words, such as "within 7 days of an impression"."""
    days = settings.RECOMMEND_ATTRIBUTION_DAYS
    return ngettext("within %(days)d day of an impression", "within %(days)d days of an impression", days) % {
        "days": days
    }


def format_figures(comparison: FiguresComparison, *, is_total: bool = False) -> list[dict[str, Any]]:
    """Return impressions, click-through rate, orders and revenue with their changes. is_total: of all placements together."""
    now, before, currency = comparison.now, comparison.before, comparison.currency

    def build(label: str, value: Any, previous: Any, show: Any, note: str = "") -> dict[str, Any]:
        return {
            "label": label,
            "value": show(value),
            "change": compute_change(value, previous),
            "before": show(previous) if previous else "",
            "note": note,
        }

    def show_money(value: Any) -> str:
        return format_whole_money(value, currency) if currency else format_count(value)

    return [
        build(_("Impressions"), now.shown, before.shown if before else None, format_count),
        build(
            _("Click-through rate"),
            comparison.click_rate,
            comparison.click_rate_before,
            lambda rate: format_percent(rate, 2),
        ),
        build(
            _("Orders"),
            now.orders,
            before.orders if before else None,
            format_count,
            _("An order counts once in each placement that showed one of its products.") if is_total else "",
        ),
        build(_("Revenue"), comparison.revenue, comparison.revenue_before, show_money),
    ]


def describe_sample(sample: PlacementSample) -> str:
    """Return for which customer or product the example is."""
    if sample.start is not None:
        return _("Now, for %(title)s") % {"title": sample.start.title}
    if sample.is_for_customer:
        return _("Now, for a customer with a recent order")
    return _("Now, for every visitor")


def describe_all(
    cards: list[PlacementCard], total: FiguresComparison, comparisons: Mapping[str, FiguresComparison]
) -> str:
    """Return the sentence at the top of the page: what all placements earned, and which one earned most."""
    if not any(card.is_requested for card in cards):
        return _("Your shop has not requested recommendations in the last 28 days.")
    if not total.now.shown:
        return describe_first_day()
    if not total.revenue:
        return _("Recommendations are shown, but no orders were attributed to them in the last 28 days.")
    earned = {name: compared.now.revenue.get(total.currency, 0) for name, compared in comparisons.items()}
    best = max(earned, key=lambda name: earned[name])
    values = {
        "revenue": format_whole_money(total.revenue, total.currency),
        "window": describe_window(),
        "placement": get_placement_label(best),
    }
    if earned[best] > total.revenue / 2:
        text = _(
            "Recommendations earned %(revenue)s in the last 28 days from orders %(window)s, most of it in “%(placement)s”."
        )
    else:
        text = _(
            "Recommendations earned %(revenue)s in the last 28 days from orders %(window)s, more in “%(placement)s” than in any other "
            "placement."
        )
    return text % values
