"""What the value of a customer rests on, in words for people."""

from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _

from customers.lifecycle.models import ScoreModel
from customers.lifecycle.refresh.score_models import Cards

ALGORITHM_NAMES = {"bg_nbd": "BG/NBD", "mbg_nbd": "MBG/NBD", "pareto_nbd": "Pareto/NBD", "gamma_gamma": "Gamma-Gamma"}


def percent(share: float | None) -> str:
    """Whole per cents, as the reader's language writes them; "" for None."""
    return "" if share is None else f"{number_format(round(100 * share), force_grouping=True)} %"


def value_words(told: dict[str, Any], cards: Cards) -> dict[str, str]:
    """For the value of a portrait: its shares as per cents, and how well the same process foretold what was held out."""
    card = cards.get(ScoreModel.Kind.BUYING)
    return {
        "alive": percent(told["p_alive"]),
        "probability": percent(told["interval_probability"]),
        "trust": trust_in(card) if card and told["p_alive"] is not None else "",
    }


def trust_in(card: ScoreModel) -> str:
    """How the serving process did on what was held out; says so where nothing could be."""
    held_out = card.figures.get("held_out", {}).get(card.algorithm)
    if held_out is None:
        return _("The shop's history is too short to try the guess on something held out.")
    ratio, held = held_out["total_ratio"], held_out["held"]
    if ratio is None:
        return _("Nobody ordered in the days held out, so the guess could not be tried.")
    return _(
        "Tried on the last %(days)s days, which it had not seen, %(name)s foretold %(ratio)s of the orders that came; %(held)s of the "
        "customers ended within their 80 %% interval."
    ) % {
        "days": number_format(card.figures["days"], force_grouping=True),
        "name": ALGORITHM_NAMES.get(card.algorithm, card.algorithm),
        "ratio": percent(ratio),
        "held": percent(held),
    }
