"""Why a version serves or does not, in words: versions keep codes and numbers, so that every reader gets their own language."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from recommendations.placement_labels import place_name
from recommendations.training.backoffice.labels.algorithm_labels import algorithm_name

REASONS: dict[str, str | Promise] = {
    "first": _(
        "There was no version before: %(algorithm)s reaches NDCG@10 %(value)s (%(low)s to %(high)s) on the cut in time."
    ),
    "better": _(
        "Better than the version before by %(difference)s (%(difference_low)s to %(difference_high)s) on the same customers: "
        "%(algorithm)s reaches NDCG@10 %(value)s."
    ),
    "as_good": _(
        "As good as the version before on the same customers (difference %(difference)s, %(difference_low)s to "
        "%(difference_high)s), with newer data: %(algorithm)s reaches NDCG@10 %(value)s."
    ),
    "short_history": _("The history is too short for an evaluation: equal weights until it is longer."),
    "worse_than_active": _(
        "NDCG@10 is lower than that of the active version by %(difference)s (%(low)s to %(high)s) on the same customers."
    ),
    "worse_than_baseline": _(
        "NDCG@10 is lower than that of the baseline “%(baseline)s” by %(difference)s (%(low)s to %(high)s) on the same customers."
    ),
    "coverage": _(
        "Shows %(value)s of the products; the active version shows %(active)s, and at least %(share)s of that is required."
    ),
    "cold_start": _(
        "New customers get NDCG@10 %(value)s; the active version gives them %(active)s, and at least %(share)s of that is "
        "required (%(people)s customers)."
    ),
    "promoted_by": _("Promoted by %(user)s."),
    "promoted_over_api": _("Promoted over the API."),
    "rolled_back_by": _("Rolled back by %(user)s."),
    "rolled_back_over_api": _("Rolled back over the API."),
    "place_better": _(
        "On: better than “%(fallback)s” on the test part by %(difference)s (%(low)s to %(high)s) on the same customers."
    ),
    "place_no_better": _(
        "Off: not better than “%(fallback)s” beyond chance on the test part (%(difference)s, %(low)s to %(high)s), which is shown instead."
    ),
    "place_not_chosen": _(
        "Off: on the validation part it differs from “%(fallback)s” by %(before)s, which is shown instead (on the test part %(difference)s, "
        "%(low)s to %(high)s)."
    ),
    "place_too_few": _(
        "On, not judged: %(people)s customers to judge it by, at least %(least)s are needed. Nothing speaks against it."
    ),
    "place_no_time": _("On, not judged: there was no time left. It is made of what it was chosen or begun with."),
    "place_no_part": _("Off: the version has none of the parts that it would be made of."),
    "place_short_history": _("On, not judged: the history is too short."),
    "place_promotion": _("On: whether it serves is decided with the version."),
    "place_floor": _("On: nothing takes over from it; it takes over from others."),
    "latency": _("One recommendation takes %(ms)s ms; at most %(limit)s ms are allowed."),
}
PERCENT = {
    "coverage": ("value", "active", "share"),
    "cold_start": ("share",),
}
ALGORITHMS = ("algorithm", "baseline")
DIFFERENCES = ("difference", "difference_low", "difference_high", "before")
COUNTS = ("people", "least")
OF_PLACES = "place_"  # their lows and highs are of differences
LOSSES = ("worse_than_active", "worse_than_baseline")


def worded(code: str, values: Mapping[str, Any]) -> str:
    """One reason in the language of the reader; the code itself where there are no words for it."""
    if code not in REASONS:
        return code
    return str(REASONS[code]) % {name: shown(code, name, value) for name, value in values.items()}


def shown(code: str, name: str, value: Any) -> str:
    if value is None:
        return "–"
    if name == "fallback":
        return place_name(value)
    if isinstance(value, str) and name not in ALGORITHMS:
        return value
    if name in ALGORITHMS:
        return algorithm_name(value)
    if name in PERCENT.get(code, ()):
        return f"{value:.2%}"
    if name in COUNTS or (code == "latency" and value >= 10):
        return f"{value:.0f}"
    if code in LOSSES:
        return f"{abs(value):.4f}"
    signed = name in DIFFERENCES or code.startswith(OF_PLACES)
    return f"{value:+.4f}" if signed else f"{value:.4f}"


def explained(reasons: Sequence[Mapping[str, Any]], remark: str) -> str:
    """All reasons of a version, and what a person said about it."""
    words = [worded(one["code"], one["values"]) for one in reasons]
    return " ".join([*words, remark] if remark else words)
