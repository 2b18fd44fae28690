"""What the back office tells of rules: what each means now, what it is at odds with, whether its time has come."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from recommendations.merchandising.backoffice.rule_labels import moment_in_words, some_of
from recommendations.merchandising.choices import Action
from recommendations.merchandising.models import Rule
from recommendations.merchandising.rules.conflicts import Conflict, conflicts
from recommendations.merchandising.rules.product_columns import ProductColumns, read_columns
from recommendations.merchandising.rules.product_matching import matching
from recommendations.merchandising.rules.schedule import is_open
from recommendations.merchandising.rules.storage import load_rules


@dataclass(frozen=True, eq=False)
class RuleStanding:
    """A rule as it stands now. products: how many of the shown ones it means. in_stock: of these. warnings: in words, none is an error."""

    rule: Rule
    products: int
    in_stock: int
    state: str
    conflicts: list[Conflict]
    warnings: list[str]


def standings(*, rules: Sequence[Rule], now: datetime) -> list[RuleStanding]:
    """How these rules, saved or not, stand beside all that are switched on. Two queries, and two more for attributes and tags each."""
    columns = read_columns(now=now)
    mine = {rule.pk: rule for rule in rules if rule.pk}
    beside = [mine.get(rule.pk, rule) for rule in load_rules()]
    beside += [rule for rule in rules if rule.pk is None]
    found = conflicts(rules=beside, columns=columns, now=now)
    return [standing_of(rule, columns, [one for one in found if one.concerns(rule)], now=now) for rule in rules]


def standing_of(rule: Rule, columns: ProductColumns, at_odds: list[Conflict], *, now: datetime) -> RuleStanding:
    meant = matching(rule=rule, columns=columns, now=now) & columns.shown
    products, in_stock = int(meant.sum()), int((meant & columns.in_stock).sum())
    warnings = warnings_of(rule, columns, products=products, in_stock=in_stock, now=now)
    return RuleStanding(rule, products, in_stock, state_of(rule, now=now), at_odds, warnings)


def state_of(rule: Rule, *, now: datetime) -> str:
    """off, over, waiting or on."""
    if not rule.enabled:
        return "off"
    if rule.ends_at is not None and now >= rule.ends_at:
        return "over"
    return "on" if is_open(rule, now=now) else "waiting"


def warnings_of(rule: Rule, columns: ProductColumns, *, products: int, in_stock: int, now: datetime) -> list[str]:
    warnings = []
    total = int(columns.shown.sum())
    if not products:
        text = ngettext(
            "The rule means 0 of %(total)s product: it changes nothing until one fits.",
            "The rule means 0 of %(total)s products: it changes nothing until one fits.",
            total,
        )
        warnings.append(text % {"total": number_format(total, force_grouping=True)})
    elif rule.action == Action.ONLY and not in_stock:
        warnings.append(
            _("None of its products is in stock: the rule is set aside until one is, so that something is shown.")
        )
    elif rule.action == Action.HIDE and products == total:
        warnings.append(_("The rule hides every product: where it holds, nothing is shown."))
    if unknown := [product_id for product_id in rule.product_ids if columns.row_of(product_id) < 0]:
        text = ngettext(
            "%(count)d product id is not in the catalogue: %(ids)s.",
            "%(count)d product ids are not in the catalogue: %(ids)s.",
            len(unknown),
        )
        warnings.append(text % {"count": len(unknown), "ids": some_of(unknown)})
    if rule.ends_at is not None and rule.ends_at <= now:
        warnings.append(_("The rule ended on %(moment)s.") % {"moment": moment_in_words(rule.ends_at)})
    return warnings
