"""The tables of a comparison: measures, guard metrics, breakdown and attribution."""

from collections.abc import Callable, Mapping
from typing import Any

from babel import Locale, UnknownLocaleError
from django.utils.text import capfirst
from django.utils.translation import get_language, ngettext, to_locale
from django.utils.translation import gettext as _

from config.foundation.number_formats import (
    format_count,
    format_decimals,
    format_money,
    format_percent,
    format_whole_money,
)
from customers.lifecycle.models import RfmGroup, Stage
from recommendations.measurement.attribution import RecommendedSales
from recommendations.measurement.comparison import GroupComparison
from recommendations.measurement.guards import Guard, GuardComparison, GuardVerdict
from recommendations.measurement.measures import MeasureComparison
from recommendations.measurement.presentation.formats import (
    format_interval,
    format_points,
    format_signed,
    format_signed_money,
    format_signed_percent,
)
from recommendations.measurement.presentation.sentences import describe_margin_basis, describe_removed

GUARD_KINDS = {GuardVerdict.HARM: "warns", GuardVerdict.NO_HARM: "good", GuardVerdict.TOO_FEW: "neutral"}


def build_comparison_context(
    comparison: GroupComparison, currency: str, *, recommended: RecommendedSales | None = None, days: int = 0
) -> dict[str, Any]:
    """Return the context of the template ``measurement/comparison.html``.

    recommended: what is attributed to recommended products of the messages. days: the attribution window.
    """
    return {
        "comparison": comparison,
        "measures": build_measures(comparison, currency),
        "guards": [build_guard(guard) for guard in comparison.guards],
        "breakdown": build_breakdown(comparison, currency),
        "attribution": build_attribution(comparison, currency),
        "recommended": build_recommended(recommended, currency) if recommended is not None else [],
        "attribution_note": describe_window(days),
        "notes": [text for text in (describe_removed(comparison), describe_margin_basis(comparison)) if text],
        "checks": build_checks(comparison, currency),
    }


def build_measures(comparison: GroupComparison, currency: str) -> list[dict[str, str]]:
    """Return the rows of the comparison: per customer in both groups, the effect, and its total for all recipients."""

    def money(value: float) -> str:
        return format_signed_money(value, currency, exact=True)

    def whole_money(value: float) -> str:
        return format_signed_money(value, currency)

    def count(value: float) -> str:
        return format_signed(value, 0)

    def decimals(value: float) -> str:
        return format_signed(value, 3)

    rows = [
        {
            "label": _("Customers"),
            "treated": format_count(comparison.treated.customers),
            "control": format_count(comparison.control.customers),
        }
    ]
    measures: list[tuple[str, MeasureComparison | None, Callable[[float], str], Any, Any]] = [
        (_("Conversion rate"), comparison.conversion, lambda value: format_percent(value, 2), format_points, count),
        (_("Orders per customer"), comparison.orders, lambda value: format_decimals(value, 3), decimals, count),
        (
            _("Revenue per customer"),
            comparison.revenue,
            lambda value: format_money(value, currency),
            money,
            whole_money,
        ),
        (_("Margin per customer"), comparison.margin, lambda value: format_money(value, currency), money, whole_money),
    ]
    for label, measure, form, form_effect, form_total in measures:
        if measure is not None:
            rows.append(
                {
                    "label": label,
                    "treated": form(measure.treated),
                    "control": form(measure.control),
                    "effect": form_effect(measure.effect.value),
                    "interval": format_interval(measure.effect, form_effect),
                    "relative": format_signed_percent(measure.relative.value) if measure.relative else "",
                    "relative_interval": format_interval(measure.relative, format_signed_percent)
                    if measure.relative
                    else "",
                    "total": form_total(measure.total.value),
                    "total_interval": format_interval(measure.total, form_total),
                }
            )
    return rows


def build_checks(comparison: GroupComparison, currency: str) -> list[dict[str, str]]:
    """Return the intervals of the revenue per customer by other methods."""
    measure = comparison.revenue
    if measure is None:
        return []

    def money(value: float) -> str:
        return format_signed_money(value, currency, exact=True)

    rows = [
        (_("Adjusted for earlier orders (CUPED), one look"), measure.adjusted),
        (_("Adjusted for earlier orders (CUPED), any number of looks"), measure.sequential),
        (_("Not adjusted, one look"), measure.difference),
    ]
    if measure.bootstrap is not None:
        rows.append((_("Not adjusted (bootstrap)"), measure.bootstrap))
    return [
        {"label": label, "value": money(interval.value), "interval": format_interval(interval, money)}
        for label, interval in rows
    ]


