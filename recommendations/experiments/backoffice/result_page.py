"""One experiment: what each variant did, how sure that is, and the buttons that stop it and promote a variant."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from config.foundation.number_formats import format_count, format_percent
from config.foundation.slow_figures import get_figures_soon
from customers.lifecycle.facts.amounts import get_amount_currency
from recommendations.experiments.backoffice.access import CHANGE, VIEW, get_experiment, may_promote, may_set_up
from recommendations.experiments.backoffice.list_page import BADGES
from recommendations.experiments.backoffice.preference_texts import (
    build_preference_figures,
    build_preference_rows,
    describe_preference,
)
from recommendations.experiments.backoffice.result_texts import (
    METRIC_LABELS,
    ask_to_promote,
    describe_results,
    format_effect,
    format_interval,
    format_metric,
    format_relative,
    get_verdict_kind,
)
from recommendations.experiments.editing import FINISHED
from recommendations.experiments.members import compute_window
from recommendations.experiments.methods.registry import measure_experiment
from recommendations.experiments.models import Experiment
from recommendations.experiments.results import (
    ExperimentResults,
    ExperimentVerdict,
    VariantResult,
)
from recommendations.experiments.subjects import describe_subject, find_subject
from recommendations.measurement.statistics.sample_ratio import SUSPICIOUS

COUNTING = gettext_lazy("The results are being computed. Reload the page in a moment.")


def show_experiment(request: HttpRequest, key: str) -> HttpResponse:
    """Show the results of an experiment; a draft has none, and is set up first."""
    check_permissions(request, VIEW)
    experiment, now = get_experiment(key), timezone.now()
    may_change = request.user.has_perm(CHANGE)
    if experiment.status == Experiment.Status.DRAFT and may_change and may_set_up(request, experiment.kind):
        return HttpResponseRedirect(reverse("experiments:draft", args=[key]))
    counted = read_results(experiment)
    results = counted if counted is not None else make_empty_results(now)
    subject = find_subject(experiment.kind)
    currency, preference = get_amount_currency(), results.preference
    return render_page(
        request,
        "admin/experiments/experiment.html",
        title=experiment.name,
        verdict=describe_verdict(experiment, results, currency) if counted is not None else str(COUNTING),
        as_of=results.as_of,
        experiment=experiment,
        badge=BADGES[experiment.status],
        subject=describe_subject(experiment.kind, experiment.subject),
        elapsed=describe_elapsed(experiment, results, now),
        kind=get_verdict_kind(results),
        is_uneven=results.sample_ratio_p < SUSPICIOUS,
        figures=build_figures(experiment, results)
        if preference is None
        else build_preference_figures(experiment, results),
        preference=preference,
        preferred=build_preference_rows(experiment, results),
        ties=format_count(preference.ties) if preference is not None else "",
        metric=METRIC_LABELS[experiment.metric],
        rows=[build_row(experiment, variant, currency) for variant in results.variants],
        others=build_others(experiment, results, currency),
        settings=list_settings(experiment),
        is_bandit=experiment.method == Experiment.Method.BANDIT,
        window_days=compute_window(experiment).days,
        may_change=may_change,
        may_archive=may_change and experiment.status in FINISHED,
        is_running=experiment.status == Experiment.Status.RUNNING,
        may_undo=experiment.status == Experiment.Status.PROMOTED and may_promote(request, experiment),
        may_promote=may_promote(request, experiment)
        and not experiment.is_simulated
        and subject is not None
        and subject.promote is not None
        and experiment.status in (Experiment.Status.RUNNING, Experiment.Status.STOPPED),
    )


def describe_verdict(experiment: Experiment, results: ExperimentResults, currency: str) -> str:
    """Return what the experiment has shown, in one sentence."""
    if results.preference is not None:
        return describe_preference(experiment, results)
    return describe_results(experiment, results, currency)


def make_empty_results(now: Any) -> ExperimentResults:
    """Return what the page shows while the results are being counted."""
    return ExperimentResults(now, ExperimentVerdict.TOO_FEW, "", 0.0, 1.0, False, ())


def read_results(experiment: Experiment) -> ExperimentResults | None:
    """Return the results, or None while they are being counted; those of millions of people are cached for some minutes."""
    key = f"experiments.results.{experiment.pk}.{experiment.updated_at.timestamp()}"
    return get_figures_soon(key, ExperimentResults, lambda: measure_experiment(experiment, as_of=timezone.now()))


def describe_elapsed(experiment: Experiment, results: ExperimentResults, now: Any) -> str:
    """Return how long the experiment has been running, or ran."""
    if experiment.started_at is None:
        return ""
    days = max(((experiment.stopped_at or now) - experiment.started_at).days, int(experiment.stopped_at is not None))
    return _("day %(days)s of %(planned)s") % {
        "days": format_count(days + (experiment.stopped_at is None)),
        "planned": format_count(experiment.planned_days),
    }


def build_figures(experiment: Experiment, results: ExperimentResults) -> list[dict[str, str]]:
    is_customer, is_bandit = experiment.unit == Experiment.Unit.CUSTOMER, experiment.method == Experiment.Method.BANDIT
    days = compute_window(experiment).days
    exposed = ngettext("first exposed at least %(days)s day ago", "first exposed at least %(days)s days ago", days)
    p = results.sample_ratio_p
    ratio = "–" if not results.units else _("even") if p >= SUSPICIOUS else _("uneven")
    best = results.get_best()
    metric = best.get_metric(experiment.metric) if best is not None else None
    figures = [
        {
            "label": _("Customers") if is_customer else _("Visitors"),
            "value": format_count(results.units),
            "note": exposed % {"days": days} if is_bandit and experiment.stopped_at is None else "",
        },
        {
            "label": _("Group sizes"),
            "value": ratio,
            "note": f"p = {p:.3f}" if results.units and not is_bandit else "",
        },
    ]
    if metric is not None and metric.removed > 0:
        figures.append(
            {
                "label": _("Noise removed"),
                "value": format_percent(metric.removed, 0),
                "note": _("of the variance, by earlier orders (CUPED)"),
            }
        )
    return figures


def build_row(experiment: Experiment, variant: VariantResult, currency: str) -> dict[str, Any]:
    """Return a row of the comparison by the primary metric."""
    metric = variant.get_metric(experiment.metric)
    is_bandit, kind = experiment.method == Experiment.Method.BANDIT, get_effect_kind(metric)
    return {
        "key": variant.key,
        "name": variant.name,
        "is_control": variant.is_control,
        "is_promoted": variant.is_promoted,
        "share": format_percent(variant.allocation if is_bandit else variant.share, 0),
        "units": format_count(variant.units),
        "buyers": format_count(variant.buyers),
        "mean": format_metric(experiment.metric, metric.mean, currency) if metric is not None else "",
        "effect": format_effect(experiment.metric, metric, currency),
        "interval": format_interval(experiment.metric, metric, currency),
        "relative": format_relative(metric),
        "kind": kind,
        "question": ask_to_promote(experiment, is_significant=bool(kind)),
        "best": "" if variant.best_probability is None else format_percent(variant.best_probability, 0),
    }


def get_effect_kind(metric: Any) -> str:
    """Return "good" or "bad" if the interval excludes 0, else ""."""
    if metric is None or metric.effect is None:
        return ""
    return "good" if metric.effect.low > 0 else "bad" if metric.effect.high < 0 else ""


def build_others(experiment: Experiment, results: ExperimentResults, currency: str) -> list[dict[str, Any]]:
    """Return the other metrics of each variant, which must not get worse."""
    return [
        {
            "metric": METRIC_LABELS[metric.metric],
            "name": variant.name,
            "mean": format_metric(metric.metric, metric.mean, currency),
            "effect": format_effect(metric.metric, metric, currency),
            "interval": format_interval(metric.metric, metric, currency)
            or ("" if variant.is_control or metric.mean else _("no data yet")),
        }
        for metric_name in METRIC_LABELS
        for variant in results.variants
        if (metric := variant.get_metric(metric_name)) is not None and metric_name != experiment.metric
    ]


def list_settings(experiment: Experiment) -> list[dict[str, Any]]:
    """Return what each variant changes."""
    subject = find_subject(experiment.kind)
    return [
        {
            "variant": variant,
            "values": subject.describe_config(variant.config) if subject is not None else [],
        }
        for variant in experiment.variants.all()
    ]
