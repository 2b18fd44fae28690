"""Rules that contradict each other, in words with what will happen."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from recommendations.merchandising.backoffice.rule_labels import plain
from recommendations.merchandising.choices import Action
from recommendations.merchandising.rules.product_columns import Mask, ProductColumns
from recommendations.merchandising.rules.rule_book import LEAST_FACTOR, MOST_FACTOR, Entry
from recommendations.merchandising.rules.schedule import may_meet_in_time

if TYPE_CHECKING:
    from recommendations.merchandising.models import Rule


@dataclass(frozen=True, eq=False)
class Conflict:
    """first: the rule that goes before. products: how many it is about. text: what contradicts, and what will happen."""

    kind: str
    first: "Rule"
    second: "Rule"
    products: int
    text: str

    def concerns(self, rule: "Rule") -> bool:
        return rule is self.first or rule is self.second


def conflicts(*, rules: Iterable["Rule"], columns: ProductColumns, now: datetime) -> list[Conflict]:
    """The pairs of rules that are switched on and can hold at once, in one place, for one person, and contradict each other."""
    live = [rule for rule in rules if rule.enabled and (rule.ends_at is None or rule.ends_at > now)]
    entries = sorted((Entry.of_rule(rule, columns, now=now) for rule in live), key=lambda entry: entry.order)
    showable = columns.shown & columns.in_stock
    return [
        conflict
        for first, second in combinations(entries, 2)
        if may_meet(first.rule, second.rule)
        for conflict in between(first, second, showable)
    ]


def may_meet(first: "Rule", second: "Rule") -> bool:
    """One person may be in two segments, so these keep no rules apart."""
    here, there = set(first.scenarios), set(second.scenarios)
    return (not here or not there or bool(here & there)) and may_meet_in_time(first, second)


def between(first: Entry, second: Entry, showable: Mask) -> Iterator[Conflict]:
    """first goes before second, by priority, or by its action where that is equal."""
    actions = {first.rule.action, second.rule.action}
    match (first.rule.action, second.rule.action):
        case (Action.PIN, Action.PIN):
            yield from two_pins(first, second)
        case (Action.ONLY, Action.ONLY):
            yield from two_onlys(first, second, showable)
        case _ if actions == {Action.PIN, Action.HIDE}:
            yield from pin_and_bar(first, second, hides=True)
        case _ if actions == {Action.PIN, Action.ONLY}:
            yield from pin_and_bar(first, second, hides=False)
        case _ if actions == {Action.HIDE, Action.ONLY}:
            yield from only_of_hidden(first, second, showable)
        case _ if actions == {Action.BOOST, Action.BURY}:
            yield from boost_and_bury(first, second)


def names(first: Entry, second: Entry) -> dict[str, str]:
    return {"first": named(first.rule), "second": named(second.rule)}


def named(rule: "Rule") -> str:
    return _("“%(name)s”") % {"name": rule.name} if rule.name else _("this rule")


def two_pins(first: Entry, second: Entry) -> Iterator[Conflict]:
    shared = set(first.rows.tolist()) & set(second.rows.tolist())
    if shared:
        text = ngettext(
            "%(first)s and %(second)s pin the same product: it stands where %(first)s wants it.",
            "%(first)s and %(second)s pin %(count)d products that are the same: they stand where %(first)s wants them.",
            len(shared),
        )
        yield Conflict("same-product", first.rule, second.rule, len(shared), text % {**names(first, second), "count": len(shared)})  # fmt: skip
    start, other = first.rule.position or 1, second.rule.position or 1
    fought = sorted(
        set(range(start, start + len(first.rows))) & set(range(other, other + len(second.rows) - len(shared)))
    )
    if fought:
        text = _(
            "%(first)s and %(second)s both want place %(place)d: %(first)s gets it, the products of %(second)s stand on the next free places."
        )
        yield Conflict("same-place", first.rule, second.rule, len(fought), text % {**names(first, second), "place": fought[0]})  # fmt: skip


def two_onlys(first: Entry, second: Entry, showable: Mask) -> Iterator[Conflict]:
    if not (first.mask & second.mask & showable).any():
        text = _(
            "%(first)s and %(second)s each allow nothing but their own products, and have none in common: "
            "%(first)s holds, %(second)s is set aside."
        )
        yield Conflict("no-common-product", first.rule, second.rule, 0, text % names(first, second))


def pin_and_bar(first: Entry, second: Entry, *, hides: bool) -> Iterator[Conflict]:
    """A pin against a hide, or against an only that its products are outside of."""
    pin, bar = (first, second) if first.rule.action == Action.PIN else (second, first)
    inside = bar.mask[pin.rows]
    count = int((inside if hides else ~inside).sum())
    if not count:
        return
    told = {"pin": named(pin.rule), "bar": named(bar.rule), "count": count}
    if hides and pin is first:
        text = ngettext(
            "%(pin)s pins %(count)d product that %(bar)s hides: it is shown at its place, because the pin has the higher priority.",
            "%(pin)s pins %(count)d products that %(bar)s hides: they are shown at their places, because the pin has the higher priority.",
            count,
        )
    elif hides:
        text = ngettext(
            "%(pin)s pins %(count)d product that %(bar)s hides: it is left out, because the pin has no higher priority.",
            "%(pin)s pins %(count)d products that %(bar)s hides: they are left out, because the pin has no higher priority.",
            count,
        )
    elif pin is first:
        text = ngettext(
            "%(pin)s pins %(count)d product that %(bar)s does not allow: it is shown at its place, because the pin has the higher priority.",
            "%(pin)s pins %(count)d products that %(bar)s does not allow: they are shown at their places, because the pin has the higher priority.",
            count,
        )
    else:
        text = ngettext(
            "%(pin)s pins %(count)d product that %(bar)s does not allow: it is left out, because the pin has no higher priority.",
            "%(pin)s pins %(count)d products that %(bar)s does not allow: they are left out, because the pin has no higher priority.",
            count,
        )
    yield Conflict("pin-hidden" if hides else "pin-outside", first.rule, second.rule, count, text % told)


def only_of_hidden(first: Entry, second: Entry, showable: Mask) -> Iterator[Conflict]:
    hide, only = (first, second) if first.rule.action == Action.HIDE else (second, first)
    allowed = only.mask & showable
    if allowed.any() and not (allowed & ~hide.mask).any():
        text = _("%(hide)s hides all that %(only)s allows: %(only)s is set aside, so that something is shown.")
        told = {"hide": named(hide.rule), "only": named(only.rule)}
        yield Conflict("only-hidden", first.rule, second.rule, int(allowed.sum()), text % told)


def boost_and_bury(first: Entry, second: Entry) -> Iterator[Conflict]:
    count = int((first.mask & second.mask).sum())
    if count:
        factor = together([first, second])
        text = ngettext(
            "%(first)s and %(second)s boost and bury the same product: together they multiply its score by %(factor)s.",
            "%(first)s and %(second)s boost and bury the same %(count)d products: together they multiply their scores by %(factor)s.",
            count,
        )
        told = {**names(first, second), "count": count, "factor": plain(round(factor, 4))}
        yield Conflict("boost-and-bury", first.rule, second.rule, count, text % told)


def together(entries: Sequence[Entry]) -> float:
    factor = 1.0
    for entry in entries:
        factor *= float(entry.rule.factor or 1)
    return min(max(factor, LEAST_FACTOR), MOST_FACTOR)
