"""Overviews of rules for the back office: matching products, conflicts, warnings and status."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from catalog.models import Product
from recommendations.merchandising.backoffice.rule_labels import MAX_NAMES, format_moment, join_names
from recommendations.merchandising.choices import RuleAction
from recommendations.merchandising.models import Rule
from recommendations.merchandising.rules.conflicts import RuleConflict, find_conflicts
from recommendations.merchandising.rules.product_columns import RuleProductColumns, read_product_columns
from recommendations.merchandising.rules.product_matching import match_products
from recommendations.merchandising.rules.schedule import is_rule_open
from recommendations.merchandising.rules.storage import load_rules


@dataclass(frozen=True, eq=False)
class RuleOverview:
    """A rule at the moment. products: number of visible products that match; in_stock: of these, in stock."""

    rule: Rule
    products: int
    in_stock: int
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
    products, in_stock = int(is_matching.sum()), int((is_matching & columns.in_stock).sum())
    warnings = list_warnings(rule, columns, products=products, in_stock=in_stock, now=now)
    return RuleOverview(rule, products, in_stock, get_rule_state(rule, now=now), conflicts, warnings)


def get_rule_state(rule: Rule, *, now: datetime) -> str:
    """Return "off", "over", "waiting" or "on"."""
    if not rule.enabled:
        return "off"
    if rule.ends_at is not None and now >= rule.ends_at:
        return "over"
    return "on" if is_rule_open(rule, now=now) else "waiting"


def list_warnings(rule: Rule, columns: RuleProductColumns, *, products: int, in_stock: int, now: datetime) -> list[str]:
    warnings = []
    total = int(columns.visible.sum())
    if not products:
        text = ngettext(
            "The rule matches no products (%(total)s product in the catalog). It has no effect until a product "
            "matches.",
            "The rule matches no products (%(total)s products in the catalog). It has no effect until a "
            "product matches.",
            total,
        )
        warnings.append(text % {"total": number_format(total, force_grouping=True)})
    elif rule.action == RuleAction.ONLY and not in_stock:
        warnings.append(
            _("No matching product is in stock. The rule is ignored until a matching product is back in stock.")
        )
    elif rule.action == RuleAction.HIDE and products == total:
        warnings.append(_("The rule hides every product. Its placements will be empty."))
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
