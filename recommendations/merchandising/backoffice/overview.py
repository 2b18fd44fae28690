"""Overviews of rules for the back office: matching products, conflicts, warnings and status."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from catalog.models import Product
from recommendations.merchandising.backoffice.rule_labels import MAX_NAMES, format_moment, join_names
from recommendations.merchandising.choices import RuleAction, covers_recommendations
from recommendations.merchandising.models import Rule
from recommendations.merchandising.rules.conflicts import RuleConflict, find_conflicts
from recommendations.merchandising.rules.product_columns import Mask, RuleProductColumns, read_product_columns
from recommendations.merchandising.rules.product_matching import match_products
from recommendations.merchandising.rules.schedule import is_rule_open
from recommendations.merchandising.rules.storage import load_rules


@dataclass(frozen=True, eq=False)
class RuleOverview:
    """A rule at the moment.

    products: number of visible products that match; in_stock: of these, in stock; unpriced: of the products, those without a price, which are
    not recommended, 0 if the rule applies only to search.
    """

    rule: Rule
    products: int
    in_stock: int
    unpriced: int
    state: str
    conflicts: list[RuleConflict]
    warnings: list[str]


def build_overviews(*, rules: Sequence[Rule], now: datetime) -> list[RuleOverview]:
    """Return the overviews of rules, saved or not, among all enabled rules.

    Two queries, plus one for each rule with an attribute or a tag.
    """
    columns = read_product_columns(now=now)
    # The given rules replace the stored ones, so that conflicts refer to these objects and their unsaved values.
    given_rules = {rule.pk: rule for rule in rules if rule.pk}
    all_rules = [given_rules.get(rule.pk, rule) for rule in load_rules()]
    all_rules += [rule for rule in rules if rule.pk is None]
    conflicts = find_conflicts(rules=all_rules, columns=columns, now=now)
    return [
        build_overview(rule, columns, [conflict for conflict in conflicts if conflict.concerns(rule)], now=now)
        for rule in rules
    ]


def find_product_titles(rules: Sequence[Rule]) -> dict[str, str]:
    """Return the titles of the products that the descriptions of the rules name, in at most one query."""
    ids = {product_id for rule in rules for product_id in rule.product_ids[:MAX_NAMES]}
    return dict(Product.objects.filter(product_id__in=ids).values_list("product_id", "title")) if ids else {}


def build_overview(
    rule: Rule, columns: RuleProductColumns, conflicts: list[RuleConflict], *, now: datetime
) -> RuleOverview:
    is_matching = match_products(rule=rule, columns=columns, now=now) & columns.visible
    unpriced = is_matching & ~columns.find_priced() if covers_recommendations(rule.scenarios) else is_matching[:0]
    overview = RuleOverview(
        rule=rule,
        products=int(is_matching.sum()),
        in_stock=int((is_matching & columns.in_stock).sum()),
        unpriced=int(unpriced.sum()),
        state=get_rule_state(rule, now=now),
        conflicts=conflicts,
        warnings=[],
    )
    return replace(overview, warnings=list_warnings(overview, columns, is_matching, now=now))


def get_rule_state(rule: Rule, *, now: datetime) -> str:
    """Return "off", "over", "waiting" or "on"."""
    if not rule.enabled:
        return "off"
    if rule.ends_at is not None and now >= rule.ends_at:
        return "over"
    return "on" if is_rule_open(rule, now=now) else "waiting"


def list_warnings(
    overview: RuleOverview, columns: RuleProductColumns, is_matching: Mask, *, now: datetime
) -> list[str]:
    rule, warnings = overview.rule, []
    total = int(columns.visible.sum())
    if not overview.products:
        text = ngettext(
            "The rule matches no products (%(total)s product in the catalog). It has no effect until a product "
            "matches.",
            "The rule matches no products (%(total)s products in the catalog). It has no effect until a "
            "product matches.",
            total,
        )
        warnings.append(text % {"total": number_format(total, force_grouping=True)})
    elif rule.action == RuleAction.ONLY and not overview.in_stock:
        warnings.append(
            _("No matching product is in stock. The rule is ignored until a matching product is back in stock.")
        )
    elif rule.action == RuleAction.HIDE and overview.products == total:
        warnings.append(_("The rule hides every product. Its placements will be empty."))
    elif covers_recommendations(rule.scenarios):
        warnings.extend(list_recommendation_warnings(overview, columns, is_matching))
    if unknown := [product_id for product_id in rule.product_ids if columns.find_row(product_id) < 0]:
        text = ngettext(
            "%(count)d product ID is not in the catalog: %(ids)s.",
            "%(count)d product IDs are not in the catalog: %(ids)s.",
            len(unknown),
        )
        warnings.append(text % {"count": len(unknown), "ids": join_names(unknown)})
    if rule.ends_at is not None and rule.ends_at <= now:
        warnings.append(_("The rule ended on %(moment)s.") % {"moment": format_moment(rule.ends_at)})
    return warnings


def list_recommendation_warnings(overview: RuleOverview, columns: RuleProductColumns, is_matching: Mask) -> list[str]:
    """Return what the rule lacks or does in recommendations, which show no products without a price."""
    showable = columns.find_showable(in_search=False)
    match overview.rule.action:
        case RuleAction.ONLY if not (is_matching & showable).any():
            text = _("No matching product in stock has a price. Recommendations ignore the rule until one has a price.")
            return [text]
        case RuleAction.HIDE if showable.any() and not (showable & ~is_matching).any():
            return [_("The rule hides every product that can be recommended. Its recommendations will be empty.")]
        case RuleAction.PIN | RuleAction.BOOST if overview.unpriced:
            if overview.rule.action == RuleAction.BOOST and overview.unpriced < overview.products:
                return []  # the products with a price are recommended, as intended
            text = ngettext(
                "%(count)s of %(products)s matching products has no price and is not recommended.",
                "%(count)s of %(products)s matching products have no price and are not recommended.",
                overview.unpriced,
            )
            counts = {"count": overview.unpriced, "products": overview.products}
            return [text % {name: number_format(value, force_grouping=True) for name, value in counts.items()}]
    return []
