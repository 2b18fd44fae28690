"""Labels for the reasons why a version or placement is or is not active.

Versions store codes and values, so every reader sees the explanation in their own language.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from config.foundation.number_formats import format_percent, join_sentences
from recommendations.placement_labels import get_placement_label
from recommendations.training.backoffice.labels.algorithm_labels import get_algorithm_label

REASON_LABELS: dict[str, str | Promise] = {
    "first": _("First version: %(algorithm)s reaches NDCG@10 %(value)s (%(low)s to %(high)s) on the test period."),
    "better": _(
        "Better than the previous version by %(difference)s (%(difference_low)s to %(difference_high)s) on the same customers: "
        "%(algorithm)s reaches NDCG@10 %(value)s."
    ),
    "as_good": _(
        "As good as the previous version on the same customers (difference %(difference)s, %(difference_low)s to "
        "%(difference_high)s), with newer data: %(algorithm)s reaches NDCG@10 %(value)s."
    ),
    "too_few_to_compare": _(
        "Newer data; fewer than 30 customers can be compared with the previous version, too few to say which is better: "
        "%(algorithm)s reaches NDCG@10 %(value)s."
    ),
    "not_compared": _(
        "Newer data; the previous version cannot be compared, because its algorithms find nothing to learn from any more: %(algorithm)s "
        "reaches NDCG@10 %(value)s (%(low)s to %(high)s) on the test period."
    ),
    "short_history": _("The history is too short for an evaluation, so all algorithms have equal weights."),
    "worse_than_active": _(
        "NDCG@10 is %(difference)s lower than the active version's (%(low)s to %(high)s) on the same customers."
    ),
    "worse_than_baseline": _(
        "NDCG@10 is %(difference)s lower than the baseline “%(baseline)s” (%(low)s to %(high)s) on the same customers."
    ),
    "coverage": _(
        "Catalog coverage is %(value)s; the active version covers %(active)s, and at least %(share)s of that is required."
    ),
    "cold_start": _(
        "NDCG@10 for new customers is %(value)s; the active version reaches %(active)s, and at least %(share)s of that is "
        "required (%(people)s customers)."
    ),
    "promoted_by": _("Promoted by %(user)s."),
    "promoted_over_api": _("Promoted through the API."),
    "rolled_back_by": _("Rolled back by %(user)s."),
    "rolled_back_over_api": _("Rolled back through the API."),
    "place_better": _(
        "Active: %(difference)s better than “%(fallback)s” on the test period (%(low)s to %(high)s), on the same customers."
    ),
    "place_no_better": _(
        "Inactive: not significantly better than “%(fallback)s” on the test period (%(difference)s, %(low)s to %(high)s), which is shown instead."
    ),
    "place_not_chosen": _(
        "Inactive: not better than “%(fallback)s” on the validation period (%(before)s), which is shown instead (on the test period %(difference)s, "
        "%(low)s to %(high)s)."
    ),
    "place_too_few": _(
        "Inactive, not evaluated: only %(people)s customers have data for this placement; at least %(least)s "
        "are required."
    ),
    "place_no_time": _("Inactive, not evaluated: the time budget was used up. Allow the training more time."),
    "place_factual": _("Active: needs no evaluation."),
    "place_content": _("Active, not evaluated: similarity is based on the product descriptions."),
    "place_personal": _(
        "Active, not evaluated: the history is too short. Popular products fill the remaining positions."
    ),
    "place_earlier_on": _(
        "Active with the algorithms of the previous version, which was better than the fallback: not evaluated this time."
    ),
    "place_earlier_off": _("Inactive: not evaluated this time; the previous version was not better than the fallback."),
    "place_no_part": _("Inactive: the version has none of the algorithms that this placement requires."),
    "place_short_history": _("Inactive, not evaluated: the history is too short."),
    "place_promotion": _("Active: evaluated with the model version."),
    "place_floor": _("Active: last fallback of the other placements."),
    "latency": _("One recommendation takes %(ms)s ms; the limit is %(limit)s ms."),
}
PERCENT_VALUES = {
    "coverage": ("value", "active", "share"),
    "cold_start": ("share",),
}
ALGORITHM_VALUES = ("algorithm", "baseline")
SIGNED_VALUES = ("difference", "difference_low", "difference_high", "before")
COUNT_VALUES = ("people", "least")
PLACEMENT_PREFIX = "place_"  # low and high of these reasons are signed differences
LOSS_CODES = ("worse_than_active", "worse_than_baseline")


def get_reason_label(code: str, values: Mapping[str, Any]) -> str:
    """Return a reason in the active language, or its code if it has no label."""
    if code == "as_good" and values.get("difference_low") is None:
        code = "too_few_to_compare"  # without an interval, two versions cannot be called equally good
    if code not in REASON_LABELS:
        return code
    return str(REASON_LABELS[code]) % {name: format_reason_value(code, name, value) for name, value in values.items()}


def format_reason_value(code: str, name: str, value: Any) -> str:
    """Return a value of a reason as text, formatted according to its name and code."""
    if value is None:
        return "–"
    if name == "fallback":
        return get_placement_label(value)
    if isinstance(value, str) and name not in ALGORITHM_VALUES:
        return value
    if name in ALGORITHM_VALUES:
        return get_algorithm_label(value)
    if name in PERCENT_VALUES.get(code, ()):
        return format_percent(value, 2)
    if name in COUNT_VALUES or (code == "latency" and value >= 10):
        return f"{value:.0f}"
    if code in LOSS_CODES:
        return f"{abs(value):.4f}"
    signed = name in SIGNED_VALUES or code.startswith(PLACEMENT_PREFIX)
    return f"{value:+.4f}" if signed else f"{value:.4f}"


def explain_reasons(reasons: Sequence[Mapping[str, Any]], remark: str) -> str:
    """Return all reasons of a version, followed by the comment of the user."""
    labels = [get_reason_label(entry["code"], entry["values"]) for entry in reasons]
    return join_sentences([*labels, remark])
