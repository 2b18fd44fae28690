"""A rule tried without saving it: a place of the shop without rules, and with all of them and this one."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime

from recommendations.merchandising.choices import Action
from recommendations.merchandising.models import Rule
from recommendations.merchandising.rules.rule_book import RuleBook
from recommendations.merchandising.rules.schedule import is_open
from recommendations.merchandising.rules.storage import load_rules
from recommendations.serving.recommend import Answer, Item, recommend
from recommendations.serving.request import Request
from recommendations.serving.state.compiled_rules import columns_of
from recommendations.serving.state.loader import Loader, loader
from recommendations.serving.state.product_index import Card


@dataclass(frozen=True)
class Shown:
    """A product in a list of the preview. before: its place without rules, None where it was not on the page. pinned: by any rule."""

    place: int
    card: Card
    before: int | None
    pinned: bool = False

    @property
    def moved(self) -> bool:
        return self.before != self.place


@dataclass(frozen=True)
class RulePreview:
    """without: the place without any rule. with_rules: with those that are switched on and the draft. changed: how many of the first n places
    the draft alone changes. gone: product ids of the first list that are not in the second. as_if: what of the draft was taken as given:
    segment, time."""

    without: list[Shown]
    with_rules: list[Shown]
    changed: int
    n: int
    gone: frozenset[str]
    left_out: list[str]
    set_aside: bool
    as_if: tuple[str, ...]


def preview_with_rules(*, request: Request, draft_rule: Rule, now: datetime, source: Loader = loader) -> RulePreview:
    """What ``draft_rule``, saved or not, would do to the answer to ``request``.

    It is taken as switched on, its time as come and the visitor as one of its segment, and stands in for the stored rule of its number.

    Raises:
        WrongRequestError: the request contradicts itself.
        DatabaseError: nothing was loaded yet and the database is away.
    """
    catalogue = source.current(now=now).catalogue
    columns = columns_of(catalogue)
    draft, as_if = as_if_it_held(draft_rule, now=now)
    others = [rule for rule in load_rules() if rule.pk != draft_rule.pk]
    with_others = RuleBook.compile(rules=others, columns=columns, now=now)
    with_all = RuleBook.compile(rules=[*others, draft], columns=columns, now=now)
    first = ranked(request=request, rules=RuleBook(), now=now, source=source)
    second = ranked(request=request, rules=with_others, now=now, source=source)
    third = ranked(request=request, rules=with_all, now=now, source=source)
    places = {item.product_id: item.rank for item in first.items}
    applied = with_all.apply(scenario=request.scenario, segments=frozenset(), now=now)
    number = draft.pk or 0
    pinned = {row for _place, row in applied.pins} if applied is not None else set()
    after = {item.product_id for item in third.items}
    return RulePreview(
        without=[Shown(item.rank, card, item.rank) for item in first.items if (card := item.card) is not None],
        with_rules=[
            Shown(item.rank, card, places.get(item.product_id), item.row in pinned)
            for item in third.items
            if (card := item.card) is not None
        ],
        changed=changed_places(second.items, third.items),
        n=request.n,
        gone=frozenset(places.keys() - after),
        left_out=missing_pins(draft, after) if request.cursor == "" else [],
        set_aside=applied is not None and number in applied.set_aside,
        as_if=as_if,
    )


def as_if_it_held(rule: Rule, *, now: datetime) -> tuple[Rule, tuple[str, ...]]:
    """A copy that holds for everybody, always; and what was changed for that."""
    draft = copy(rule)
    as_if = []
    if rule.segment_id is not None:
        draft.segment = None
        as_if.append("segment")
    if not is_open(rule, now=now):
        draft.starts_at, draft.ends_at, draft.weekdays = None, None, []
        as_if.append("time")
    return draft, tuple(as_if)


def changed_places(before: Sequence[Item], after: Sequence[Item]) -> int:
    """Places on which another product stands, or on one side none."""
    pairs = sum(1 for one, other in zip(before, after, strict=False) if one.product_id != other.product_id)
    return pairs + abs(len(before) - len(after))


def missing_pins(draft: Rule, shown: set[str]) -> list[str]:
    """Products that the draft pins to the page and that do not stand on it: hidden, sold out, excluded, or not in the catalogue."""
    if draft.action != Action.PIN or (draft.position or 1) + len(draft.product_ids) - 1 > len(shown):
        return []
    return [product_id for product_id in draft.product_ids if product_id not in shown]


def ranked(*, request: Request, rules: RuleBook, now: datetime, source: Loader) -> Answer:
    """The answer with these rules and no others."""
    return recommend(request=request, now=now, source=source, rules=rules)
