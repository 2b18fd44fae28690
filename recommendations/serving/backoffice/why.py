"""“Why this product?”: the sources of a recommendation in sentences, for the shop's staff."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.number_formats import format_percent
from recommendations.engine.algorithms.base import VISIT_PREFIX, get_reason
from recommendations.engine.algorithms.spec import ExplanationReason
from recommendations.engine.cold_start import CLUSTER, LANDING
from recommendations.engine.placements import PLACEMENTS, PlacementInput
from recommendations.merchandising.backoffice.rule_labels import join_names
from recommendations.serving.backoffice.preview import PreviewedItem, RecommendationPreview, SourceLine

MIN_PERCENT = 5.0  # of the score; smaller parts are left out
MAX_SENTENCES = 4
TRAIT_PREFIX = "trait."
# reasons that do not come from a score
REASON_SENTENCES: dict[str, str | Promise] = {
    "chosen_by_the_shop": gettext_lazy("A rule pins it to this position."),
    "new": gettext_lazy("It is new: this position shows a product that few people have seen."),
    "you_viewed": gettext_lazy("The customer viewed it before."),
    "in_the_shop": gettext_lazy("There is no better choice yet, so the newest products of the catalog are shown."),
    "popular": gettext_lazy("It sells well: nothing more specific is known about this visitor."),
    "popular_in_category": gettext_lazy("It sells well in its category."),
}
# what connects the product with others of the customer's history, or of the request
PRODUCT_SENTENCES: dict[ExplanationReason, str | Promise] = {
    ExplanationReason.SAME_BUYERS: gettext_lazy("Customers who chose %(titles)s also chose it"),
    ExplanationReason.SIMILAR_PRODUCT: gettext_lazy("It is similar to %(titles)s"),
    ExplanationReason.SIMILAR_CUSTOMERS: gettext_lazy(
        "Customers who bought similar products, such as %(titles)s, buy it"
    ),
    ExplanationReason.BOUGHT_TOGETHER: gettext_lazy("It is bought in the same orders as %(titles)s"),
    ExplanationReason.CHOSEN_NEXT: gettext_lazy("It is chosen after %(titles)s"),
}
GENERAL_SENTENCES: dict[ExplanationReason, str | Promise] = {
    ExplanationReason.TRENDING: gettext_lazy("Its sales are rising"),
    ExplanationReason.POPULAR: gettext_lazy("It sells well"),
    ExplanationReason.SIMILAR_CUSTOMERS: gettext_lazy("Customers with similar purchases buy it"),
}


@dataclass
class CombinedCauses:
    """Causes with the same sentence. titles: the products that it names, each title with its share of the score in percent."""

    sentence: str
    percent: float = 0.0
    titles: dict[str, float] = field(default_factory=dict)

    def add(self, cause: SourceLine) -> None:
        self.percent += cause.percent
        self.titles[cause.title] = self.titles.get(cause.title, 0.0) + cause.percent

    def write(self) -> str:
        titles = [f"“{title}”" for title in sorted(self.titles, key=lambda title: -self.titles[title])]
        return self.sentence % {"titles": join_names(titles)} if "%(titles)s" in self.sentence else self.sentence


@dataclass(frozen=True)
class ExplainedItem:
    """A product of a preview with its reason for visitors, and the sentences for the shop's staff, the most informative one first."""

    entry: PreviewedItem
    sentences: list[str]

    @property
    def why(self) -> str:
        return self.sentences[0] if self.sentences else ""


def explain_preview(preview: RecommendationPreview) -> list[ExplainedItem]:
    """Return the products of a preview with their sentences."""
    placement = PLACEMENTS.get(preview.response.fallback or preview.response.scenario)
    is_related = placement is not None and placement.start == PlacementInput.PRODUCTS
    return [ExplainedItem(entry, explain_item(entry, is_related=is_related)) for entry in preview.items]


def explain_item(entry: PreviewedItem, *, is_related: bool) -> list[str]:
    """Return why a product is shown, the largest source first. is_related: it is compared with the products of the request."""
    code = entry.item.reason.code if entry.item.reason is not None else ""
    if code in ("chosen_by_the_shop", "new") or (code in REASON_SENTENCES and not entry.causes):
        return [str(REASON_SENTENCES[code])]
    causes = combine_causes(entry.causes, product_id=entry.item.product_id, is_related=is_related)
    if not causes:
        return [entry.item.reason.text] if entry.item.reason is not None else []
    shown = [each for each in causes[:MAX_SENTENCES] if each is causes[0] or each.percent >= MIN_PERCENT]
    return [
        _("%(sentence)s (%(share)s of the score).")
        % {"sentence": each.write(), "share": format_percent(min(each.percent / 100, 1.0), 0)}
        for each in shown
    ]


def combine_causes(causes: Sequence[SourceLine], *, product_id: str, is_related: bool) -> list[CombinedCauses]:
    """Return one sentence for each connection, the largest first; a sentence can name several products and algorithms."""
    combined: dict[str, CombinedCauses] = {}
    for cause in causes:
        sentence = choose_sentence(cause, product_id=product_id, is_related=is_related)
        combined.setdefault(sentence, CombinedCauses(sentence)).add(cause)
    return sorted(combined.values(), key=lambda each: -each.percent)


def choose_sentence(cause: SourceLine, *, product_id: str, is_related: bool) -> str:
    """Return the sentence of a cause, with %(titles)s if it names products."""
    if cause.source == LANDING:
        return _("It is popular in the category where the visitor arrived")
    if cause.source == CLUSTER or cause.source.startswith(TRAIT_PREFIX):
        return _("Customers with the same traits buy it")
    reason = get_reason(cause.source)
    if not cause.product_id:
        return str(GENERAL_SENTENCES.get(reason, _("It fits the customer's purchases as a whole")))
    if cause.product_id == product_id:
        if reason == ExplanationReason.DUE_AGAIN:
            return _("The customer bought it before, and it is due again")
        return _("The customer has bought or viewed it before")
    text = str(PRODUCT_SENTENCES.get(reason, PRODUCT_SENTENCES[ExplanationReason.SAME_BUYERS]))
    if cause.source.startswith(VISIT_PREFIX) and not is_related:
        # replaced, not formatted, because the titles are inserted later
        return _("%(connection)s, viewed in this visit").replace("%(connection)s", text)
    return text
