"""Interleaving: every list has products of both variants, and the clicks tell whose products people prefer."""

from collections.abc import Sequence
from datetime import datetime
from math import ceil

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from recommendations.experiments.methods.method import ExperimentMethod, ExperimentSetup
from recommendations.experiments.models import Experiment, Variant
from recommendations.experiments.planning import LOOKBACK, MAX_DAYS, ExperimentPower
from recommendations.experiments.results import (
    LEVEL,
    ExperimentResults,
    ExperimentVerdict,
    VariantPreference,
    VariantResult,
    compute_fraction,
    compute_information,
    make_unstarted_results,
)
from recommendations.experiments.subjects import PreferenceCounts, PreferenceSource, find_subject
from recommendations.measurement.statistics.interleaving import (
    compute_click_share,
    count_needed_people,
    find_smallest_share,
)

RELEVANT_PREFERENCE = 0.6  # 6 of 10 clicks; fewer are rarely worth a change
MIN_CREDITED = 20  # people with a click on a product of a variant; with fewer, there is no verdict


def find_preferences(kind: str, subject: str) -> PreferenceSource | None:
    """Return the clicks of a subject that can be interleaved; None for others."""
    found = find_subject(kind)
    if found is None or found.preferences is None or not found.preferences.is_ranking(subject):
        return None
    return found.preferences


def find_interleaving_problems(setup: ExperimentSetup) -> dict[str, str | Promise]:
    """Return problems by field: interleaving can only merge two lists of products and count clicks on them."""
    problems: dict[str, str | Promise] = {}
    if find_preferences(setup.kind, setup.subject) is None:
        problems["varied"] = _(
            "Interleaving merges two lists of products. Vary a placement that shows products, or the order of search results, or choose "
            "fixed shares."
        )
    if setup.variants != 2:
        problems["variants"] = _("Interleaving compares exactly two variants, the control and another one. Enter 2.")
    if setup.metric != Experiment.Metric.CLICKS:
        problems["metric"] = _(
            "Interleaving measures clicks only. Choose clicks as the metric, or choose fixed shares to measure orders or revenue."
        )
    return problems


def measure_interleaving(experiment: Experiment, as_of: datetime) -> ExperimentResults:
    """Return whose products people clicked more often, with a limited number of clicks of each person."""
    source = find_preferences(experiment.kind, experiment.subject)
    if experiment.started_at is None or source is None:
        return make_unstarted_results(as_of)
    fraction = compute_fraction(experiment, as_of=as_of)
    information = compute_information(experiment, as_of=as_of)
    preference = assess_counts(source.count(experiment, as_of), information=information)
    variants = tuple(make_result(variant, preference) for variant in experiment.variants.all())
    best = next((variant.key for variant in variants if not variant.is_control), "")
    return ExperimentResults(as_of, choose_verdict(preference), best, fraction, 1.0, False, variants, preference)


def assess_counts(counts: PreferenceCounts, *, information: float) -> VariantPreference:
    """Return the preference with an interval that may be looked at daily, and how many more people are needed.

    information: the share of the planned information that there is, see `compute_information`.
    """
    clicks, total = sum(counts.clicks), counts.clicks[1] - counts.clicks[0]
    found = compute_click_share(clicks, total, counts.squares, level=LEVEL, fraction=information)
    # people who click several times carry more information than those who click once
    noise = counts.squares * counts.credited / clicks**2 if counts.squares > 0 else 1.0
    needed = ceil(noise * count_needed_people(RELEVANT_PREFERENCE, level=LEVEL))
    return VariantPreference(
        people=counts.people,
        clicked=counts.clicked,
        credited=counts.credited,
        control=counts.control,
        variant=counts.variant,
        share=found.share,
        p_value=found.p_value,
        needed=needed,
        missing=max(0, needed - counts.credited),
        clicks=counts.clicks,
        orders=counts.orders,
    )


def make_result(variant: Variant, preference: VariantPreference) -> VariantResult:
    """Return a variant without metrics: everyone is shown both variants, so nobody's orders and revenue belong to one of them."""
    return VariantResult(
        key=variant.key,
        name=variant.name,
        is_control=variant.is_control,
        is_promoted=variant.is_promoted,
        share=float(variant.share),
        allocation=float(variant.share),
        units=preference.people,
        buyers=0,
        metrics=(),
    )


def choose_verdict(preference: VariantPreference) -> ExperimentVerdict:
    """Return whether people prefer the variant, the control, or nothing can be said yet."""
    if preference.credited < MIN_CREDITED:
        return ExperimentVerdict.TOO_FEW
    if preference.share.low > 0.5:
        return ExperimentVerdict.BETTER
    if preference.share.high < 0.5:
        return ExperimentVerdict.WORSE
    return ExperimentVerdict.TOO_FEW if preference.missing else ExperimentVerdict.UNCLEAR


def plan_interleaving(experiment: Experiment, shares: Sequence[float], at: datetime) -> ExperimentPower:
    """Return the power with the people who clicked in the last 28 days, as if each of them clicked one product of a variant.

    The share shrinks with the number of people, which grows with the days; see `count_needed_people`.
    """
    needed = count_needed_people(RELEVANT_PREFERENCE, level=LEVEL)
    source = find_preferences(experiment.kind, experiment.subject)
    if source is None:
        return ExperimentPower(0, 0.0, needed=needed)
    people = source.count_clickers(experiment.subject, experiment.unit, at - LOOKBACK, at)
    expected = people * experiment.planned_days / LOOKBACK.days
    days = ceil(needed * LOOKBACK.days / people) if people else MAX_DAYS + 1
    smallest = find_smallest_share(expected, level=LEVEL)
    return ExperimentPower(people, 0.0, smallest, days if days <= MAX_DAYS else None, needed)


INTERLEAVING = ExperimentMethod(
    key=Experiment.Method.INTERLEAVING,
    help_text=_(
        "Interleaving mixes the products of both variants in every list and counts which of them people click. It "
        "needs fewer people, but does not measure orders or revenue."
    ),
    measure=measure_interleaving,
    plan=plan_interleaving,
    find_problems=find_interleaving_problems,
    has_shares=False,
)
