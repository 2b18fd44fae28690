"""When a rule is valid: one definition for the model's constraints, the form, REST and the OpenAPI document.

CONDITIONS, RANGES, FACTOR_LIMITS and ACTION_FIELDS are the definition; `find_rule_problems` describes what violates it.
"""

from decimal import Decimal
from typing import TYPE_CHECKING

from django.db.models import F, Q
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from recommendations.merchandising.choices import (
    MAX_PINNED_PRODUCTS,
    MAX_POSITION,
    MAX_PRODUCT_IDS,
    RuleAction,
    RulePlacement,
    Weekday,
)

if TYPE_CHECKING:
    from recommendations.merchandising.models import Rule

# the conditions on products, at least one of which a rule needs; grouped by how an unset condition is stored
TEXT_CONDITIONS = ("category", "brand", "attribute_name", "tag")
LIST_CONDITIONS = ("product_ids",)
DECIMAL_CONDITIONS = ("price_from", "price_to", "margin_from", "margin_to")
INTEGER_CONDITIONS = ("stock_from", "stock_to", "new_within_days")
CONDITIONS = (*TEXT_CONDITIONS, *LIST_CONDITIONS, *DECIMAL_CONDITIONS, *INTEGER_CONDITIONS)
# lower bound, upper bound and the name of the pair
RANGES: tuple[tuple[str, str, str | Promise], ...] = (
    ("price_from", "price_to", gettext_lazy("price")),
    ("margin_from", "margin_to", gettext_lazy("margin")),
    ("stock_from", "stock_to", gettext_lazy("stock")),
)
FACTOR_LIMITS = {
    RuleAction.BOOST: (Decimal("1.01"), Decimal(100)),
    RuleAction.BURY: (Decimal("0.01"), Decimal("0.99")),
}
# the fields that only some actions have
ACTION_FIELDS = {"position": (RuleAction.PIN,), "factor": tuple(FACTOR_LIMITS)}


def has_product_condition(rule: "Rule") -> bool:
    """Return whether the rule has any condition on products."""
    return any(getattr(rule, name) not in (None, "", []) for name in CONDITIONS)


def require_product_condition() -> Q:
    """Return the database constraint that the rule has any condition on products."""
    condition = Q()
    for name in TEXT_CONDITIONS:
        condition |= ~Q(**{name: ""})
    for name in LIST_CONDITIONS:
        condition |= ~Q(**{name: []})
    for name in (*DECIMAL_CONDITIONS, *INTEGER_CONDITIONS):
        condition |= Q(**{f"{name}__isnull": False})
    return condition


def require_factor() -> Q:
    """Return the database constraint on the factor.

    It is within the limits of the action, and unset for other actions.
    """
    condition = ~Q(action__in=list(FACTOR_LIMITS)) & Q(factor__isnull=True)
    for action, (low, high) in FACTOR_LIMITS.items():
        # a check that is NULL passes, hence "is not null" next to the comparison
        condition |= Q(action=action, factor__isnull=False, factor__gte=low, factor__lte=high)
    return condition


def require_order(low: str, high: str) -> Q:
    """Return the database constraint that a range is unset on one side or in order."""
    return Q(**{f"{low}__isnull": True}) | Q(**{f"{high}__isnull": True}) | Q(**{f"{low}__lte": F(high)})


def find_rule_problems(rule: "Rule") -> dict[str, str]:
    """Return field → problem; empty for a valid rule."""
    problems = _find_action_problems(rule) | _find_range_problems(rule) | _find_attribute_problems(rule)
    if unknown := [name for name in rule.scenarios or () if name not in RulePlacement.values]:
        problems["scenarios"] = _("Unknown placement %(name)s; valid: %(valid)s.") % {
            "name": ", ".join(map(repr, unknown)),
            "valid": ", ".join(RulePlacement.values),
        }
    if invalid_days := [day for day in rule.weekdays or () if day not in Weekday.values]:
        problems["weekdays"] = _("%(days)s is not a weekday (1 is Monday, 7 is Sunday).") % {
            "days": ", ".join(map(str, invalid_days))
        }
    if len(rule.product_ids or ()) > MAX_PRODUCT_IDS:
        problems["product_ids"] = _("Too many product IDs: %(count)d; the maximum is %(max)d. Use a tag instead.") % {
            "count": len(rule.product_ids),
            "max": MAX_PRODUCT_IDS,
        }
    if not has_product_condition(rule) and "product_ids" not in problems:
        problems["category"] = _(
            "Choose products by category, brand, product IDs, attribute, tag, price, margin, stock or age. "
            "Products must match all conditions."
        )
    return problems


def _find_action_problems(rule: "Rule") -> dict[str, str]:
    problems: dict[str, str] = {}
    if rule.action == RuleAction.PIN:
        problems |= _find_pin_problems(rule)
    elif rule.position is not None:
        problems["position"] = _("Only a pin has a position. Clear the field or choose the action “pin”.")
    if rule.action in FACTOR_LIMITS:
        low, high = FACTOR_LIMITS[RuleAction(rule.action)]
        if rule.factor is None or not low <= rule.factor <= high:
            problems["factor"] = (
                _("A boost requires a factor from 1.01 to 100. For example, 2 doubles the score.")
                if rule.action == RuleAction.BOOST
                else _("A bury rule requires a factor from 0.01 to 0.99. For example, 0.5 halves the score.")
            )
    elif rule.factor is not None:
        problems["factor"] = _("Only boost and bury have a factor. Clear the field or choose one of these actions.")
    return problems


def _find_pin_problems(rule: "Rule") -> dict[str, str]:
    problems: dict[str, str] = {}
    if rule.position is None:
        problems["position"] = _("A pin requires a position from 1 to %(last)d; 1 is the first.") % {
            "last": MAX_POSITION
        }
    elif not 1 <= rule.position <= MAX_POSITION:
        problems["position"] = _("%(position)d is not a valid position (1 to %(last)d).") % {
            "position": rule.position,
            "last": MAX_POSITION,
        }
    if not rule.product_ids:
        problems["product_ids"] = _("A pin requires product IDs.")
    elif len(rule.product_ids) > MAX_PINNED_PRODUCTS:
        problems["product_ids"] = _("Too many products for a pin: %(count)d; the maximum is %(max)d.") % {
            "count": len(rule.product_ids),
            "max": MAX_PINNED_PRODUCTS,
        }
    return problems


def _find_range_problems(rule: "Rule") -> dict[str, str]:
    problems: dict[str, str] = {}
    for low, high, name in RANGES:
        minimum, maximum = getattr(rule, low), getattr(rule, high)
        if minimum is not None and maximum is not None and minimum > maximum:
            problems[low] = _("The minimum %(name)s %(low)s is greater than the maximum %(high)s. Swap the values.") % {
                "name": name,
                "low": minimum,
                "high": maximum,
            }
    if rule.starts_at is not None and rule.ends_at is not None and rule.starts_at >= rule.ends_at:
        problems["ends_at"] = _("The end is before the start. Enter a later end, or leave it empty.")
    return problems


def _find_attribute_problems(rule: "Rule") -> dict[str, str]:
    if rule.attribute_name and not rule.attribute_value:
        return {
            "attribute_value": _("Enter the value of the attribute %(name)s.") % {"name": repr(rule.attribute_name)}
        }
    if rule.attribute_value and not rule.attribute_name:
        return {
            "attribute_name": _("Enter an attribute for the value %(value)s, or clear the value.")
            % {"value": repr(rule.attribute_value)}
        }
    return {}
