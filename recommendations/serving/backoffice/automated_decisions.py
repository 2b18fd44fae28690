"""Explains to a person which products were chosen for them, and how."""

from collections.abc import Sequence
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from catalog.models import Product
from config.foundation.automated_decisions.registry import Decision, DecisionExplainer, Objection, register_explainer
from recommendations.placement_labels import get_placement_label
from recommendations.serving.impressions.models import Impression

SHOWN_PRODUCTS = 5
SIMULATED = "simulated"  # the strategy of the visits that the demo simulates
PERSONAL = ("for-you", "buy-again", "recently-viewed", "categories")


def list_recommendation_decisions(customer_id: int, as_of: datetime, limit: int) -> Sequence[Decision]:
    """Return the latest recommendations with their products, in two queries."""
    impressions = list(
        Impression.objects.filter(customer_id=customer_id, served_at__lte=as_of).order_by("-served_at")[:limit]
    )
    ids = {product_id for impression in impressions for product_id in impression.product_ids[:SHOWN_PRODUCTS]}
    titles = dict(Product.objects.filter(product_id__in=ids).values_list("product_id", "title"))
    return [describe_impression(impression, titles) for impression in impressions]


def describe_impression(impression: Impression, titles: dict[str, str]) -> Decision:
    names = [titles.get(product_id, product_id) for product_id in impression.product_ids[:SHOWN_PRODUCTS]]
    reasons = [describe_choice(impression)]
    if impression.arm:
        reasons.append(_("Experiment variant: %(variant)s") % {"variant": impression.arm})
    return Decision(
        _("“%(placement)s” showed: %(products)s")
        % {"placement": get_placement_label(impression.scenario), "products": _("; ").join(names) or "–"},
        impression.served_at,
        impression.model_version,
        tuple(reasons),
    )


def describe_choice(impression: Impression) -> str:
    """Return whether the products were chosen for the person, and by which method."""
    if impression.fallback:
        return _("The same for everyone: %(source)s") % {"source": get_placement_label(impression.fallback)}
    method = {"method": _("simulated") if impression.strategy == SIMULATED else impression.strategy}
    if impression.scenario in PERSONAL:
        return _("Chosen based on what you have viewed and bought (%(method)s)") % method
    return _("Chosen based on the product or page and on what customers like you have bought (%(method)s)") % method


def register_recommendation_decisions() -> None:
    """Register recommendations as automated decisions that can be explained."""
    register_explainer(
        DecisionExplainer(
            key="recommendations",
            label=gettext_lazy("Recommended products"),
            logic=gettext_lazy(
                "A model ranks the products by how often people with a similar history viewed and bought them; each product "
                "shows the reason why it was chosen."
            ),
            data=gettext_lazy("Used: products that you have viewed, put into the cart, bought and dismissed."),
            objection=Objection.PROFILING,
            order=30,
            explain=list_recommendation_decisions,
        )
    )
