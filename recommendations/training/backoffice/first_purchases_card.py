"""The sentences of the model card about products that customers had not bought before."""

from typing import Any

from django.utils.translation import gettext as _

from config.foundation.number_formats import format_decimals
from recommendations.engine.placements import FOR_YOU, PLACEMENTS
from recommendations.training.backoffice.model_card_tables import MIN_RELIABLE_CUSTOMERS, get_served_algorithm
from recommendations.training.models import EvaluationRun


def describe_first_purchases(run: EvaluationRun) -> list[str]:
    """Return what a merchandiser should know about products new to the customer; figures of too few customers are left out."""
    figures = run.figures.get(get_served_algorithm(run), {})
    new, limited, unlimited = (read_value(figures, f"hit_rate{part}@10") for part in ("_new", "_limited", ""))
    popular = read_value(run.figures.get("popularity", {}), "hit_rate_new@10")
    sentences = []
    if new is not None and has_enough(figures, "people_new"):
        text = _(
            "New to the customer: of 100 customers who later bought products that they had not bought before, %(found)s "
            "would have found at least one of these products among ten recommendations without purchased products (among "
            "ten popular products: %(popular)s)."
        )
        sentences.append(text % {"found": format_share(new), "popular": format_share(popular)})
    if limited is not None and unlimited is not None and has_enough(figures, "people_limited"):
        text = _(
            "“For you” shows at most %(share)s%% purchased products. With this limit, %(limited)s of 100 customers would "
            "have found a product that they later bought among the first ten; without it, %(unlimited)s. The other "
            "metrics are without the limit."
        )
        share = format_share(PLACEMENTS[FOR_YOU].max_purchased_share)
        values = {"share": share, "limited": format_share(limited), "unlimited": format_share(unlimited)}
        sentences.append(text % values)
    return sentences


def has_enough(figures: dict[str, Any], name: str) -> bool:
    """Return whether the figures cover enough customers to be reported; runs of earlier releases did not store all these numbers."""
    return figures.get(name, 0) >= MIN_RELIABLE_CUSTOMERS


def read_value(figures: dict[str, dict[str, float | None]], metric: str) -> float | None:
    """Return the value of a metric, None if it was not evaluated."""
    return (figures.get(metric) or {}).get("value")


def format_share(value: float | None) -> str:
    """Return a share as a number out of 100."""
    return format_decimals(None if value is None else 100 * value, 0)
