"""What is wrong with a rule, field by field, and what would be right."""

from decimal import Decimal
from typing import TYPE_CHECKING

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from recommendations.merchandising.choices import LAST_POSITION, MOST_PINNED, MOST_PRODUCT_IDS, Action, Place

if TYPE_CHECKING:
    from recommendations.merchandising.models import Rule

# field that may not be above → field, and what the pair is called
RANGES: tuple[tuple[str, str, str | Promise], ...] = (
    ("price_from", "price_to", gettext_lazy("price")),
    ("margin_from", "margin_to", gettext_lazy("margin")),
    ("stock_from", "stock_to", gettext_lazy("stock")),
)
FACTORS = {Action.BOOST: (Decimal("1.01"), Decimal(100)), Action.BURY: (Decimal("0.01"), Decimal("0.99"))}
CONDITIONS = (
    "category",
    "brand",
    "product_ids",
    "attribute_name",
    "tag",
    "price_from",
    "price_to",
    "margin_from",
    "margin_to",
    "stock_from",
    "stock_to",
    "new_within_days",
)


def names_products(rule: "Rule") -> bool:
    """Whether any condition on the product is given."""
    return any(getattr(rule, name) not in (None, "", []) for name in CONDITIONS)


def problems_of(rule: "Rule") -> dict[str, str]:
    """Field → what is wrong with it; empty for a rule that can work."""
    problems = problems_of_action(rule) | problems_of_ranges(rule)
    if unknown := [name for name in rule.scenarios or () if name not in Place.values]:
        problems["scenarios"] = _("There is no place %(name)s; there are %(known)s.") % {
            "name": ", ".join(map(repr, unknown)),
            "known": ", ".join(Place.values),
        }
    if wrong := [day for day in rule.weekdays or () if day not in range(1, 8)]:
        problems["weekdays"] = _("%(days)s is no weekday; 1 is Monday, 7 is Sunday.") % {
            "days": ", ".join(map(str, wrong))
        }
    if rule.attribute_name and not rule.attribute_value:
        problems["attribute_value"] = _("Give the value that the attribute %(name)s must have.") % {
            "name": repr(rule.attribute_name)
        }
    if rule.attribute_value and not rule.attribute_name:
        problems["attribute_name"] = _("Name the attribute whose value is %(value)s, or leave the value empty.") % {
            "value": repr(rule.attribute_value)
        }
    if len(rule.product_ids or ()) > MOST_PRODUCT_IDS:
        problems["product_ids"] = _("%(count)d products are too many; at most %(most)d fit. Give them a tag.") % {
            "count": len(rule.product_ids),
            "most": MOST_PRODUCT_IDS,
        }
    if not names_products(rule) and "product_ids" not in problems:
        problems["category"] = _(
            "Say which products are meant: give a category, a brand, product ids, an attribute, a tag, a price, a margin, "
            "a stock or an age. All that are given must hold."
        )
    return problems


def problems_of_action(rule: "Rule") -> dict[str, str]:
    problems: dict[str, str] = {}
    if rule.action == Action.PIN:
        if rule.position is None:
            problems["position"] = _("A pin needs a place, 1 to %(last)d; 1 is the first.") % {"last": LAST_POSITION}
        elif not 1 <= rule.position <= LAST_POSITION:
            problems["position"] = _("%(place)d is no place; give 1 to %(last)d.") % {
                "place": rule.position,
                "last": LAST_POSITION,
            }
        if not rule.product_ids:
            problems["product_ids"] = _("A pin needs the ids of the products that shall stand there.")
        elif len(rule.product_ids) > MOST_PINNED:
            problems["product_ids"] = _("%(count)d products cannot be pinned at once; give at most %(most)d.") % {
                "count": len(rule.product_ids),
                "most": MOST_PINNED,
            }
    elif rule.position is not None:
        problems["position"] = _("Only a pin has a place: leave it empty, or choose the action “pin to a place”.")
    if rule.action in FACTORS:
        low, high = FACTORS[Action(rule.action)]
        if rule.factor is None or not low <= rule.factor <= high:
            problems["factor"] = (
                _("A boost needs a factor from 1.01 to 100: 2 doubles the score.")
                if rule.action == Action.BOOST
                else _("Bury needs a factor from 0.01 to 0.99: 0.5 halves the score.")
            )
    elif rule.factor is not None:
        problems["factor"] = _("Only boost and bury have a factor: leave it empty, or choose one of these actions.")
    return problems


def problems_of_ranges(rule: "Rule") -> dict[str, str]:
    problems: dict[str, str] = {}
    for low, high, what in RANGES:
        least, most = getattr(rule, low), getattr(rule, high)
        if least is not None and most is not None and least > most:
            problems[low] = _("The %(what)s from %(least)s to %(most)s holds for nothing: exchange the two.") % {
                "what": what,
                "least": least,
                "most": most,
            }
    if rule.starts_at is not None and rule.ends_at is not None and rule.starts_at >= rule.ends_at:
        problems["ends_at"] = _("The rule ends before it starts: give an end after its start, or none.")
    return problems
