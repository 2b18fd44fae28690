"""The sentences about what a variant would earn, estimated from the log."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.number_formats import format_count, format_percent, join_sentences
from config.foundation.slow_figures import get_figures_later
from config.foundation.statistics import ConfidenceInterval
from recommendations.experiments.log_estimates import (
    MIN_CLICKS,
    MIN_DECISIONS,
    MIN_EFFECTIVE,
    MIN_SUPPORTED,
    EstimateProblem,
    LogEstimate,
)
from recommendations.experiments.models import Variant
from recommendations.experiments.subjects import ExperimentSubject
from recommendations.measurement.presentation.formats import format_interval, format_points

PROBLEMS: dict[EstimateProblem, str | Promise] = {
    EstimateProblem.UNKNOWN_REQUEST: gettext_lazy(
        "No estimate is possible: the lists of this placement are computed from given products, and impressions do not record these."
    ),
    EstimateProblem.FEW_DECISIONS: gettext_lazy(
        "Too few random decisions for an estimate: in the last 28 days, rotation chose the first product of "
        "%(decisions)s lists of the current model, and %(needed)s are needed. Turn on rotation for this placement to "
        "collect more."
    ),
    EstimateProblem.CHANGED: gettext_lazy(
        "Too few random decisions for an estimate: of %(decisions)s lists with a random first product, only "
        "%(reproduced)s can be recomputed. The others had filters, or the products or settings have changed since then."
    ),
    EstimateProblem.FEW_CLICKS: gettext_lazy(
        "Too few clicks to estimate: the first product of %(decisions)s random lists was clicked %(clicks)s times, "
        "and %(min_clicks)s clicks are needed."
    ),
    EstimateProblem.DIFFERENT: gettext_lazy(
        "Too few random decisions for an estimate: this variant would choose so differently that %(decisions)s random "
        "lists count as only %(effective)s lists of this variant, and %(min_effective)s are needed."
    ),
    EstimateProblem.UNSEEN: gettext_lazy(
        "No estimate: only %(supported)s of the first products that this variant would show can be expected in the log, and "
        "%(min_supported)s are needed. The log says nothing about the others. Only an experiment can show how they do."
    ),
}
COMPUTING = gettext_lazy(
    "The click-through rate of this variant is being estimated from the log. Reload the page in a moment."
)


@dataclass(frozen=True)
class EstimateText:
    """The sentence, and the estimates behind it as (name, value, interval)."""

    sentence: str
    rows: list[tuple[str, str, str]]


def describe_variant_estimate(variant: Variant, subject: ExperimentSubject, *, at: datetime) -> EstimateText | None:
    """Return what is estimated for a variant; None for the control and for what cannot be estimated."""
    estimate, name = subject.estimate, variant.experiment.subject
    if estimate is None or variant.is_control or not variant.config:
        return None
    config = dict(variant.config)
    digest = hashlib.blake2b(json.dumps(config, sort_keys=True).encode(), digest_size=12).hexdigest()
    found = get_figures_later(f"experiments.estimate.{name}.{digest}", LogEstimate, lambda: estimate(name, config, at))
    return EstimateText(str(COMPUTING), []) if found is None else describe_estimate(found)


def describe_estimate(estimate: LogEstimate) -> EstimateText:
    if estimate.problem is not None or estimate.dr is None or estimate.measured is None:
        return EstimateText(describe_problem(estimate), [])
    change = estimate.difference or estimate.dr
    values = {
        "rate": format_percent(estimate.dr.value, 2),
        "interval": format_interval(estimate.dr, lambda share: format_percent(share, 2)),
        "now": format_percent(estimate.measured.value, 2),
        "change": format_points(change.value),
        "change_interval": format_interval(change, format_points),
    }
    sentence = (
        _(
            "Estimate before launch: its first product would be clicked in %(rate)s of the lists (%(interval)s), compared "
            "with %(now)s now: a change of %(change)s percentage points (%(change_interval)s)."
        )
        % values
    )
    if change.low <= 0 <= change.high:
        sentence = join_sentences([sentence, _("This is too uncertain to tell which is better.")])
    rows = [
        build_row(_("Measured with the current settings"), estimate.measured),
        build_row(_("Inverse propensity score (IPS)"), estimate.ips),
        build_row(_("Self-normalized (SNIPS)"), estimate.snips),
        build_row(_("Doubly robust"), estimate.dr),
    ]
    rows.append((_("Lists with a random first product"), format_count(estimate.reproduced), ""))
    rows.append((_("Effective number of lists of the variant"), format_count(round(estimate.effective)), ""))
    rows.append((_("First products of the variant that the log can show"), format_percent(estimate.supported, 1), ""))
    return EstimateText(sentence, rows)


def describe_problem(estimate: LogEstimate) -> str:
    return str(PROBLEMS[estimate.problem or EstimateProblem.FEW_DECISIONS]) % {
        "decisions": format_count(estimate.decisions),
        "reproduced": format_count(estimate.reproduced),
        "clicks": format_count(estimate.clicks),
        "effective": format_count(round(estimate.effective)),
        "needed": format_count(MIN_DECISIONS),
        "min_clicks": format_count(MIN_CLICKS),
        "min_effective": format_count(round(MIN_EFFECTIVE)),
        "supported": format_percent(estimate.supported, 1),
        "min_supported": format_percent(MIN_SUPPORTED, 0),
    }


def build_row(name: str, interval: ConfidenceInterval | None) -> tuple[str, str, str]:
    if interval is None:
        return name, "–", ""
    return name, format_percent(interval.value, 2), format_interval(interval, lambda share: format_percent(share, 2))
