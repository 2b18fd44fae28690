"""The results of an experiment in words."""

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from config.foundation.number_formats import format_change, format_count, format_decimals, format_money, join_sentences
from recommendations.experiments.members import compute_window
from recommendations.experiments.models import Experiment
from recommendations.experiments.results import (
    RETURNS,
    ExperimentResults,
    ExperimentVerdict,
    VariantMetric,
)
from recommendations.measurement.measures import FEW
from recommendations.measurement.presentation.formats import format_signed, format_signed_money

Metric = Experiment.Metric
METRIC_LABELS: dict[str, str | Promise] = {
    Metric.ORDERS: gettext_lazy("Orders per person"),
    Metric.REVENUE: gettext_lazy("Revenue per person"),
    Metric.MARGIN: gettext_lazy("Margin per person"),
    Metric.CLICKS: gettext_lazy("Clicks per person"),
    RETURNS: gettext_lazy("Returns per person"),
}
MONEY = (Metric.REVENUE, Metric.MARGIN)


def format_metric(metric: str, value: float, currency: str, *, is_signed: bool = False) -> str:
    """Return an amount of money, or a number of orders or clicks with about three significant digits."""
    if metric in MONEY:
        return format_signed_money(value, currency, exact=True) if is_signed else format_money(value, currency)
    digits = 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return format_signed(value, digits) if is_signed else format_decimals(value, digits)


def format_effect(metric: str, result: VariantMetric | None, currency: str) -> str:
    if result is None or result.effect is None:
        return ""
    return format_metric(metric, result.effect.value, currency, is_signed=True)


def format_interval(metric: str, result: VariantMetric | None, currency: str) -> str:
    if result is None or result.effect is None:
        return ""
    low, high = (
        format_metric(metric, bound, currency, is_signed=True) for bound in (result.effect.low, result.effect.high)
    )
    return _("%(low)s to %(high)s") % {"low": low, "high": high}


def format_relative(result: VariantMetric | None) -> str:
    return "" if result is None or result.relative is None else format_change(result.relative.value)


def ask_to_promote(experiment: Experiment, *, is_significant: bool) -> str:
    """Return the question that has to be confirmed before a variant is promoted."""
    doubt = ""
    if not is_significant:
        is_final = experiment.stopped_at is not None
        doubt = _("The result is not significant.") if is_final else _("The result is not significant yet.")
    return join_sentences([_("Apply this variant to everyone?"), doubt])


def get_verdict_kind(results: ExperimentResults) -> str:
    kinds = {
        ExperimentVerdict.BETTER: "good",
        ExperimentVerdict.UNEVEN_GROUPS: "warns",
        ExperimentVerdict.WORSE: "warns",
    }
    return kinds.get(results.verdict, "neutral")


def describe_wait(experiment: Experiment) -> str:
    """Return when the people of a running bandit are counted; "" for other experiments."""
    if experiment.method != Experiment.Method.BANDIT or experiment.stopped_at is not None:
        return ""
    days = compute_window(experiment).days
    text = ngettext(
        "People are counted %(days)s day after their first exposure.",
        "People are counted %(days)s days after their first exposure.",
        days,
    )
    return text % {"days": days}


def describe_results(experiment: Experiment, results: ExperimentResults, currency: str) -> str:
    """Return what the experiment has shown, in one sentence."""
    match results.verdict:
        case ExperimentVerdict.NOT_STARTED:
            return _("This experiment has not been started.")
        case ExperimentVerdict.UNEVEN_GROUPS:
            return _(
                "The group sizes do not match the shares of the variants (p < 0.001). Something other than chance decides who "
                "is counted, so the results cannot be trusted."
            )
        case ExperimentVerdict.TOO_FEW:
            few = _("Too few people to tell: %(count)s so far.")
            if experiment.stopped_at is not None:
                few = _("Too few people to tell: %(count)s in total.")
            return join_sentences([few % {"count": format_count(results.units)}, describe_wait(experiment)])
    best = results.get_best()
    metric = best.get_metric(experiment.metric) if best is not None else None
    if best is None or metric is None or metric.effect is None:
        return ""
    values = {
        "name": best.name,
        "metric": str(METRIC_LABELS[experiment.metric]),
        "effect": format_effect(experiment.metric, metric, currency),
        "interval": format_interval(experiment.metric, metric, currency),
    }
    if results.verdict == ExperimentVerdict.BETTER:
        return (
            _("“%(name)s” is better than the control. %(metric)s: %(effect)s (95%% interval: %(interval)s).") % values
        )
    if results.verdict == ExperimentVerdict.WORSE:
        return _("No variant is better than the control. %(metric)s of “%(name)s”: %(effect)s (%(interval)s).") % values
    text = _(
        "Not clear yet whether “%(name)s” is better than the control. %(metric)s: %(effect)s (95%% interval: %(interval)s)."
    )
    if experiment.stopped_at is not None:
        text = _(
            "Not clear whether “%(name)s” is better than the control. %(metric)s: %(effect)s (95%% interval: %(interval)s)."
        )
    return join_sentences([text % values, describe_few_buyers(experiment, results)])


def describe_few_buyers(experiment: Experiment, results: ExperimentResults) -> str:
    """Return with which variant only FEW people have ordered; empty if there are more with each, or if the metric is clicks."""
    fewest = min(results.variants, key=lambda variant: variant.buyers)
    if experiment.metric == Metric.CLICKS or fewest.buyers >= FEW:
        return ""
    text = ngettext(
        "Only %(count)s person with “%(name)s” has ordered, which is too few to tell.",
        "Only %(count)s people with “%(name)s” have ordered, which is too few to tell.",
        fewest.buyers,
    )
    if not fewest.buyers:
        text = _("Nobody with “%(name)s” has ordered, so the effect is unknown.")
    return text % {"count": format_count(fewest.buyers), "name": fewest.name}
