"""Find rules that conflict, and describe the outcome."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from recommendations.merchandising.backoffice.rule_labels import format_plain
from recommendations.merchandising.choices import RuleAction, RulePlacement
from recommendations.merchandising.rules.product_columns import Mask, RuleProductColumns
from recommendations.merchandising.rules.rule_book import MAX_FACTOR, MIN_FACTOR, CompiledRule
from recommendations.merchandising.rules.schedule import can_overlap_in_time

if TYPE_CHECKING:
    from recommendations.merchandising.models import Rule


@dataclass(frozen=True, eq=False)
class RuleConflict:
    """first: the rule that wins. products: number of products affected. text: the conflict and its outcome."""

    kind: str
    first: "Rule"
    second: "Rule"
    products: int
    text: str

    def concerns(self, rule: "Rule") -> bool:
        return rule is self.first or rule is self.second


def find_conflicts(*, rules: Iterable["Rule"], columns: RuleProductColumns, now: datetime) -> list[RuleConflict]:
    """Return the conflicts of enabled rules that can apply at once to one visitor in a placement."""
    current = [rule for rule in rules if rule.enabled and (rule.ends_at is None or rule.ends_at > now)]
    entries = sorted(
        (CompiledRule.compile(rule, columns, now=now) for rule in current), key=lambda entry: entry.sort_key
    )
    showable = {in_search: columns.find_showable(in_search=in_search) for in_search in (False, True)}
    return [
        conflict
        for first, second in combinations(entries, 2)
        if can_overlap(first.rule, second.rule)
        for conflict in compare_rules(first, second, showable[meet_only_in_search(first.rule, second.rule)])
    ]


def can_overlap(first: "Rule", second: "Rule") -> bool:
    """Return whether both rules can apply at once; a visitor may be in both of their segments."""
    first_placements, second_placements = set(first.scenarios), set(second.scenarios)
    share_placement = not first_placements or not second_placements or bool(first_placements & second_placements)
    return share_placement and can_overlap_in_time(first, second)


def meet_only_in_search(first: "Rule", second: "Rule") -> bool:
    """Return whether two rules that can overlap share no placement but search, which also shows products without a price."""
    first_placements, second_placements = (set(rule.scenarios or RulePlacement.values) for rule in (first, second))
    return first_placements & second_placements == {RulePlacement.SEARCH}


def compare_rules(first: CompiledRule, second: CompiledRule, showable: Mask) -> Iterator[RuleConflict]:
    """Yield the conflicts of two rules.

    ``first`` wins by priority, or by action if priorities are equal.
    """
    actions = {first.rule.action, second.rule.action}
    match (first.rule.action, second.rule.action):
        case (RuleAction.PIN, RuleAction.PIN):
            yield from compare_pins(first, second)
        case (RuleAction.ONLY, RuleAction.ONLY):
            yield from compare_onlys(first, second, showable)
        case _ if actions == {RuleAction.PIN, RuleAction.HIDE}:
            yield from compare_pin_with_exclusion(first, second, hides=True)
        case _ if actions == {RuleAction.PIN, RuleAction.ONLY}:
            yield from compare_pin_with_exclusion(first, second, hides=False)
        case _ if actions == {RuleAction.HIDE, RuleAction.ONLY}:
            yield from compare_only_with_hide(first, second, showable)
        case _ if actions == {RuleAction.BOOST, RuleAction.BURY}:
            yield from compare_boost_with_bury(first, second)


def format_names(first: CompiledRule, second: CompiledRule) -> dict[str, str]:
    return {"first": format_name(first.rule), "second": format_name(second.rule)}


def format_name(rule: "Rule") -> str:
    return _("“%(name)s”") % {"name": rule.name} if rule.name else _("this rule")


def compare_pins(first: CompiledRule, second: CompiledRule) -> Iterator[RuleConflict]:
    shared = set(first.rows.tolist()) & set(second.rows.tolist())
    if shared:
        text = ngettext(
            "%(first)s and %(second)s pin the same product. It is shown at the position of %(first)s.",
            "%(first)s and %(second)s pin the same %(count)d products. They are shown at the positions of %(first)s.",
            len(shared),
        )
        text = text % {**format_names(first, second), "count": len(shared)}
        yield RuleConflict("same-product", first.rule, second.rule, len(shared), text)
    first_start, second_start = first.rule.position or 1, second.rule.position or 1
    first_positions = set(range(first_start, first_start + len(first.rows)))
    # Shared products stay with the first rule, so the second occupies fewer positions.
    second_positions = set(range(second_start, second_start + len(second.rows) - len(shared)))
    contested = sorted(first_positions & second_positions)
    if contested:
        text = _(
            "%(first)s and %(second)s both pin to position %(place)d. %(first)s takes it. The products of "
            "%(second)s move to the next free positions."
        )
        text = text % {**format_names(first, second), "place": contested[0]}
        yield RuleConflict("same-place", first.rule, second.rule, len(contested), text)


def compare_onlys(first: CompiledRule, second: CompiledRule, showable: Mask) -> Iterator[RuleConflict]:
    if not (first.mask & second.mask & showable).any():
        text = _(
            "%(first)s and %(second)s are both Only rules and have no product in common. %(first)s applies, "
            "and %(second)s is ignored."
        )
        yield RuleConflict("no-common-product", first.rule, second.rule, 0, text % format_names(first, second))


def compare_pin_with_exclusion(first: CompiledRule, second: CompiledRule, *, hides: bool) -> Iterator[RuleConflict]:
    """Yield the conflict of a pin with a hide, or with an only that excludes its products."""
    pin, other = (first, second) if first.rule.action == RuleAction.PIN else (second, first)
    is_inside = other.mask[pin.rows]
    count = int((is_inside if hides else ~is_inside).sum())
    if not count:
        return
    values = {"pin": format_name(pin.rule), "bar": format_name(other.rule), "count": count}
    if hides and pin is first:
        text = ngettext(
            "%(pin)s pins %(count)d product that %(bar)s hides. It is shown, because the pin has the higher priority.",
            "%(pin)s pins %(count)d products that %(bar)s hides. They are shown, because the pin has the higher priority.",
            count,
        )
    elif hides:
        text = ngettext(
            "%(pin)s pins %(count)d product that %(bar)s hides. It is not shown, because the pin does not have a higher priority.",
            "%(pin)s pins %(count)d products that %(bar)s hides. They are not shown, because the pin does not have a higher priority.",
            count,
        )
    elif pin is first:
        text = ngettext(
            "%(pin)s pins %(count)d product that %(bar)s excludes. It is shown, because the pin has the higher priority.",
            "%(pin)s pins %(count)d products that %(bar)s excludes. They are shown, because the pin has the higher priority.",
            count,
        )
    else:
        text = ngettext(
            "%(pin)s pins %(count)d product that %(bar)s excludes. It is not shown, because the pin does not have a higher priority.",
            "%(pin)s pins %(count)d products that %(bar)s excludes. They are not shown, because the pin does not have a higher priority.",
            count,
        )
    yield RuleConflict("pin-hidden" if hides else "pin-outside", first.rule, second.rule, count, text % values)


def compare_only_with_hide(first: CompiledRule, second: CompiledRule, showable: Mask) -> Iterator[RuleConflict]:
    hide, only = (first, second) if first.rule.action == RuleAction.HIDE else (second, first)
    allowed = only.mask & showable
    if allowed.any() and not (allowed & ~hide.mask).any():
        text = _("%(hide)s hides all products of %(only)s. %(only)s is ignored, so that the placement is not empty.")
        values = {"hide": format_name(hide.rule), "only": format_name(only.rule)}
        yield RuleConflict("only-hidden", first.rule, second.rule, int(allowed.sum()), text % values)


def compare_boost_with_bury(first: CompiledRule, second: CompiledRule) -> Iterator[RuleConflict]:
    count = int((first.mask & second.mask).sum())
    if count:
        factor = multiply_factors([first, second])
        text = ngettext(
            "%(first)s and %(second)s boost and bury the same product. In total, its score is multiplied by %(factor)s.",
            "%(first)s and %(second)s boost and bury the same %(count)d products. In total, their scores are multiplied by %(factor)s.",
            count,
        )
        values = {**format_names(first, second), "count": count, "factor": format_plain(round(factor, 4))}
        yield RuleConflict("boost-and-bury", first.rule, second.rule, count, text % values)


def multiply_factors(entries: Sequence[CompiledRule]) -> float:
    factor = 1.0
    for entry in entries:
        factor *= float(entry.rule.factor or 1)
    return min(max(factor, MIN_FACTOR), MAX_FACTOR)
