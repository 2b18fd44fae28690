"""The preference of an interleaving in words and figures."""

from datetime import timedelta
from typing import Any

from django.utils.timezone import localdate
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from config.foundation.number_formats import format_count, format_full_day, format_percent, join_sentences
from recommendations.experiments.backoffice.result_texts import ask_to_promote
from recommendations.experiments.methods.interleaving import MIN_CREDITED, RELEVANT_PREFERENCE
from recommendations.experiments.models import Experiment
from recommendations.experiments.planning import ExperimentPower
from recommendations.experiments.results import ExperimentResults, ExperimentVerdict, VariantPreference


def format_split(share: float) -> str:
    """Return a preference such as "60% to 40%"."""
    return _("%(share)s to %(rest)s") % {"share": format_percent(share, 0), "rest": format_percent(1 - share, 0)}


def format_share_interval(preference: VariantPreference) -> str:
    share = preference.share
    return _("%(low)s to %(high)s") % {"low": format_percent(share.low, 0), "high": format_percent(share.high, 0)}


def describe_preference(experiment: Experiment, results: ExperimentResults) -> str:
    """Return what people prefer with the numbers, and whether the interval can still narrow."""
    preference, best = results.preference, results.get_best()
    assert preference is not None
    values = {
        "name": best.name if best is not None else "",
        "share": format_percent(preference.share.value, 0),
        "interval": format_share_interval(preference),
        "people": format_count(preference.credited),
        "clicked": format_count(preference.clicked),
        "needed": format_count(preference.needed),
        "missing": format_count(preference.missing),
        "split": format_split(RELEVANT_PREFERENCE),
    }
    match results.verdict:
        case ExperimentVerdict.BETTER:
            text = _(
                "People prefer “%(name)s”: %(share)s of the clicks that count were on its products (95%% interval: %(interval)s; "
                "%(people)s people)."
            )
        case ExperimentVerdict.WORSE:
            text = _(
                "People prefer the control: only %(share)s of the clicks that count were on products of “%(name)s” (95%% interval: "
                "%(interval)s; %(people)s people)."
            )
        case ExperimentVerdict.UNCLEAR:
            text = _(
                "No clear preference: %(share)s of the clicks that count were on products of “%(name)s” (95%% interval: %(interval)s; "
                "%(people)s people)."
            )
            # the number of people needed is that at the planned end; before, the interval is wider
            if results.fraction >= 1:
                text = join_sentences([text, _("A preference of %(split)s would probably have shown by now.")])
        case _other if not preference.credited and preference.clicked >= MIN_CREDITED:
            # clicks on pinned products, or on those at the top of both rankings, are also possible, so this is not certain
            text = _(
                "None of the %(clicked)s people with a click chose a product that belongs to one of the variants. The variants probably "
                "show the same products in the same order."
            )
        case _other if experiment.stopped_at is not None:
            text = _(
                "Too few people to tell. People with a click that counts: %(people)s. Needed to detect a preference of %(split)s: about "
                "%(needed)s."
            )
        case _other:
            text = _(
                "Too few people to tell. People with a click that counts so far: %(people)s. Still needed to detect a "
                "preference of %(split)s: about %(missing)s."
            )
    return join_sentences([text % values, describe_narrowing(experiment, results)])


def describe_narrowing(experiment: Experiment, results: ExperimentResults) -> str:
    """Return until when the interval narrows, while nothing is clear and the page shows one; empty for others."""
    preference, started_at = results.preference, experiment.started_at
    is_open = results.verdict in (ExperimentVerdict.UNCLEAR, ExperimentVerdict.TOO_FEW) and results.fraction < 1
    if not is_open or not preference or not preference.credited or experiment.stopped_at or not started_at:
        return ""
    planned_end = localdate(started_at + timedelta(days=experiment.planned_days))
    return _("The interval narrows until the planned end (%(day)s).") % {"day": format_full_day(planned_end)}


def build_preference_figures(experiment: Experiment, results: ExperimentResults) -> list[dict[str, str]]:
    """Return how many people were shown such lists, clicked, and have a preference, and the share of the variant."""
    preference = results.preference
    assert preference is not None
    is_customer = experiment.unit == Experiment.Unit.CUSTOMER
    p = _("p < 0.001") if preference.p_value < 0.001 else f"p = {preference.p_value:.3f}"
    figures = [
        {
            "label": _("Customers") if is_customer else _("Visitors"),
            "value": format_count(preference.people),
            "note": _("who were shown products of both"),
        },
        {"label": _("With a click"), "value": format_count(preference.clicked), "note": ""},
        {
            "label": _("With a click that counts"),
            "value": format_count(preference.credited),
            "note": _("on a product that belongs to one of the variants"),
        },
    ]
    if preference.credited:
        figures.append(
            {
                "label": _("Clicks on the variant’s products"),
                "value": format_percent(preference.share.value, 0),
                "note": _("95%% interval: %(interval)s, %(p)s")
                % {"interval": format_share_interval(preference), "p": p},
            }
        )
    return figures


def build_preference_rows(experiment: Experiment, results: ExperimentResults) -> list[dict[str, Any]]:
    """Return per variant who prefers it, and the clicks on its products; empty for other methods."""
    preference = results.preference
    if preference is None:
        return []
    people = (preference.control, preference.variant)
    is_significant = results.verdict in (ExperimentVerdict.BETTER, ExperimentVerdict.WORSE)
    question = ask_to_promote(experiment, is_significant=is_significant)
    return [
        {
            "key": variant.key,
            "name": variant.name,
            "is_control": variant.is_control,
            "is_promoted": variant.is_promoted,
            "people": format_count(people[team]),
            "clicks": format_count(preference.clicks[team]),
            "orders": format_count(preference.orders[team]),
            "question": question,
        }
        for team, variant in enumerate(results.variants)
    ]


def describe_interleaving_power(experiment: Experiment, power: ExperimentPower) -> str:
    """Return how many people are needed, and whether there is enough traffic."""
    values = {
        "needed": format_count(power.needed or 0),
        "split": format_split(RELEVANT_PREFERENCE),
        "people": format_count(power.units),
        "days": format_count(power.days or 0),
        "planned": format_count(experiment.planned_days),
    }
    needed = (
        _(
            "To detect a preference of %(split)s in 4 out of 5 cases, %(needed)s people with a click that counts are needed."
        )
        % values
    )
    if not power.units:
        return join_sentences([needed, _("In the last 28 days, nobody clicked a product in these lists.")])
    if power.days is None:
        slow = _(
            "In the last 28 days, %(people)s people clicked a product in these lists. At this rate, the experiment would "
            "take more than half a year."
        )
        return join_sentences([needed, slow % values])
    clicked = ngettext(
        "In the last 28 days, %(people)s people clicked a product in these lists, so the experiment takes at least %(days)s day.",
        "In the last 28 days, %(people)s people clicked a product in these lists, so the experiment takes at least %(days)s days.",
        power.days,
    )
    sentences = [needed, clicked % values]
    if power.smallest is not None:
        sentences.append(
            _("In %(planned)s days, a preference of %(split)s or more can be detected.")
            % {**values, "split": format_split(power.smallest)}
        )
    return join_sentences(sentences)