def build_guard(guard: GuardComparison) -> dict[str, str]:
    labels = {
        Guard.WITHDRAWALS: _("Consent withdrawn"),
        Guard.COMPLAINTS: _("Spam complaints per message"),
        Guard.RETURNS: _("Returns per order"),
    }
    verdicts = {
        GuardVerdict.HARM: _("harm shown"),
        GuardVerdict.NO_HARM: _("no harm shown"),
        GuardVerdict.TOO_FEW: _("too few to tell"),
    }
    return {
        "label": labels[guard.guard],
        "treated": format_percent(guard.treated, 2),
        "control": "–" if guard.control is None else format_percent(guard.control, 2),
        "difference": format_points(guard.difference.value),
        "interval": format_interval(guard.difference, format_points),
        "verdict": verdicts[guard.verdict],
        "kind": GUARD_KINDS[guard.verdict],
    }


def build_breakdown(comparison: GroupComparison, currency: str) -> list[dict[str, Any]]:
    """Return the parts by dimension, the largest first."""

    def money(value: float) -> str:
        return format_signed_money(value, currency, exact=True)

    names: Mapping[str, tuple[str, Mapping[str, Any]]] = {
        "stage": (_("Lifecycle stage"), dict(Stage.choices)),
        "rfm_group": (_("RFM group"), dict(RfmGroup.choices)),
        "language": (_("Language"), {}),
    }
    dimensions = []
    for dimension, (label, values) in names.items():
        parts = sorted(
            (part for part in comparison.parts if part.dimension == dimension),
            key=lambda part: -part.treated_customers,
        )
        if len(parts) > 1:
            rows = [
                {
                    "label": label_language(part.value)
                    if dimension == "language"
                    else capfirst(str(values.get(part.value, part.value))),
                    "customers": f"{format_count(part.treated_customers)} / {format_count(part.control_customers)}",
                    "treated": format_money(part.treated, currency),
                    "control": format_money(part.control, currency),
                    "effect": money(part.effect.value),
                    "interval": format_interval(part.effect, money),
                    "kind": "good" if part.effect.low > 0 else "warns" if part.effect.high < 0 else "",
                }
                for part in parts
            ]
            dimensions.append({"label": label, "rows": rows})
    return dimensions


def label_language(tag: str) -> str:
    """Return the name of a language such as en-US in the language of the page; an unknown tag as it is."""
    try:
        name = Locale.parse(tag, sep="-").get_display_name(to_locale(get_language() or "en"))
    except (UnknownLocaleError, ValueError):
        return tag
    return capfirst(name or tag)


def build_attribution(comparison: GroupComparison, currency: str) -> list[dict[str, str]]:
    """Return what is attributed to the messages, because it followed a click."""
    treated = comparison.treated
    if not treated.clicked:
        return []
    return [
        {"label": _("Customers who clicked"), "value": format_count(treated.clicked)},
        {"label": _("Orders after a click"), "value": format_count(treated.orders_after_click)},
        {"label": _("Revenue after a click"), "value": format_whole_money(treated.revenue_after_click, currency)},
    ]


def build_recommended(sales: RecommendedSales, currency: str) -> list[dict[str, str]]:
    """Return what is attributed to the products that the messages recommended."""
    if not sales.customers:
        return []
    return [
        {"label": _("Customers who got recommendations"), "value": format_count(sales.customers)},
        {"label": _("Customers who clicked a recommendation"), "value": format_count(sales.clicked)},
        {"label": _("Orders with a recommended product"), "value": format_count(sales.orders)},
        {"label": _("Revenue of recommended products"), "value": format_whole_money(sales.revenue, currency)},
    ]


def describe_window(days: int) -> str:
    """Return how long after a message orders are attributed to it."""
    if not days:
        return ""
    return ngettext("Attribution window: %(days)s day.", "Attribution window: %(days)s days.", days) % {
        "days": format_count(days)
    }
