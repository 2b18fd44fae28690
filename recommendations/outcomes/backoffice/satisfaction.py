"""Satisfaction as the page shows it."""

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.backoffice.tables import Cell, Column
from config.foundation.charts.estimates import EstimateLine, build_estimate_lines
from config.foundation.charts.spec import ChartSpec
from config.foundation.number_formats import NO_VALUE, format_count, format_whole_percent, join_sentences
from customers.analytics.backoffice.results.view import ResultChart, ResultContext
from customers.analytics.outcomes.satisfaction import (
    CSAT,
    NPS,
    REVIEW,
    SatisfactionGroup,
    SatisfactionPeriod,
    SatisfactionResult,
)
from customers.feedback.analysis.satisfaction import SatisfactionEstimate
from customers.feedback.backoffice.texts import format_stars
from recommendations.outcomes.backoffice.labels import label_period
from recommendations.outcomes.backoffice.view import OutcomeView, get_unit, label, link, name_group

RATING_LIMITS = (0.8, 5.2)  # of the axis
COLUMNS = (
    Column(key="period", label=gettext_lazy("Period"), align="text"),
    Column(key="rating", label=gettext_lazy("Average rating")),
    Column(key="rating_low", label=gettext_lazy("1–2★")),
    Column(key="nps", label=gettext_lazy("NPS")),
    Column(key="nps_low", label=gettext_lazy("Detractors")),
    Column(key="csat", label=gettext_lazy("CSAT")),
    Column(key="csat_low", label=gettext_lazy("Not satisfied")),
)


def show_satisfaction(result: SatisfactionResult, context: ResultContext) -> OutcomeView:
    """Return the average rating, NPS and CSAT by period."""
    everyone = result.groups[0].periods
    if not any(count_answers(period) for period in everyone):
        return OutcomeView(
            "",
            empty=_(
                "No reviews and no answers to surveys in these periods. Import reviews, or send a survey link after delivery."
            ),
        )
    notes = [_("Only the opinions of customers who answered are known; the others may think differently.")]
    if context.parameters.split == "channel":
        notes.append(_("Feedback counts in the channel of the author's last order before it."))
    return OutcomeView(
        describe_satisfaction(everyone, context),
        [ResultChart("outcome-satisfaction", _("Average rating"), build_chart(result, context))],
        notes=notes,
        table_title=_("Rating, NPS and CSAT"),
        columns=COLUMNS,
        rows=[format_row(period, context) for period in reversed(everyone) if count_answers(period)],
    )


def count_answers(period: SatisfactionPeriod) -> int:
    return period.rating.answers + period.nps.answers + period.csat.answers


def describe_satisfaction(periods: Sequence[SatisfactionPeriod], context: ResultContext) -> str:
    """Return the three estimates of the latest complete period with feedback, or of the current one."""
    known = [period for period in periods if count_answers(period)]
    complete = [period for period in known if period.is_complete]
    shown = (complete or known)[-1]
    texts = []
    if shown.rating.answers:
        texts.append(_("average rating %(value)s") % {"value": format_estimate(shown.rating, REVIEW)})
    if shown.nps.answers:
        texts.append(_("NPS %(value)s") % {"value": format_estimate(shown.nps, NPS)})
    if shown.csat.answers:
        texts.append(_("CSAT %(value)s") % {"value": format_estimate(shown.csat, CSAT)})
    name = label_period(shown.start, get_unit(context))
    period = name if shown.is_complete else _("%(period)s so far") % {"period": name}
    sentence = _("%(period)s: %(figures)s.") % {"period": period, "figures": "; ".join(texts)}
    return join_sentences([sentence, _("The ranges are 95%% intervals.") % {}])


def format_estimate(estimate: SatisfactionEstimate, kind: str) -> str:
    """Return a value with its interval and the number of answers."""
    if estimate.value is None:
        return NO_VALUE
    form = FORMATS[kind]
    values = {"value": form(estimate.value), "count": format_count(estimate.answers)}
    if estimate.low is None or estimate.high is None:
        return _("%(value)s (%(count)s answers)") % values
    text = _("%(value)s (%(low)s to %(high)s, %(count)s answers)")
    return text % {**values, "low": form(estimate.low), "high": form(estimate.high)}


def format_nps(value: float) -> str:
    return f"{value:+.0f}".replace("-", "−").replace("+0", "0")


FORMATS = {REVIEW: format_stars, NPS: format_nps, CSAT: format_whole_percent}


def build_chart(result: SatisfactionResult, context: ResultContext) -> ChartSpec:
    """Return the average rating with its interval, of everyone or of each group."""
    everyone, *groups = result.groups
    first = next((number for number, period in enumerate(everyone.periods) if count_answers(period)), 0)
    return build_estimate_lines(
        periods=[label(period, context) for period in everyone.periods[first:]],
        lines=[build_line(group, first, context) for group in groups or [everyone]],
        period_title=_("Period"),
        value_title=_("Average rating"),
        limits=RATING_LIMITS,
    )


def build_line(group: SatisfactionGroup, first: int, context: ResultContext) -> EstimateLine:
    periods = group.periods[first:]
    return EstimateLine(
        name_group(group.group, context, _("Average rating")),
        [period.rating.value for period in periods],
        [format_estimate(period.rating, REVIEW) for period in periods],
        [link(context, period.start, period.rating.answers, group.group, kind=REVIEW) for period in periods],
        [period.rating.low for period in periods],
        [period.rating.high for period in periods],
    )


def format_row(period: SatisfactionPeriod, context: ResultContext) -> dict[str, Any]:
    """Return the cells of a period; the `_low` cells link to the customers who are not satisfied."""
    cells: dict[str, Any] = {"period": label(period, context)}
    for name, kind, estimate in (
        ("rating", REVIEW, period.rating),
        ("nps", NPS, period.nps),
        ("csat", CSAT, period.csat),
    ):
        url = link(context, period.start, estimate.answers, kind=kind)
        cells[name] = Cell(format_estimate(estimate, kind), url=url)
        low = link(context, period.start, estimate.answers, kind=kind, is_low=True)
        cells[f"{name}_low"] = Cell(_("Show"), url=low) if low else NO_VALUE
    return cells


def list_satisfaction_rows(result: SatisfactionResult, context: ResultContext) -> list[list[Any]]:
    """Return the rows of the CSV file."""
    rows: list[list[Any]] = [["group", "period", "is_complete", "measure", "answers", "value", "low", "high"]]
    for group in result.groups:
        for period in group.periods:
            for name, estimate in (("rating", period.rating), ("nps", period.nps), ("csat", period.csat)):
                rows.append(
                    [
                        *(name_group(group.group, context, ""), period.start.isoformat(), int(period.is_complete)),
                        *(name, estimate.answers, estimate.value, estimate.low, estimate.high),
                    ]
                )
    return rows
